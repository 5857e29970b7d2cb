"""What a model is asked for a shot: put together from size, heading, action, people's looks, move and the film's look.

Written like a screenplay (`Wide shot. EXT. BEACH - SUNSET. A dog runs, pan right. 16 mm.`), which models trained on
captions read well, and `mini` was taught.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from diffscaler.screenplay.people import described, named_in, with_name
from diffscaler.screenplay.shot import Shot
from diffscaler.text2video.vocabulary import FILE_NAME, Vocabulary, read_prompt, stem, vocabulary_of

_SIZES = {
    "extreme wide": "Extreme wide shot",
    "wide": "Wide shot",
    "full": "Full shot",
    "medium": "Medium shot",
    "medium close-up": "Medium close-up",
    "close-up": "Close-up",
    "extreme close-up": "Extreme close-up",
    "over the shoulder": "Over the shoulder shot",
    "insert": "Close-up, insert",
}
_ANGLES = {
    "eye level": "",
    "low": "low angle",
    "high": "high angle",
    "overhead": "from straight above",
    "point of view": "point of view",
}
_MOVES = {
    "static": "",
    "pan left": "pan left",
    "pan right": "pan right",
    "tilt": "camera tilts",
    "zoom in": "zoom in",
    "push in": "camera pushes in",
    "pull out": "camera pulls out",
    "tracking": "tracking shot",
    "handheld": "handheld camera",
}


def prompt_of(shot: Shot, appearance: Mapping[str, str], look: str = "") -> str:
    """The prompt of a shot; "" for a title, which is not drawn by a model.

    appearance: name in capitals -> words; look: of the whole film
    """
    if shot.role == "title":
        return ""
    parts = [_joined(_SIZES[shot.size], _ANGLES[shot.angle]), shot.heading]
    what, move = _action(shot, appearance).rstrip(" ."), _MOVES[shot.move]
    if not what or re.search(r"[.!?] ", what):
        parts += [what, _capital(move)]
    else:
        parts.append(_joined(what, move))
    parts.append(look.strip())
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts if part)


def with_prompts(shots: Iterable[Shot], appearance: Mapping[str, str], look: str = "") -> tuple[Shot, ...]:
    """Shots with their prompts put together anew, but for those a person has written."""
    return tuple(
        shot if "prompt" in shot.edited else replace(shot, prompt=prompt_of(shot, appearance, look)) for shot in shots
    )


def _action(shot: Shot, appearance: Mapping[str, str]) -> str:
    if shot.role == "establishing":
        return ""
    if shot.role == "action":
        text = shot.text
        if len(shot.characters) == 1 and not named_in(text, shot.characters):
            text = with_name(text, shot.characters[0])
        return described(text, appearance)
    people = [appearance.get(name) or name.title() for name in shot.characters]
    if not people:
        return ""
    speaks = shot.characters[0] in shot.speakers
    manner = f", {shot.manner}" if shot.manner and speaks else ""
    if shot.size == "over the shoulder" and len(people) > 1:
        return _capital(f"{people[0]} talks with {people[1]}{manner}")
    if len(people) > 1:
        return _capital(f"{' and '.join(people)} are talking")
    return _capital(f"{people[0]} talks{manner}" if speaks else f"{people[0]} listens")


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


#: Small words that need something before them.
_LEADS_ON = frozenset("of and by to as is are that for".split())
#: And such as need something behind them, though a model was taught them.
_NEEDS_MORE = frozenset("- beside below behind".split())


@dataclass(frozen=True)
class Reduced:
    """A prompt in the words of one model. dropped: words it was never taught; replaced: (word, the one drawn instead);
    cut: how many words at the end were too many."""

    text: str
    dropped: tuple[str, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    cut: int = 0


def reduced(prompt: str, folder: Path) -> Reduced:
    """A prompt as the model in `folder` can read it; as it stands when that model has no word list.

    Small words that led to a dropped one go with it, and parts of a sentence that show nothing.
    Raises ModelNotFound for a damaged word list.
    """
    file = folder / FILE_NAME
    return _reduced(prompt, folder, file.stat().st_mtime_ns) if file.is_file() else Reduced(prompt)


@lru_cache(maxsize=4096)
def _reduced(prompt: str, folder: Path, changed_ns: int) -> Reduced:
    """By the word list as it is now; a board asks for the same prompts again and again."""
    words, reading = vocabulary_of(folder), read_prompt(folder, prompt)
    if words is None or reading is None:
        return Reduced(prompt)
    kept = read_prompt(folder, _without(reading.ignored, prompt, words)) or reading
    return Reduced(_tidy(kept.heard, words), reading.ignored, reading.replaced, kept.cut)


def _without(ignored: tuple[str, ...], prompt: str, words: Vocabulary) -> str:
    dropped = {word.split()[-1] for word in ignored}
    found: list[str] = []
    for token in re.findall(r"[^\W_]+|[.,;:!?-]", prompt):
        word = token.lower()
        if word in dropped and word not in words.words and stem(word) not in words.words:
            while found and found[-1].lower() in words.stopwords:
                found.pop()
        elif token.isalnum() or (found and found[-1].isalnum()):
            found.append(token)
    return " ".join(found)


def _tidy(text: str, words: Vocabulary) -> str:
    """Without parts between marks that name nothing to be seen, and without small words that lead nowhere."""
    text = re.sub(r"\b([Cc]lose) - up\b", r"\1-up", text)
    found = ""
    for part, mark in re.findall(r"([^.,;:!?]*)([.,;:!?]?)", text):
        tokens = part.split()
        while tokens and tokens[-1].lower() in words.stopwords | _NEEDS_MORE:
            tokens.pop()
        while tokens and tokens[0].lower() in _LEADS_ON:
            tokens.pop(0)
        if any(words.words.get(word, "other") != "other" for token in tokens for word in token.lower().split("-")):
            found = f"{found} {' '.join(tokens)}{mark}"
        elif mark in (".", "!", "?") and found:
            found = found.rstrip(",;:.!?") + mark
    return found.strip().rstrip(",;:")
