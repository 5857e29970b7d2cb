"""Who is in a script and in a line of it, and what they look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from diffscaler.screenplay.script import Script

#: "JONAS (40s, a man with an umbrella)": a name in capitals and what it brings.
_INTRODUCED = re.compile(
    r"\b([^\W\d_a-z][^\W_a-zß-ÿ]*(?:[ .'’-]{1,3}[^\W\d_a-z][^\W_a-zß-ÿ]*){0,4})\s?\(([^()]{3,120})\)"
)

_PRONOUN = re.compile(r"\b(he|she|him|her|his|hers)\b", re.IGNORECASE)
_WOMAN = re.compile(r"\b(?:woman|girl|lady|mother|grandmother|nun|queen|bride|actress|female|she|her)\b", re.IGNORECASE)
_MAN = re.compile(r"\b(?:man|boy|gentleman|father|grandfather|king|groom|male|he|his|beard(?:ed)?)\b", re.IGNORECASE)


def introductions(script: Script) -> dict[str, str]:
    """Appearance words by name in capitals, from the first action that has a name in capitals and brackets behind it.

    Ages without more ("30s") are kept: they are words about a face. Whoever is not introduced is missing.
    """
    found: dict[str, str] = {}
    for element in script.elements:
        if element.kind == "action":
            for name, words in _INTRODUCED.findall(element.plain):
                if len(name) > 1 and name == name.upper() and re.search(r"\w", words):
                    found.setdefault(" ".join(name.split()), " ".join(words.split()))
    return found


def known_names(script: Script) -> tuple[str, ...]:
    """Everyone who speaks or is introduced, in capitals."""
    return tuple(dict.fromkeys((*(one.name for one in script.characters), *introductions(script))))


def woman_or_man(words: str) -> str:
    """What appearance words say: "woman", "man", or "" where they do not."""
    return "woman" if _WOMAN.search(words) else "man" if _MAN.search(words) else ""


def named_in(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` (capitals) that a text names, with a capital letter or in capitals, in the order it does."""
    at = {name: match.start() for name in names if (match := _pattern(name).search(text))}
    return tuple(sorted(at, key=at.__getitem__))


def someone_meant(text: str, present: Iterable[str], appearance: Mapping[str, str]) -> tuple[str, ...]:
    """Whom "he" or "she" means in a text that names nobody: who was seen last and may be it.

    present: names, the last seen last; appearance: their words, which tell men from women where they do
    """
    pronoun = _PRONOUN.search(text)
    if not pronoun:
        return ()
    other = _MAN if pronoun[1].lower() in ("she", "her", "hers") else _WOMAN
    return next(((one,) for one in reversed(list(present)) if not other.search(appearance.get(one, ""))), ())


def with_name(text: str, name: str) -> str:
    """A text whose first "he" or "she" is said by name."""
    return re.sub(r"\b(?:[Hh]e|[Ss]he)\b", name.replace("\\", ""), text, count=1)


def described(text: str, appearance: Mapping[str, str]) -> str:
    """A text with names replaced by what their bearers look like; a second mention says "the" for "a".

    appearance: name in capitals -> words; names without words are written with a capital letter only.
    """
    for name, words in appearance.items():
        pattern = _pattern(name)
        if not pattern.search(text):
            continue
        text = re.sub(rf"({pattern.pattern})\s*\([^()]*\)", r"\1", text, count=1)
        mentions = 0

        def instead(match: re.Match[str], words: str = words) -> str:
            nonlocal mentions
            mentions += 1
            said = words if mentions == 1 else re.sub(r"^(?:an?|the)\s+", "the ", words)
            return said or match[0].title()

        text = pattern.sub(instead, text)
    return re.sub(r"(^|[.!?]\s+)([a-zß-ÿ])", lambda match: match[1] + match[2].upper(), text)


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    """A name as action writes it: MIRA or Mira, never mira."""
    forms = {name, name.title(), name.capitalize()}
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(form) for form in sorted(forms)) + r")(?!\w)")
