"""The stage that does some frames of a swap otherwise, and hands on all others as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field

from diffscaler.faceswap.casting import NETWORKS, Casting, CastParams
from diffscaler.faceswap.mask_params import Front
from diffscaler.media import ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext

if TYPE_CHECKING:
    from diffscaler.faceswap.engines import Place, Swapper

How = Literal["skip", "builtin", "inswapper", "ghost", "diffusion", "parsing", "occluder", "looks", "over everything"]
FRONTS: tuple[Front, ...] = get_args(Front)


class CorrectionParams(Params):
    """Frames [start, stop) are done in another way.

    tracks: whose faces, empty for all; how: "skip" leaves the original face, an engine's name takes that engine,
    "over everything" keeps nothing in front of the face, "parsing", "occluder" and "looks" what that one sees
    """

    start: int = Field(ge=0)
    stop: int = Field(gt=0)
    tracks: tuple[int, ...] = ()
    how: How

    def about(self, frame: int, track: int) -> bool:
        return self.start <= frame < self.stop and (not self.tracks or track in self.tracks)


def instead(corrections: tuple[CorrectionParams, ...], frame: int, track: int) -> How | None:
    """How a face is done in place of the usual way: as the last correction about it says; None without one."""
    return next((each.how for each in reversed(corrections) if each.about(frame, track)), None)


def front_of(how: How | None, usual: tuple[Front, ...] | None) -> tuple[Front, ...] | None:
    """What keeps things in front of a face that is done in a way; usual: of the swap"""
    if how == "over everything":
        return ()
    return (how,) if how in FRONTS else usual


def corrected(corrections: tuple[CorrectionParams, ...], start: int, stop: int) -> list[int]:
    """The frames of [start, stop) that corrections are about, in order."""
    spans = [range(max(start, each.start), min(stop, each.stop)) for each in corrections]
    return sorted({index for span in spans for index in span})


class CorrectSwapParams(CastParams):
    """The swap that is corrected, and how; of several corrections of the same face the last one holds."""

    corrections: tuple[CorrectionParams, ...] = Field(min_length=1)


class CorrectSwap:
    """Frames, their detections, the same frames swapped, and masks if any -> the swapped frames, the corrected ones
    made anew.

    Where the diffusion engine takes part, what it drew (`RedrawFaces`: for the whole swap or for each correction) comes
    before the swapped frames.
    """

    name: ClassVar[str] = "correct_swap"
    version: ClassVar[int] = 3
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True
    Params = CorrectSwapParams

    def __init__(self, params: CorrectSwapParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[len(inputs) - len(self.params.masks) - 1]

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[FrameChunk]:
        """Raises what SwapFace raises, also for corrections of people whom the clip has not."""
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.masks import read_masks

        clip, faces, last = inputs[0], gather(inputs[1]), len(inputs) - len(self.params.masks)
        stored = read_masks(self.params.masks, inputs[last:])
        total = clip.meta.num_frames
        ctx.step(ctx.start, total, "frame")
        with ExitStack() as leases:
            casting = Casting(
                self.params, self.models, faces, float(clip.meta.fps), ctx, leases, inputs[2 : last - 1], stored
            )
            casting.check([*casting.named, *(number for row in self.params.corrections for number in row.tracks)])
            engines = _Engines(casting, self.params)
            for part, swapped in together(clip, inputs[last - 1], ctx.start):
                ctx.step(part.start, total, "frame")
                frames = swapped
                for index in corrected(self.params.corrections, part.start, part.stop):
                    at = index - part.start
                    if frames is swapped:
                        frames = swapped.copy()
                    places = places_in(casting.tracks, index, index + 1)
                    frames[at] = engines.drawn(part.frames[at], places, index, lambda: ctx.step(index, total, "frame"))  # noqa: B023
                if frames is not swapped:
                    ctx.preview(frames)
                yield FrameChunk(frames, part.start, part.times)


class _Engines:
    """Draws a frame's faces, each by the engine that its last correction asks for."""

    def __init__(self, casting: Casting, params: CorrectSwapParams) -> None:
        self.casting, self.params = casting, params
        self.made: dict[tuple[str, tuple[Front, ...] | None], Swapper] = {}

    def drawn(
        self, frame: npt.NDArray[np.uint8], places: list[Place], index: int, tick: Callable[[], None]
    ) -> npt.NDArray[np.uint8]:
        """The frame (uint8 RGB (H, W, 3)) with its faces, farther ones first.

        Neighbours in that order that one engine draws are given to it together, as SwapFace does: networks cut faces
        from the frame as it came, so that overlapping ones do not see each other.
        """
        result = frame[None]
        for swapper, group in groupby(places, lambda place: self._for(index, place.track.id)):
            if swapper is not None:
                result = swapper.swap(result, list(group), lambda _: tick())
        return result[0]

    def _for(self, index: int, track: int) -> Swapper | None:
        how, params = instead(self.params.corrections, index, track), self.params
        if how == "skip":
            return None
        engine = how if how in NETWORKS else params.engine
        front = front_of(how, params.in_front)
        if (engine, front) not in self.made:
            self.made[engine, front] = self.casting.swapper(engine, front)  # type: ignore[arg-type]
        return self.made[engine, front]


def together(clip: Stream, other: Stream, start: int) -> Iterator[tuple[FrameChunk, npt.NDArray[np.uint8]]]:
    """Two clips of equal length in step, from frame `start` on: chunks of the first, and those frames of the other."""
    rest = iter(other)
    waiting: list[FrameChunk] = []
    for chunk in clip:
        if chunk.stop <= start:
            continue
        part = chunk.since(start)
        while not waiting or waiting[-1].stop < part.stop:
            waiting.append(next(rest))
        frames = np.concatenate([c.frames[max(0, part.start - c.start) : max(0, part.stop - c.start)] for c in waiting])
        waiting = [c for c in waiting if c.stop > part.stop]
        yield part, frames
