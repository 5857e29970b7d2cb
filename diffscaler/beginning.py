"""What a stopped job has finished, as a clip of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from diffscaler import plan
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.plan import Node
from diffscaler.predict import meta_of_plan
from diffscaler.stage import ModelRef, Params, StageContext


class BeginningParams(Params):
    """How many of a clip's frames, from its first on."""

    num_frames: int = Field(ge=1)


class Beginning:
    """The first frames of a clip. They are enough for it: what is not made yet of the clip stays so."""

    name, version, lookback, joins = "beginning", 1, 0, False
    Params = BeginningParams

    def __init__(self, params: BeginningParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        #: Frames of its input that it reads; the engine makes no more of it.
        self.reads_only = params.num_frames

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        whole, count = inputs[0], self.params.num_frames
        duration_s = whole.duration_s * count / max(1, whole.num_frames)
        return whole.change(kind="frames", num_frames=count, duration_s=duration_s)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        count = self.params.num_frames
        for chunk in inputs[0]:
            left = count - chunk.start
            yield FrameChunk(chunk.frames[:left], chunk.start, chunk.times[:left])
            if chunk.stop >= count:
                return  # before the next chunk is asked for, which would have to be made


@dataclass(frozen=True)
class Finished:
    """What there is of a plan that was not carried out. frames: the last clip before delivery that has some;
    left_out: stages that did not come to it, first one first."""

    frames: Node
    num_frames: int
    of: int
    left_out: tuple[str, ...]

    @property
    def words(self) -> str:
        """ "first 24 of 96 frames, not upscaled" """
        told = [f"first {self.num_frames} of {self.of} frames"]
        told += [NOT_DONE[stage] for stage in self.left_out if stage in NOT_DONE]
        return ", ".join(told)


#: What a clip is not, by the stage that did not come to it.
NOT_DONE = {
    "swap_face": "faces not swapped",
    "restore_faces": "faces not restored",
    "upscale": "not upscaled",
    "upscale_pair": "not upscaled",
    "upscale_sd": "not upscaled",
    "steady": "not held steady",
    "interpolate": "at the old frame rate",
    "interpolate_pair": "at the old frame rate",
}


def finished(library: ClipLibrary, root: Node) -> Finished | None:
    """The finished frames behind a plan's file; None where there are none, or the plan is done."""
    if library.complete(root.key) or not root.inputs:
        return None
    at, left_out = root.inputs[0], []
    while True:
        meta = meta_of_plan(library, at)
        # What can only start over does so when it is read again; imports are there already.
        if at.stage == plan.IMPORT or meta.kind != "frames" or at.build().lookback is None:
            return None
        if stored := library.stored_frames(at.key):
            return Finished(at, stored, meta.num_frames, tuple(reversed(left_out)))
        if not at.inputs:
            return None
        left_out.append(at.stage)
        at = at.inputs[0]
