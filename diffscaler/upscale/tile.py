"""One frame through a network, in overlapping tiles: the same result as the whole frame at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Upscaler:
    """A loaded network and what must be known to feed it.

    network: float (N, 3, H, W) RGB in [0, 1] -> (N, 3, scale H, scale W)
    overlap_px: input pixels around a tile that the network may look at; at its receptive radius tiles are exact
    multiple: input sides must be a multiple of this
    """

    network: Any
    scale: int
    overlap_px: int
    device: torch.device
    dtype: torch.dtype
    multiple: int = 1


@dataclass(frozen=True)
class Tile:
    """A tile's own pixels [top, bottom) x [left, right) and how far its surroundings reach."""

    top: int
    left: int
    bottom: int
    right: int

    def padded(self, height: int, width: int, overlap_px: int) -> tuple[int, int, int, int]:
        return (
            max(0, self.top - overlap_px),
            max(0, self.left - overlap_px),
            min(height, self.bottom + overlap_px),
            min(width, self.right + overlap_px),
        )


def tiles(height: int, width: int, size: int) -> Iterator[Tile]:
    """Cover height x width with tiles of at most `size` pixels a side; each pixel belongs to exactly one."""
    for top in range(0, height, size):
        for left in range(0, width, size):
            yield Tile(top, left, min(top + size, height), min(left + size, width))


@torch.inference_mode()
def upscale_frame(
    upscaler: Upscaler,
    frame: Picture,
    scale: int,
    tile: int,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> Picture:
    """Enlarge one picture.

    frame: uint8 RGB (H, W, 3), any size from 1x1; returns uint8 RGB (scale H, scale W, 3)
    tile: input pixels a side worked on at once; on_tile(done, total) after each, and it may raise
    A network whose own factor differs from `scale` is run at its own and resized by area or bicubic.
    """
    height, width = frame.shape[:2]
    own = upscaler.scale
    out = np.empty((height * own, width * own, 3), np.uint8)
    cover = list(tiles(height, width, tile))
    for index, at in enumerate(cover):
        top, left, bottom, right = at.padded(height, width, upscaler.overlap_px)
        made = run_network(upscaler, frame[top:bottom, left:right])
        y, x = (at.top - top) * own, (at.left - left) * own
        tall, wide = (at.bottom - at.top) * own, (at.right - at.left) * own
        out[at.top * own : at.top * own + tall, at.left * own : at.left * own + wide] = made[y : y + tall, x : x + wide]
        on_tile(index + 1, len(cover))
    return out if own == scale else resized(out, height * scale, width * scale)


def run_network(upscaler: Upscaler, picture: Picture) -> Picture:
    """The network on one picture, edges mirrored up to the size it needs."""
    height, width = picture.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(upscaler.device)
    pixels = pixels.permute(2, 0, 1)[None].to(upscaler.dtype) / 255
    down, across = -height % upscaler.multiple, -width % upscaler.multiple
    if down or across:
        pixels = F.pad(pixels, (0, across, 0, down), mode="replicate")
    made = upscaler.network(pixels)[0].float()[:, : height * upscaler.scale, : width * upscaler.scale]
    return (made.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def resized(picture: Picture, height: int, width: int) -> Picture:
    """`picture` at another size: averaged when shrinking, bicubic when growing."""
    import cv2

    shrinks = height < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method).reshape(height, width, 3)
