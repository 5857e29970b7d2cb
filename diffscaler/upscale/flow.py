"""Optical flow between neighbouring frames, and the picture that belongs between them.

The flow is OpenCV's DIS (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search"). The picture is made as
in Baker et al. 2011, "A Database and Evaluation Methodology for Optical Flow", section 3.3: the flow is carried to the
moment between, both frames are fetched along it, and where something is seen in one of them only, that one counts. Flow
vectors that meet in a pixel are averaged by how well they fit (softmax splatting, Niklaus and Liu 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2 as _cv2
import numpy as np
import numpy.typing as npt

from diffscaler.upscale.dis import consistency, dis_flow, fetched

cv2: Any = _cv2  # its stubs know no dtypes

Picture = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Larger frames hold little that is finer than this, and flow costs as much as it has pixels.
FLOW_SIDE = 1280
# Levels of difference, 0..255, at which a flow vector counts 1/e of one that fits exactly.
MISFIT = 8.0
# What even the worst vector or pixel counts: enough where nothing else is there.
LITTLE = 1e-4


@dataclass(frozen=True)
class Motion:
    """How two frames move into each other, at the resolution the flow was measured at.

    forward, backward: float32 (H, W, 2), x and y in pixels: frame a at p shows what frame b shows at p + forward(p)
    seen_a, seen_b: float32 (H, W), 1 where what a frame shows is also in the other one, 0 where it is hidden there
    misfit_a, misfit_b: float32 (H, W), levels by which the two ends of a vector differ
    """

    forward: Field
    backward: Field
    seen_a: Field
    seen_b: Field
    misfit_a: Field
    misfit_b: Field


def motion_of(a: Picture, b: Picture) -> Motion:
    """How frame `a` moves into frame `b`: uint8 RGB (H, W, 3) each. Measured at 1280 pixels a side at most."""
    a, b = reduced(a), reduced(b)
    grey_a, grey_b = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (a, b))
    forward, backward = dis_flow(grey_a, grey_b), dis_flow(grey_b, grey_a)
    return Motion(
        forward,
        backward,
        consistency(forward, backward),
        consistency(backward, forward),
        np.abs(a.astype(np.float32) - fetched(b, forward)).mean(-1),
        np.abs(b.astype(np.float32) - fetched(a, backward)).mean(-1),
    )


def reduced(frame: Picture) -> Picture:
    """A frame at the size its flow is measured at; itself where it is small enough."""
    height, width = frame.shape[:2]
    factor = FLOW_SIDE / max(height, width)
    if factor >= 1:
        return frame
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    smaller: Picture = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return smaller


def between(a: Picture, b: Picture, moments: Sequence[float]) -> Iterator[Picture]:
    """The pictures at `moments` between two frames, 0 being `a` and 1 being `b`: uint8 RGB (H, W, 3) of any size.

    Frames that are equal give themselves, bit by bit.
    """
    if np.array_equal(a, b):
        for _ in moments:
            yield a
        return
    motion = motion_of(a, b)
    for moment in moments:
        yield picture_at(a, b, motion, moment)


@dataclass(frozen=True)
class Sides:
    """What two frames say of a moment between them.

    from_a, from_b: float32 (H, W, 3), levels of 255: each frame carried there along the motion
    share: float32 (H, W) in 0..1, what `from_b` counts beside `from_a`
    """

    from_a: Field
    from_b: Field
    share: Field

    def blended(self) -> Field:
        """Both as one: float32 (H, W, 3), as far beyond 0..255 as the filter goes."""
        return self.from_a + self.share[..., None] * (self.from_b - self.from_a)


def picture_at(a: Picture, b: Picture, motion: Motion, moment: float) -> Picture:
    """One picture between `a` and `b`; see `between`."""
    return np.rint(np.clip(sides_at(a, b, motion, moment).blended(), 0, 255)).astype(np.uint8)


def sides_at(a: Picture, b: Picture, motion: Motion, moment: float) -> Sides:
    """What `a` and `b` say of a moment between them."""
    height, width = a.shape[:2]
    flow = flow_at(motion, moment)
    weight_a = (1 - moment) * (fetched(motion.seen_b, flow * (1 - moment)) + LITTLE)
    weight_b = moment * (fetched(motion.seen_a, flow * -moment) + LITTLE)
    share = weight_b / (weight_a + weight_b)
    tall, wide = share.shape
    if (tall, wide) != (height, width):
        flow = cv2.resize(flow, (width, height)) * np.array([width / wide, height / tall], np.float32)
        share = cv2.resize(share, (width, height))
    # Cubic: linear would blur every second frame, and be seen as a flicker of sharpness.
    from_a = fetched(a, flow * -moment, cv2.INTER_CUBIC).astype(np.float32)
    from_b = fetched(b, flow * (1 - moment), cv2.INTER_CUBIC).astype(np.float32)
    return Sides(from_a, from_b, share)


def flow_at(motion: Motion, moment: float) -> Field:
    """The flow from `a` to `b` as it lies at a moment between them: float32 (H, W, 2)."""
    ahead = splatted(motion.forward, motion.forward * moment, weights(motion.misfit_a, motion.seen_a))
    back = splatted(-motion.backward, motion.backward * (1 - moment), weights(motion.misfit_b, motion.seen_b))
    total = ahead + back
    return filled(total[..., :2], total[..., 2])


def weights(misfit: Field, seen: Field) -> Field:
    """What each flow vector counts, from how well its ends agree and whether both are seen: float32 (H, W)."""
    return np.maximum(np.exp(-misfit / MISFIT) * seen, LITTLE)


def splatted(values: Field, by: Field, weight: Field) -> Field:
    """Vectors carried to where they go, each onto the four pixels around its end.

    values, by: float32 (H, W, 2); weight: (H, W). Returns float32 (H, W, 3): sums of weighted x and y, and of weights
    """
    height, width = weight.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + by[..., 0], y + by[..., 1]
    left, top = np.floor(x), np.floor(y)
    sums = np.zeros((3, height * width))
    for down in (0, 1):
        for across in (0, 1):
            column, row = (left + across).astype(np.intp), (top + down).astype(np.intp)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            near = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * weight
            at, near = (row * width + column)[inside], near[inside]
            for index, part in enumerate((values[..., 0], values[..., 1], None)):
                amount = near if part is None else near * part[inside]
                sums[index] += np.bincount(at, amount, height * width)
    return np.moveaxis(sums.reshape(3, height, width), 0, -1).astype(np.float32)


def filled(sums: Field, weight: Field) -> Field:
    """sums / weight where there is weight, and from the surroundings where there is next to none: float32 (H, W, 2)."""
    height, width = weight.shape
    if max(height, width) <= 2:
        return np.broadcast_to(
            sums.sum((0, 1)) / max(float(weight.sum()), LITTLE**2), (height, width, 2)
        ).astype(np.float32)  # fmt: skip
    half = (-(-width // 2), -(-height // 2))
    smaller = [cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in (sums, weight)]
    around = cv2.resize(filled(*smaller), (width, height), interpolation=cv2.INTER_LINEAR)
    own = np.minimum(weight, LITTLE)[..., None] / LITTLE
    mean = sums / np.maximum(weight, LITTLE**2)[..., None]
    return (own * mean + (1 - own) * around).astype(np.float32)
