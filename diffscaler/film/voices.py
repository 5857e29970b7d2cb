"""Who sounds how: a voice for every character, the same one each time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

#: (a variant of espeak-ng's voice, pitch). Neighbours differ most.
WOMEN = (("f2", 60), ("f4", 45), ("f1", 72), ("f5", 52), ("f3", 80))
MEN = (("m3", 40), ("m1", 55), ("m7", 28), ("m5", 48), ("m2", 20), ("m4", 62))

_A_WOMAN = re.compile(r"\b(?:woman|girl|mother|daughter|sister|wife|lady|grandmother|queen|female|she|her)\b", re.I)
_A_MAN = re.compile(r"\b(?:man|boy|father|son|brother|husband|gentleman|grandfather|king|male|he|his)\b", re.I)


def voices_for(names: Iterable[str], appearance: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """By character, a variant and a pitch.

    names: in capitals; appearance: the words the script introduces them with, which say who is a woman or a man
    A name chooses its voice by itself; where two choose the same, the later one in the alphabet takes the next that is
    free. So nobody's voice depends on who speaks first.
    """
    found: dict[str, tuple[str, int]] = {}
    for name in sorted(set(names)):
        words = appearance.get(name, "")
        choice = WOMEN if _A_WOMAN.search(words) else MEN if _A_MAN.search(words) else (*WOMEN, *MEN)
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(choice)
        order = [*choice[first:], *choice[:first]]
        found[name] = next((voice for voice in order if voice not in found.values()), order[0])
    return found
