"""Which words of a prompt a model was taught: the built-in one is small, and honest about it.

A model folder may hold `vocabulary.json`:
{"words": {word: "what it stands for"}, "stopwords": [words of no picture], "near": {word: the known one for it},
"max_words": how many words and punctuation marks it can read, "phrases": {category: [phrases to add]},
"mirror": [the word for one side, the word for the other, drawn in the mirror (mirror.py)],
"plate": {how a pan is drawn (plate.py)}}.
All but `words` and `stopwords` may be missing.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.text2video.mirror import Sides, is_mirrored, swapped
from diffscaler.text2video.plate import PAN, Plate, pace_px, without_pan

FILE_NAME = "vocabulary.json"

#: Shorter words have too many neighbours to be taken for one another with a slip of the finger.
SHORTEST_SLIP = 6

#: Words of English that are one letter away from words of the built-in world.
NO_SLIPS = frozenset(
    "stairs winner packed waking dessert ruining sanding walling stranding mowing risking rabbi lauded strict smiling "
    "scaling sealing moping frying plying rating raking raving wailing rusting rinsing hoping hogging scroll scrolls "
    "parses cameos houses phonies trails traits loving daring".split()
)

#: What follows these is not wanted in the picture, and a small model cannot leave anything out.
NEGATIONS = frozenset("no not without never".split())

#: They mean someone who has been named already, if anyone has.
PRONOUNS = frozenset("he him she they them".split())

#: Nothing to be seen; dropped without a word.
SILENT = frozenset(
    "and or but if so then than there here has have had was were be been being am do does did will would can could may "
    "i you we us our your my me who which what when where how just also too not s t up down".split()
)

NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class Vocabulary:
    """The words of one model. words: word -> "category:what it stands for", or "other"; phrases: by category; mirror:
    as in mirror.py, None for a model that knows both sides; plate: as in plate.py, None for one that pans by itself."""

    words: dict[str, str]
    stopwords: frozenset[str]
    near: dict[str, str]
    max_words: int
    phrases: dict[str, list[str]]
    mirror: Sides | None = None
    plate: Plate | None = None

    def nearest(self, word: str, may_be_a_slip: bool = True) -> str | None:
        """The known word to draw in place of an unknown one: one of like meaning, else one with a slip in it."""
        for form in (word, stem(word)):
            if form in self.near:
                return self.near[form]
        if not may_be_a_slip or len(word) < SHORTEST_SLIP or word in NO_SLIPS:
            return None
        return next((known for known in self.words if known[0] == word[0] and one_slip_apart(word, known)), None)

    def starting_with(self, start: str) -> list[str]:
        """Known words that begin so, those that name something to be seen first; none when `start` is one itself."""
        if not start or start in self.words or start in self.stopwords or start in self.near or start in SILENT:
            return []
        found = [word for word in self.words if word.startswith(start)]
        return sorted(found, key=lambda word: (self.words[word] == "other", len(word), word))


@dataclass(frozen=True)
class Reading:
    """What a model makes of a prompt.

    heard: the prompt as it is read: unknown words replaced or left out, no longer than the model can read
    known: words it was taught; replaced: (word, the one drawn instead); ignored: words that mean nothing to it
    cut: how many words at the end were too many
    sides: the clip is shown in the mirror, and the network is given these two words swapped; None for all others
    pan: how far the camera of the finished clip goes to the right, in heights of the picture; 0 when it is not moved
    over a plate (plate.py); setting: the words of place and light for the plate
    drawn: what the network is given, before it is turned: what was heard, without the words of such a pan
    """

    heard: str
    known: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    cut: int = 0
    sides: Sides | None = None
    pan: float = 0.0
    setting: str = ""
    drawn: str = ""

    @property
    def mirrored(self) -> bool:
        """Whether the clip is drawn turned, and shown in the mirror."""
        return self.sides is not None

    def pan_px(self, height: int, num_frames: int) -> int:
        """Pixels from frame to frame by which the view moves to the right over what is drawn, before any mirror."""
        way = -1 if (self.pan < 0) != self.mirrored else 1
        return way * pace_px(height, num_frames, abs(self.pan)) if self.pan else 0

    def turned(self, text: str) -> str:
        """A text as the network is given it."""
        return swapped(text, self.sides) if self.sides else text

    def notes(self, model: str) -> list[str]:
        """What a person should know about it, one sentence each."""
        said = []
        if not self.heard:
            said.append(f"{model} knows no word of this prompt; it drew a scene of its own.")
        said += [f"{model} does not know '{word}'; it drew '{instead}' instead." for word, instead in self.replaced]
        if self.ignored and self.heard:
            more = f" and {len(self.ignored) - 12} more" if len(self.ignored) > 12 else ""
            said.append(f"{model} does not know: {', '.join(self.ignored[:12])}{more}.")
        if self.cut:
            said.append(f"{model} reads short prompts; it left out the last {self.cut} words.")
        return said


def read_prompt(folder: Path, prompt: str) -> Reading | None:
    """How the model in `folder` reads a prompt; None when the model has no word list.

    Raises ModelNotFound when the list is damaged.
    """
    words = vocabulary_of(folder)
    if words is None:
        return None
    heard: list[str] = []
    known, replaced, ignored = {}, {}, {}
    cut, unwanted, someone = 0, "", False
    screenplay = any(letter.islower() for letter in prompt)
    for token in re.findall(r"[^\W_]+|[.,;:!?-]", unicodedata.normalize("NFC", prompt)):
        word = token.lower()
        if not word[0].isalnum():
            unwanted = ""
            if heard and heard[-1][0].isalnum():
                heard.append(token)
            continue
        if word in NEGATIONS and word not in words.words:
            unwanted = word
            continue
        taught = word in words.words or stem(word) in words.words
        if word in words.words or word in words.stopwords:
            use: str | None = word
        elif taught:
            use = stem(word)
        elif word in SILENT or (word in PRONOUNS and someone):
            continue
        else:
            # A name in capitals among other words is a name, not a slip.
            use = words.nearest(word, not (screenplay and token.isupper()))
        if unwanted and word not in words.stopwords:
            ignored[f"{unwanted} {word}"] = None
            unwanted = ""
        elif use is None:
            ignored[word] = None
        elif len(heard) >= words.max_words:
            cut += 1
        else:
            heard.append(token if use == word else use)
            someone = someone or words.words.get(use, "").startswith("subject:")
            if taught or word.isdigit():
                known[word] = None
            elif word not in words.stopwords:
                replaced[word] = use
    text = re.sub(r" ([.,;:!?])", r"\1", " ".join(heard))
    if not known and not replaced:
        text = ""
    pan, setting, drawn = 0.0, "", text
    if words.plate:
        drawn, way = without_pan(text, [word for word, meaning in words.words.items() if meaning == PAN])
        pan = way * words.plate.travel
        setting = words.plate.setting(words.words.get(word, "") for word in words_in(drawn)) if way else ""
    sides = words.mirror if words.mirror and is_mirrored(drawn, words.mirror) else None
    return Reading(text, tuple(known), tuple(replaced.items()), tuple(ignored), cut, sides, pan, setting, drawn)


def words_in(text: str) -> Iterator[str]:
    """The words of a text as word lists have them: lower-case, composed (NFC), letters and digits."""
    yield from re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())


def one_slip_apart(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, makes one word the other."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, others = one[start:], other[start:]
    return (
        rest[1:] == others[1:]
        or rest == others[1:]
        or rest[1:] == others
        or (len(rest) > 1 and len(others) > 1 and rest[1] + rest[0] == others[:2] and rest[2:] == others[2:])
    )


def vocabulary_of(folder: Path) -> Vocabulary | None:
    """The word list of a model folder, None when it has none. Raises ModelNotFound when it is damaged."""
    file = folder / FILE_NAME
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else None


def stem(word: str) -> str:
    """A word without its plural s, so that "dogs" counts as "dog"."""
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _sides(given: Any) -> Sides | None:
    if given is None:
        return None
    one, other = given
    if not (isinstance(one, str) and isinstance(other, str)):
        raise ValueError("mirror must be two words")
    return one.lower(), other.lower()


@lru_cache(maxsize=8)
def _read(file: Path, changed_ns: int) -> Vocabulary:
    """A vocabulary file; read again when it has changed."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Vocabulary(
            dict(data.get("words", {})),
            frozenset(data.get("stopwords", ())),
            dict(data.get("near", {})),
            int(data.get("max_words", NO_LIMIT)),
            dict(data.get("phrases", {})),
            _sides(data.get("mirror")),
            Plate.of(data.get("plate")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelNotFound(
            f"The word list of the model in {file.parent.name} cannot be read: {error}.",
            f"Add the model again, or delete {file.name}: it then draws every prompt as it is.",
        ) from error
