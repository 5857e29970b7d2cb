"""The stages that turn a clip into pictures which a ControlNet reads. They are kept, so another prompt, scale or seed
does not look at the clip again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Literal, TypeVar

import numpy as np

from diffscaler.faceswap.ranges import missing_frames
from diffscaler.media import FrameChunk, Frames
from diffscaler.stage import StageContext
from diffscaler.text2video.clip_frames import ClipFrames
from diffscaler.text2video.stages import Shaped

CALLED = "The clip to follow"
Seen = TypeVar("Seen")


class ControlFramesParams(Shaped):
    """kind: "canny" for edges, "none" for a clip that shows edges, depth or poses already."""

    kind: Literal["canny", "none"]


class ControlFrames(ClipFrames):
    """A clip to follow, frame by frame."""

    name = "control_frames"
    called = CALLED
    Params = ControlFramesParams
    params: ControlFramesParams

    def pictures(self, source: Iterable[FrameChunk], ctx: StageContext) -> Iterator[Frames]:
        for picture in super().pictures(source, ctx):
            ctx.preview(picture[None])
            yield picture

    def made(self, frame: Frames) -> Frames:
        picture = super().made(frame)
        if self.params.kind == "none":
            return picture
        from diffscaler.text2video.hotshot.controlnet import canny

        return canny(picture[None])[0]


class ControlDepth(ClipFrames):
    """How near everything in a clip to follow is. Models: the one that measures it (annotators/depth.py)."""

    name = "control_depth"
    called = CALLED
    Params = Shaped

    def pictures(self, source: Iterable[FrameChunk], ctx: StageContext) -> Iterator[Frames]:
        from diffscaler.text2video.annotators.depth import Depth, enlarged, near_white, shaded

        width, height = self.params.width, self.params.height
        with ctx.acquire(self.models[0]) as estimator:

            def look(frame: Frames) -> Depth:
                depth = estimator.read(frame)
                ctx.preview(shaded(enlarged(depth, width, height), float(depth.min()), float(depth.max()))[None])
                return depth

            # What is black and what is white is known after the last frame.
            depths = list(each_once(super().pictures(source, ctx), look))
        yield from near_white(depths, width, height)


class ControlPose(ClipFrames):
    """The people in a clip to follow, as skeletons. Models: the one that finds joints (annotators/pose.py), and the one
    that finds people (annotators/people.py) if there is one."""

    name = "control_pose"
    called = CALLED
    Params = Shaped

    def pictures(self, source: Iterable[FrameChunk], ctx: StageContext) -> Iterator[Frames]:
        from diffscaler.text2video.annotators.people import whole_frame
        from diffscaler.text2video.annotators.skeleton import draw_people

        with ExitStack() as lent:
            poses, *others = [lent.enter_context(ctx.acquire(ref)) for ref in self.models]
            find = others[0].read if others else whole_frame
            if not others:
                ctx.note("Poses: nothing here finds people, so each frame was read as one person.")

            def look(frame: Frames) -> Frames:
                picture = draw_people(poses.read(frame, find(frame)), self.params.width, self.params.height)
                ctx.preview(picture[None])
                return picture

            shows: list[bool] = []
            for picture in each_once(super().pictures(source, ctx), look):
                shows.append(bool(picture.any()))
                if len(shows) == self.params.num_frames and (note := nobody(shows, self.params.fps)):
                    ctx.note(note)
                yield picture


def each_once(frames: Iterable[Frames], look: Callable[[Frames], Seen]) -> Iterator[Seen]:
    """look(frame) for each frame; one that follows itself is looked at once."""
    last: Frames | None = None
    seen: list[Seen] = []
    for frame in frames:
        if frame is not last:
            last, seen = frame, [look(frame)]
        yield seen[0]


def nobody(shows: list[bool], fps: str) -> str | None:
    """What is told of frames without a person; None when every frame shows one."""
    if not any(shows):
        return "Poses: no person was found in the clip to follow: the ControlNet reads black pictures."
    missing = missing_frames(np.array(shows), float(Fraction(fps)))
    return f"Poses: no person was found in {missing}: black there for the ControlNet." if missing else None
