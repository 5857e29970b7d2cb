"""Which words of a prompt a model was taught: the built-in one is small, and honest about it.

A model folder may hold `vocabulary.json`:
{"words": {word: "what it stands for"}, "stopwords": [words of no picture], "near": {word: the known one for it},
"max_words": how many words and punctuation marks it can read, "phrases": {category: [phrases to add]}}.
All but `words` and `stopwords` may be missing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

FILE_NAME = "vocabulary.json"

#: How alike two spellings must be to be taken for one word with a slip of the finger (difflib's ratio).
SAME_WORD = 0.82
#: Shorter words have too many neighbours.
SHORTEST_SLIP = 4

NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class Vocabulary:
    """The words of one model. words: word -> "category:what it stands for", or "other"; phrases: by category."""

    words: dict[str, str]
    stopwords: frozenset[str]
    near: dict[str, str]
    max_words: int
    phrases: dict[str, list[str]]

    def nearest(self, word: str) -> str | None:
        """The known word to draw in place of an unknown one: one of like meaning, else of like spelling."""
        for form in (word, stem(word)):
            if form in self.near:
                return self.near[form]
        if len(word) < SHORTEST_SLIP:
            return None
        return next(iter(get_close_matches(word, self.words, 1, SAME_WORD)), None)

    def starting_with(self, start: str) -> list[str]:
        """Known words that begin so, those that name something to be seen first; none when `start` is one itself."""
        if not start or start in self.words:
            return []
        found = [word for word in self.words if word.startswith(start)]
        return sorted(found, key=lambda word: (self.words[word] == "other", len(word), word))


@dataclass(frozen=True)
class Reading:
    """What a model makes of a prompt.

    heard: the prompt as it is drawn: unknown words replaced or left out, no longer than the model can read
    known: words it was taught; replaced: (word, the one drawn instead); ignored: words that mean nothing to it
    cut: how many words at the end were too many
    """

    heard: str
    known: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    cut: int = 0

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
    """How the model in `folder` reads a prompt; None when the model has no word list."""
    words = vocabulary_of(folder)
    if words is None:
        return None
    heard: list[str] = []
    known, replaced, ignored = {}, {}, {}
    cut = 0
    for token in re.findall(r"[^\W_]+|[.,;:!?-]", prompt):
        word = token.lower()
        if not word[0].isalnum():
            if heard and heard[-1][0].isalnum():
                heard.append(token)
            continue
        if word in words.words or word in words.stopwords:
            use: str | None = word
        else:
            use = stem(word) if stem(word) in words.words else words.nearest(word)
        if use is None:
            ignored[word] = None
        elif len(heard) >= words.max_words:
            cut += 1
        else:
            heard.append(use if use != word else token)
            if word in words.words or stem(word) in words.words or (word in words.near and word.isdigit()):
                known[word] = None
            elif word not in words.stopwords:
                replaced[word] = use
    text = re.sub(r" ([.,;:!?])", r"\1", " ".join(heard))
    if not known and not replaced:
        text = ""
    return Reading(text, tuple(known), tuple(replaced.items()), tuple(ignored), cut)


def vocabulary_of(folder: Path) -> Vocabulary | None:
    """The word list of a model folder, None when it has none."""
    file = folder / FILE_NAME
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else None


def stem(word: str) -> str:
    """A word without its plural s, so that "dogs" counts as "dog"."""
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


@lru_cache(maxsize=8)
def _read(file: Path, changed_ns: int) -> Vocabulary:
    """A vocabulary file; read again when it has changed."""
    data = json.loads(file.read_text(encoding="utf-8"))
    return Vocabulary(
        dict(data.get("words", {})),
        frozenset(data.get("stopwords", ())),
        dict(data.get("near", {})),
        int(data.get("max_words", NO_LIMIT)),
        dict(data.get("phrases", {})),
    )
