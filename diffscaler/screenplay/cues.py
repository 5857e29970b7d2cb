"""Character cues: whose line it is, and from where it is heard."""

from __future__ import annotations

import re

_EXTENSION = re.compile(r"\s*\(([^()]*)\)?\s*")

#: Said by the layout, not by the writer.
CONTINUED = frozenset({"cont'd", "contd", "cont’d", "cont.", "continued", "more"})


def name_of(cue: str) -> str:
    """A cue's name in capitals: "Mom (O.S.) (CONT'D)" is "MOM"."""
    name = " ".join(_EXTENSION.sub(" ", cue).split()).upper()
    return name or " ".join(cue.split()).upper()


def extensions_of(cue: str) -> tuple[str, ...]:
    """What stands in brackets behind a name, in capitals, without those the layout adds: ("V.O.",)."""
    found = (inner.strip() for inner in _EXTENSION.findall(cue))
    return tuple(inner.upper() for inner in found if inner and inner.lower() not in CONTINUED)


def is_heard_only(cue: str) -> bool:
    """Whether a cue says that the speaker is not in the picture: V.O., O.S., O.C."""
    return any(re.sub(r"[^A-Z]", "", extension) in ("VO", "OS", "OC") for extension in extensions_of(cue))


def is_cue(line: str) -> bool:
    """Whether a line may be a character's cue: its name in capitals, with a letter in it.

    Scripts without capitals (Arabic, Japanese) never are; there, a cue is forced with "@".
    """
    name = _EXTENSION.sub(" ", line).strip()
    return any(letter.isupper() for letter in name) and not any(letter.islower() for letter in name)
