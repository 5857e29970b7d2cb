"""Left as the mirror image of right: a small model need not learn everything twice.

A world without writing looks as likely in a mirror. A model whose `vocabulary.json` says `"mirror": ["right", "left"]`
was taught the half of such a world in which nobody goes left; a prompt in which "left" comes first is then drawn
with the two words swapped, and shown in the mirror. (Canonicalisation: a symmetry is applied, not learnt. Kaba et al.
2023, "Equivariance with Learned Canonicalization Functions"; here the words are that function.)
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

#: (the word that is drawn as it stands, the word that is drawn in the mirror)
Sides = tuple[str, str]


def is_mirrored(text: str, sides: Sides) -> bool:
    """Whether the first of the two words in a text is the one that is drawn in the mirror."""
    first = next((word for word in re.findall(r"[^\W_]+", text.lower()) if word in sides), None)
    return first == sides[1]


def swapped(text: str, sides: Sides) -> str:
    """A text as it reads in the mirror: each of the two words is the other, and nothing else changes."""
    other = {sides[0]: sides[1], sides[1]: sides[0]}
    return re.sub(r"[^\W_]+", lambda found: other.get(found[0].lower(), found[0]), text)


def in_mirror(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Frames, uint8 RGB (..., H, W, 3), with left and right swapped."""
    return np.ascontiguousarray(frames[..., ::-1, :])
