"""A pan: the camera looks along a picture that is drawn wider than it is shown.

A small model that was taught pans may still draw a place that stands still: every frame is moved as a whole, while its
temporal layers look only along time. What it draws well is a still camera, so that is what it is asked for, on a plate
as wide as the view and the way of the camera; the view then slides over the finished frames, by whole pixels.

The plate is drawn by regions (Bar-Tal et al. 2023, "MultiDiffusion", section 4.2): its middle, as wide as the network
knows, by the whole prompt; what the camera uncovers at the sides by the words of place and light alone, or each side
would get a subject of its own. `vocabulary.json` says what a model calls its places:
"plate": {"travel": in heights of the picture, over a clip, "settings": {"place:beach": "on a beach", ...},
"nowhere": "in a field"}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from diffscaler.text2video.motion import Network

#: Category of the words that ask for a pan.
PAN = "camera:pan"

#: A plate is a multiple of this many pixels wider than the view: eight for the VAE, as much again for two halvings of
#: the network, and both sides alike.
GRAIN_PX = 64


@dataclass(frozen=True)
class Plate:
    """What a word list says about pans. travel: how far the camera goes in a clip, in heights of the picture; settings:
    what stands for a place or a light -> how to ask for it; nowhere: how to ask for a place that nobody names."""

    travel: float
    settings: dict[str, str]
    nowhere: str

    @classmethod
    def of(cls, given: Any) -> Plate | None:
        """From the table of a word list. Raises ValueError or TypeError when it is damaged."""
        if given is None:
            return None
        travel, settings, nowhere = float(given["travel"]), dict(given["settings"]), str(given["nowhere"])
        if not 0 < travel <= 2 or not all(isinstance(text, str) for text in settings.values()):
            raise ValueError("plate needs a travel above 0, up to 2, and settings that are texts")
        return cls(travel, settings, nowhere)

    def setting(self, meanings: Iterable[str]) -> str:
        """The place and the light of a text, in the model's words; meanings: what its words stand for, in order."""
        found: dict[str, str] = {}
        for meaning in meanings:
            if meaning in self.settings:
                found.setdefault(meaning.partition(":")[0], self.settings[meaning])
        return " ".join(filter(None, (found.get("place", self.nowhere), found.get("light"))))


def without_pan(text: str, pans: Iterable[str]) -> tuple[str, int]:
    """(a text without the words that ask for a pan, -1 for one to the left, 1 to the right, 0 for none).

    pans: the words for it. One that names no side goes right; one that goes up or down is none.
    """
    words = "|".join(sorted(map(re.escape, pans)))
    who, where = (
        r"\b(?:slow )?(?:the |a )?(?:camera )?(?:slow )?",
        r"(?: to)?(?: the)?(?: (?P<side>left|right|up|down)\b)?",
    )
    asked = re.search(rf"{who}(?:{words})\b{where}(?: (?:of|over|past|across)\b)?", text, re.I) if words else None
    side = (asked["side"] or "").lower() if asked else "up"
    if asked is None or side in ("up", "down"):
        return text, 0
    before, after = text[: asked.start()].rstrip(" ,"), text[asked.end() :].lstrip(" ,")
    if not before or before[-1] in ".;:!?":
        after = after.lstrip(" .;:!?")
    return re.sub(r" ([.,;:!?])", r"\1", f"{before} {after}".strip()), -1 if side == "left" else 1


def pace_px(height: int, num_frames: int, travel: float) -> int:
    """Whole pixels from frame to frame of a pan over a clip, at least one; 0 for a single picture."""
    return max(1, round(travel * height / (num_frames - 1))) if num_frames > 1 else 0


def width_px(width: int, num_frames: int, pan_px: int) -> int:
    """How wide the plate is drawn. pan_px: pixels from frame to frame, either sign, 0 for a camera that stands still"""
    way = abs(pan_px) * max(0, num_frames - 1)
    return width + -(-way // GRAIN_PX) * GRAIN_PX


def seen(
    frames: npt.NDArray[np.uint8], indices: Sequence[int] | npt.NDArray[Any], width: int, num_frames: int, pan_px: int
) -> npt.NDArray[np.uint8]:
    """What the camera sees of drawn frames, uint8 RGB (N, H, plate, 3) -> (N, H, width, 3).

    indices: which frames of the clip of `num_frames` they are; pan_px: pixels from frame to frame, to the right if
    above 0. The way's middle is the plate's.
    """
    if not pan_px:
        return frames
    way = pan_px * (num_frames - 1)
    lefts = [(frames.shape[2] - width - way) // 2 + pan_px * int(i) for i in indices]
    return np.stack([frame[:, left : left + width] for frame, left in zip(frames, lefts, strict=True)])


def by_regions(subject: Network, setting: Network, width: int) -> Network:
    """The network for a plate: `subject` is asked for its middle, `width` latents wide, `setting` for all of it.

    Both are networks of the same words apart from whoever is in the scene; the middle's outermost columns are half
    each.
    """

    def run(latents: Any, timestep: Any, frames: Sequence[int], step: int) -> Any:
        left = (latents.shape[-1] - width) // 2
        middle = slice(left, left + width)
        predicted = setting(latents, timestep, frames, step).clone()
        share = latents.new_ones(width)
        share[0] = share[-1] = 0.5
        drawn = subject(latents[..., middle].contiguous(), timestep, frames, step)
        predicted[..., middle] = share * drawn + (1 - share) * predicted[..., middle]
        return predicted

    return run
