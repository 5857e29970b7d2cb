"""Puts faces that `redraw_stage.RedrawFaces` drew back into their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import apply
from diffscaler.faceswap.colour_match import match_colour
from diffscaler.faceswap.crops import FFHQ, MASK_SIZE, cut, paste, traced_mask
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.masks import looks_of
from diffscaler.faceswap.track import Track

Floats = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]


class DiffusionSwapper:
    """Whole tracks, drawn beforehand; see `engines.Swapper`, whose promise holds because nothing is drawn here."""

    def __init__(
        self,
        decode: Callable[[Floats], Frames],
        drawn: Mapping[tuple[int, int], Floats],
        faces: ClipFaces,
        tracks: list[Track],
        fps: float,
        strength: float = 1.0,
        colour: float = 0.5,
        tick: Callable[[], None] = lambda: None,
        free: bool = False,
        mask: Callable[[int, Track, int], Floats] | None = None,
    ) -> None:
        """decode: latents (C, 1, h, w) -> uint8 RGB (1, S, S, 3); drawn: as `by_frame` gives it

        strength: how far the drawn face replaces the one that was there, 0..1
        colour: how far it takes on mean and spread of the colours that were there, 0..1
        tick: called several times a second of work; free: nothing is kept in front of the faces
        mask: where FFHQ's crop (of so many pixels) of a track's frame is pasted, float32 (M, M), 0..1, when more is
        known than the looks
        """
        self.decode, self.drawn, self.strength, self.colour = decode, drawn, strength, colour
        self.mask = mask
        self.allowed = {} if mask or free else looks_of(tracks, faces, fps, tick, hair=True)

    def swap(self, frames: Frames, places: list[Place], tick: Callable[[int], None]) -> Frames:
        """See `Swapper`. Colours are those of the frames as they came: overlapping faces do not see each other."""
        result = frames.copy()
        for place in places:
            tick(place.offset)
            track, index = place.track, place.index
            weight = np.float32(self.strength * track.weights[index])
            if weight == 0:
                continue
            face = self.decode(np.ascontiguousarray(self.drawn[track.id, track.start + index]))[0]
            crop, matrix = cut(frames[place.offset], FFHQ, track.landmarks[index], len(face))
            if self.mask is not None:
                mask = self.mask(len(face), track, index)
            else:
                allowed = self.allowed[track.id][index] if self.allowed else None
                mask = mask_in_crop(track.landmarks[index], len(face), allowed)
            paste(result[place.offset], match_colour(face, crop, mask, self.colour), matrix, mask * weight)
        return result


def by_frame(tracks: Iterable[Track], drawn: Iterable[Mapping[str, Floats]]) -> dict[tuple[int, int], Floats]:
    """What `RedrawFaces` gave of these tracks, latents (C, K, h, w) by name, as (C, 1, h, w) by track and frame."""
    begins = {track.id: track.start for track in tracks}
    found: dict[tuple[int, int], Floats] = {}
    for tensors in drawn:
        for name, latents in tensors.items():
            number, _, first = name.partition("@")
            track = int(number)
            start = int(first) if first else begins[track]
            found |= {(track, start + at): latents[:, at : at + 1] for at in range(latents.shape[1])}
    return found


def mask_in_crop(landmarks: Floats, side: int, allowed: Floats | None) -> Floats:
    """Where a crop is pasted: float32 (MASK_SIZE, MASK_SIZE), 0..1: the face, without what is in front of it.

    landmarks: (5, 2), frame pixels; side: of the crop, pixels
    allowed: (32, 32), as `occlusion.drawable` gives it; None: nothing is in front
    """
    return traced_mask(apply(FFHQ.cells(landmarks, side, MASK_SIZE), landmarks), MASK_SIZE, allowed)
