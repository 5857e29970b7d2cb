"""Which shots show the same, whatever their size, codec and quality: perceptual hashes.

A picture's hash is the sign of the lowest 8 x 8 coefficients of its discrete cosine transform against their median
(Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", 3.2.1). Three frames of a shot are
hashed; a small colour picture beside them tells a red ball from a blue one, which grey cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.data.footage import Picture

FRAMES = 3
SIDE = 32
LOW = 8
COLOURS = 4

#: Of 64 bits, those that may differ in the mean over the frames; pictures of different things differ in about 32.
BITS = 5.0
#: Levels 0..255 by which no field of the small colour picture may differ.
LEVELS = 14
#: Standard deviation in levels below which a picture is one plain colour: its hash would be noise.
PLAIN = 2.0

#: Rows compared with all earlier ones at once: bounds the memory.
BLOCK = 256


def fingerprint(frames: Sequence[Picture]) -> str:
    """Frames of a shot, uint8 RGB (H, W, 3) each, as hex: FRAMES hashes of 8 bytes, then 4 x 4 RGB of the middle one.

    "" when a frame is one plain colour: such shots look alike and mean nothing.
    """
    last = len(frames) - 1
    chosen = [round(i * last / (FRAMES - 1)) for i in range(FRAMES)]
    by_frame = {at: picture_hash(frames[at]) for at in sorted(set(chosen))}  # a still picture is hashed once
    hashes = [by_frame[at] for at in chosen]
    if any(made is None for made in hashes):
        return ""
    colours = cv2.resize(frames[chosen[FRAMES // 2]], (COLOURS, COLOURS), interpolation=cv2.INTER_AREA)
    return b"".join(made for made in hashes if made).hex() + np.asarray(colours, np.uint8).tobytes().hex()


def picture_hash(picture: Picture) -> bytes | None:
    """Eight bytes for uint8 RGB (H, W, 3); None when it is one plain colour."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    if small.std() < PLAIN:
        return None
    low = np.asarray(cv2.dct(small))[:LOW, :LOW].ravel()
    return np.packbits(low > np.median(low[1:])).tobytes()


def duplicates(prints: Sequence[str]) -> list[int | None]:
    """For each fingerprint the index of the first earlier one that shows the same, None where there is none.

    Every one is compared with all before it, in blocks: exact, and some three seconds for 30,000 shots.
    """
    found: list[int | None] = [None] * len(prints)
    at = [i for i, made in enumerate(prints) if made]
    if not at:
        return found
    rows = np.array([np.frombuffer(bytes.fromhex(prints[i]), np.uint8) for i in at])
    hashes = np.ascontiguousarray(rows[:, : 8 * FRAMES]).view(np.uint64)
    colours = rows[:, 8 * FRAMES :].astype(np.int16)
    for start in range(0, len(at), BLOCK):
        block = slice(start, min(start + BLOCK, len(at)))
        apart = sum(bits_apart(hashes[block, i], hashes[: block.stop, i]) for i in range(FRAMES))
        near = np.argwhere(np.asarray(apart) <= BITS * FRAMES)
        for later, earlier in near:
            later += start
            fresh = earlier < later and found[at[later]] is None
            if fresh and np.abs(colours[later] - colours[earlier]).max() <= LEVELS:
                first = found[at[earlier]]
                found[at[later]] = at[earlier] if first is None else first
    return found


def bits_apart(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Bits in which each of `a` (N,) differs from each of `b` (M,): uint8 (N, M)."""
    return np.bitwise_count(a[:, None] ^ b[None, :])
