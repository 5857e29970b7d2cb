"""What to tell about a photo of a performer: whether its face is large, sharp, frontal and alone. Light: numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

#: Pixels between the eyes: in the 128 pixel crops that swap networks draw, eyes are 40 apart.
SMALL_EYES_PX, TINY_EYES_PX = 40, 20
#: Share of a face's contrast that is fine detail (see `photo.sharpness`): a sharp face of 42 pixels between the eyes
#: has 0.17, blurred by a twentieth of that 0.06, by a tenth 0.04.
BLURRED = 0.05
TURNED_DEG, NODDING_DEG = 30, 25

Grade = Literal["good", "weak", "bad"]


@dataclass(frozen=True)
class PhotoFacts:
    """What `photo_stage.InspectPhoto` found. face: uint8 RGB (112, 112, 3), the largest face, upright.

    count: faces in the photo; eyes_px: between the eyes; sharpness: `photo.sharpness`; yaw, pitch: degrees
    """

    count: int
    face: npt.NDArray[np.uint8]
    eyes_px: float = 0.0
    sharpness: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0


def read_facts(tensors: Mapping[str, npt.NDArray[Any]]) -> PhotoFacts:
    """The facts in a chunk of InspectPhoto."""
    numbers = [float(value) for value in tensors["numbers"]]
    return PhotoFacts(int(numbers[0]), tensors["face"], *numbers[1:])


def remarks_on(facts: PhotoFacts) -> tuple[Grade, list[str]]:
    """How good a photo is as a likeness, and why not better, one short sentence each."""
    if facts.count == 0:
        return "bad", ["No face was found. Use a photo in which the whole face is lit and looks at the camera."]
    said: list[tuple[Grade, str]] = []
    if facts.eyes_px < TINY_EYES_PX:
        said.append(("bad", f"The face is too small: {facts.eyes_px:.0f} pixels between the eyes, 40 are good."))
    elif facts.eyes_px < SMALL_EYES_PX:
        said.append(("weak", f"The face is small: {facts.eyes_px:.0f} pixels between the eyes, 40 are good."))
    if facts.sharpness < BLURRED:
        said.append(("weak", "The face is blurred."))
    if abs(facts.yaw) > TURNED_DEG:
        said.append(("weak", f"The face is turned away by about {abs(facts.yaw):.0f} degrees."))
    elif abs(facts.pitch) > NODDING_DEG:
        said.append(("weak", f"The face looks {'down' if facts.pitch > 0 else 'up'}."))
    if facts.count > 1:
        said.append(("weak", f"{facts.count} faces are in it; the largest is used."))
    order: tuple[Grade, ...] = ("good", "weak", "bad")
    return max((grade for grade, _ in said), key=order.index, default="good"), [text for _, text in said]
