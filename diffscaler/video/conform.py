"""What a destination asks of frames on their way to the encoder: a matte, a largest side, a constant frame rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from pydantic import BaseModel, ConfigDict

from diffscaler.media import ClipMeta, FrameChunk, Frames
from diffscaler.video.colour import EXACT

Matte = Literal["none", "2.39:1", "1.85:1", "16:9", "4:3", "1:1"]
RateName = Literal["as it is", "constant", "23.976", "24", "25", "29.97", "30", "48", "50", "59.94", "60"]

RATES: dict[str, Fraction] = {
    "23.976": Fraction(24000, 1001), "24": Fraction(24), "25": Fraction(25), "29.97": Fraction(30000, 1001),
    "30": Fraction(30), "48": Fraction(48), "50": Fraction(50), "59.94": Fraction(60000, 1001), "60": Fraction(60),
}  # fmt: skip


class Conform(BaseModel):
    """matte: black bars down to this shape, the picture's size kept; longest: largest side in pixels, None keeps it

    frame_rate: "as it is", "constant" (uneven times become the nearest usual rate), or one of RATES
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    matte: Matte = "none"
    longest: int | None = None
    frame_rate: RateName = "as it is"

    def meta(self, meta: ClipMeta) -> ClipMeta:
        """The facts of a clip once it is conformed."""
        width, height = self.size(meta.width, meta.height)
        fps = self.rate(meta)
        if fps is None:
            return meta.change(width=width, height=height)
        count = max(1, round(meta.duration_s * fps))
        values = {"num_frames": count, "fps": fps, "vfr": False, "duration_s": float(count / fps)}
        return meta.change(width=width, height=height, **values)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height), the longer side at most `longest`, both sides even where they change."""
        if self.longest is None or max(width, height) <= self.longest:
            return width, height
        scale = Fraction(self.longest, max(width, height))
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)

    def rate(self, meta: ClipMeta) -> Fraction | None:
        """The rate to change to, None where the times stay as they are."""
        if meta.still or self.frame_rate == "as it is":
            return None
        if self.frame_rate == "constant":
            return min(RATES.values(), key=lambda rate: abs(rate - meta.fps)) if meta.vfr else None
        wanted = RATES[self.frame_rate]
        return wanted if meta.vfr or wanted != meta.fps else None

    def apply(
        self, chunks: Iterable[FrameChunk], meta: ClipMeta, note: Callable[[str], None] | None = None
    ) -> Iterator[FrameChunk]:
        """The frames as the destination wants them, chunk by chunk. note: told what a new rate did to the frames"""
        fps = self.rate(meta)
        timed = chunks if fps is None else _at_rate(chunks, meta, fps, note)
        scaler = VideoReformatter()
        for chunk in timed:
            frames = chunk.frames
            height, width = frames.shape[1:3]
            if (size := self.size(width, height)) != (width, height):
                frames = np.stack([_scaled(scaler, frame, *size) for frame in frames])
            if (window := window_of(self.matte, *size)) != (0, 0, *size):
                left, top, right, bottom = window
                matted = np.zeros_like(frames)
                matted[:, top:bottom, left:right] = frames[:, top:bottom, left:right]
                frames = matted
            yield FrameChunk(frames, chunk.start, chunk.times)


def window_of(matte: Matte, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels of what a matte leaves to see; edges are even, as 4:2:0 colour needs."""
    if matte == "none":
        return 0, 0, width, height
    across, _, down = matte.partition(":")
    aspect = Fraction(across) / Fraction(down)
    if Fraction(width, height) < aspect:
        bar = round((height - width / aspect) / 4) * 2
        return 0, bar, width, height - bar
    bar = round((width - height * aspect) / 4) * 2
    return bar, 0, width - bar, height


def _scaled(scaler: VideoReformatter, frame: Frames, width: int, height: int) -> Frames:
    name = "rgb24" if frame.dtype == np.uint8 else "rgb48le"
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=name)
    return scaler.reformat(picture, width, height, name, interpolation=EXACT, threads=1).to_ndarray()  # type: ignore[return-value]


def _at_rate(
    chunks: Iterable[FrameChunk], meta: ClipMeta, fps: Fraction, note: Callable[[str], None] | None
) -> Iterator[FrameChunk]:
    """Each moment of a constant rate with the frame shown in its middle: jitter of half a frame changes nothing."""
    held: Frames | None = None
    made, used, seen, offset = 0, 0, 0, 0.0
    fresh = False

    def out(stop: int) -> Iterator[FrameChunk]:
        nonlocal made, used, fresh
        assert held is not None
        while made < stop:
            used, fresh = used + fresh, False
            yield FrameChunk(held[None], made, _times(made, fps))
            made += 1

    for chunk in chunks:
        for frame, time_s in zip(chunk.frames, chunk.times.tolist(), strict=True):
            if held is None:
                offset = time_s
            else:
                # Frames whose middle lies before this one's time show the one before.
                yield from out(max(0, int(np.ceil(round((time_s - offset) * float(fps) - 0.5, 6)))))
            held, fresh, seen = frame, True, seen + 1
    if held is not None:
        total = max(1, round(meta.duration_s * fps))
        yield from out(max(total, made))
        if note is not None:
            repeated, dropped = made - used, seen - used
            note(
                f"{seen} frames became {made} at {float(fps):.5g} a second: {repeated} shown again, {dropped} left out."
            )


def _times(index: int, fps: Fraction) -> npt.NDArray[np.float64]:
    return np.array([index * fps.denominator / fps.numerator], np.float64)
