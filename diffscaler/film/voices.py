"""Who sounds how: a voice for every character, the same one each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from diffscaler.screenplay.people import woman_or_man

#: (a variant of espeak-ng's voice, pitch). Neighbours differ most.
WOMEN = (("f2", 60), ("f4", 45), ("f1", 72), ("f5", 52), ("f3", 80))
MEN = (("m3", 40), ("m1", 55), ("m7", 28), ("m5", 48), ("m2", 20), ("m4", 62))

_BY_WORD = {"woman": WOMEN, "man": MEN, "": (*WOMEN, *MEN)}


def voices_for(names: Iterable[str], appearance: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """By character, a variant and a pitch.

    names: in capitals; appearance: the words the script introduces them with, which say who is a woman or a man
    A name chooses its voice by itself; where two choose the same, the later one in the alphabet takes the next that is
    free. So nobody's voice depends on who speaks first.
    """
    found: dict[str, tuple[str, int]] = {}
    for name in sorted(set(names)):
        choice = _BY_WORD[woman_or_man(appearance.get(name, ""))]
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(choice)
        order = [*choice[first:], *choice[:first]]
        found[name] = next((voice for voice in order if voice not in found.values()), order[0])
    return found
