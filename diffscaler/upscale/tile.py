"""Pictures through a network, in windows: the same result as each whole picture at once, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from math import lcm
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from diffscaler.errors import JobCancelled
from diffscaler.upscale.windows import Box, Window, cover, least_work, ramp

Picture = npt.NDArray[np.uint8]

#: Windows begin at multiples of this: where the grids of Winograd's tiles, pixel unshuffles and attention windows lie.
ALIGN_PX = 16
#: Networks that look at the whole picture are shown windows of this many pixels a side, and these fade into each other.
SOFT_PX, SOFT_OVERLAP_PX = 256, 32
#: How often Stop is looked for while a window is being made.
ASK_S = 0.25


@dataclass(frozen=True)
class Upscaler:
    """A loaded network and what must be known to feed it.

    network: float (N, 3, H, W) RGB in [0, 1] -> (N, 3, scale H, scale W)
    dtype: of what it is given; its layers may be in a narrower format
    reach_px: input pixels around a window that can change it (upscale/reach.py); None: all of the picture
    limit_px: pixels the network is shown at once at most
    multiple: input sides must be a multiple of this
    workers: windows made side by side
    brake: set when the work is to stop; the network's layers look at it
    """

    network: Any
    scale: int
    reach_px: int | None
    device: torch.device
    dtype: torch.dtype
    multiple: int = 1
    limit_px: int = 512 * 512
    workers: int = 1
    brake: Event = field(default_factory=Event)

    @property
    def number_format(self) -> str:
        """In which its layers compute: "float32", "bfloat16" or "float16"."""
        first = next(iter(self.network.parameters()), None)
        return "float32" if first is None else str(first.dtype).removeprefix("torch.")

    def windows(self, height: int, width: int, tile: int = 0, at_least: int = 1) -> list[Window]:
        """What a picture is cut into. tile: own pixels a side; 0: what is the least work; at_least: that many there"""
        align = lcm(ALIGN_PX, self.multiple)
        overlap = SOFT_OVERLAP_PX if self.reach_px is None else self.reach_px
        if tile:
            tall = wide = tile
        elif self.reach_px is None:
            tall = wide = SOFT_PX
        else:
            tall, wide = least_work(height, width, self.limit_px, overlap, align, at_least)
        return list(cover(height, width, tall, wide, overlap, align))


def upscale_frames(
    upscaler: Upscaler,
    frames: Iterable[Picture],
    scale: int,
    tile: int = 0,
    few: bool = False,
    step: Callable[[int, int, int], None] = lambda index, done, total: None,
) -> Iterator[Picture]:
    """Enlarge pictures one after the other; the next ones are begun while one is waited for.

    frames: uint8 RGB (H, W, 3), any size from 1x1; yields uint8 RGB (scale H, scale W, 3)
    few: fewer pictures than workers are to come, so each one is shared out
    step(index, windows done, windows): often, also while nothing is done; it may raise, which stops the work
    A network whose own factor differs from `scale` is run at its own and resized by area or bicubic.
    """
    pool = ThreadPoolExecutor(upscaler.workers, "upscale", initializer=torch.set_num_threads, initargs=(1,))
    if upscaler.workers == 1:
        pool = ThreadPoolExecutor(1, "upscale")
    begun: deque[_Picture] = deque()
    try:
        for index, frame in enumerate(frames):
            begun.append(_Picture(upscaler, pool, frame, tile, upscaler.workers if few else 1, index))
            if len(begun) > upscaler.workers:
                yield begun.popleft().finished(scale, step)
        while begun:
            yield begun.popleft().finished(scale, step)
    finally:
        upscaler.brake.set()
        pool.shutdown(wait=True, cancel_futures=True)
        upscaler.brake.clear()


def upscale_frame(upscaler: Upscaler, frame: Picture, scale: int, tile: int = 0) -> Picture:
    """`upscale_frames` for one picture."""
    return next(iter(upscale_frames(upscaler, [frame], scale, tile, few=True)))


class _Picture:
    """One picture being made by the pool."""

    def __init__(
        self, upscaler: Upscaler, pool: ThreadPoolExecutor, frame: Picture, tile: int, at_least: int, index: int
    ) -> None:
        self.height, self.width = frame.shape[:2]
        self.own, self.index = upscaler.scale, index
        shape = (self.height * self.own, self.width * self.own)
        windows = upscaler.windows(self.height, self.width, tile, at_least)
        self.out = np.empty((*shape, 3), np.uint8)
        self.soft = upscaler.reach_px is None and len(windows) > 1
        self.sums = np.zeros((*shape, 3), np.float32) if self.soft else None
        self.weights = np.zeros((*shape, 1), np.float32) if self.soft else None
        work = self._faded if self.soft else self._cut
        self.parts: list[Future[Any]] = [pool.submit(work, upscaler, frame, at) for at in windows]

    def finished(self, scale: int, step: Callable[[int, int, int], None]) -> Picture:
        """The picture, when all of its windows are there. Raises what a window or `step` raised."""
        waiting = set(self.parts)
        while waiting:
            ready, waiting = wait(waiting, timeout=ASK_S, return_when="FIRST_COMPLETED")
            for part in ready:
                if (made := part.result()) is not None:
                    self._add(*made)
            step(self.index, len(self.parts) - len(waiting), len(self.parts))
        if self.sums is not None and self.weights is not None:
            self.out = ((self.sums / self.weights).clip(0, 1) * 255).round().astype(np.uint8)
        out = self.out
        return out if self.own == scale else resized(out, self.height * scale, self.width * scale)

    def _cut(self, upscaler: Upscaler, frame: Picture, at: Window) -> None:
        """A window that alone answers for its own pixels."""
        made = run_network(upscaler, _part(frame, at.seen))
        own = Box(*(px * self.own for px in at.own))
        top, left = own.top - at.seen.top * self.own, own.left - at.seen.left * self.own
        tall, wide = own.bottom - own.top, own.right - own.left
        eight = (made[:, top : top + tall, left : left + wide] * 255).round_().byte().permute(1, 2, 0)
        self.out[own.top : own.bottom, own.left : own.right] = eight.cpu().numpy()

    def _faded(self, upscaler: Upscaler, frame: Picture, at: Window) -> tuple[Box, Any, Any]:
        """A window that shares what it sees with its neighbours: where it lies, its pixels and how much they count."""
        made = run_network(upscaler, _part(frame, at.seen)).permute(1, 2, 0).cpu().numpy()
        seen, own = (Box(*(px * self.own for px in box)) for box in (at.seen, at.own))
        down = ramp(seen.top, own.top, own.bottom, seen.bottom)
        across = ramp(seen.left, own.left, own.right, seen.right)
        return seen, made, (down[:, None] * across[None])[..., None]

    def _add(self, seen: Box, made: Any, weight: Any) -> None:
        where = np.s_[seen.top : seen.bottom, seen.left : seen.right]
        assert self.sums is not None and self.weights is not None
        self.sums[where] += made * weight
        self.weights[where] += weight


def _part(frame: Picture, box: Box) -> Picture:
    return frame[box.top : box.bottom, box.left : box.right]


@torch.inference_mode()
def run_network(upscaler: Upscaler, picture: Picture) -> torch.Tensor:
    """The network on one picture, edges repeated up to the size it needs: float32 (3, scale H, scale W) in [0, 1]."""
    if upscaler.brake.is_set():
        raise JobCancelled()
    height, width = picture.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(upscaler.device)[None].permute(0, 3, 1, 2)
    pixels = pixels.to(upscaler.dtype, memory_format=torch.channels_last) / 255
    down, across = -height % upscaler.multiple, -width % upscaler.multiple
    if down or across:
        pixels = F.pad(pixels, (0, across, 0, down), mode="replicate")
    made = upscaler.network(pixels)[0].float()[:, : height * upscaler.scale, : width * upscaler.scale]
    return made.clamp_(0, 1)


def resized(picture: Picture, height: int, width: int) -> Picture:
    """`picture` at another size: averaged when shrinking, bicubic when growing."""
    import cv2

    shrinks = height < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method).reshape(height, width, 3)
