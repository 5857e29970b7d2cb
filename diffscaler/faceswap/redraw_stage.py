"""The stage behind the diffusion engine: every performer's track redrawn by a text-to-video model.

A crop is noised and denoised from there (Meng et al. 2022, "SDEdit"), led by a photo through an IP-Adapter (Ye et al.
2023).

Why a stage of its own. A frame of the other engines depends on that frame alone; a model with temporal layers must see
a face in all its frames at once, or it flickers. So what is drawn is a clip like any other: made whole, track by track,
from crops that follow the smoothed landmarks, kept in the library, and keyed by what it was made from. The swapper that
pastes it (`diffusion_swapper.py`) only looks up the latents of one face in one frame, and keeps the promise of
`engines.Swapper`: chunks, resuming, corrections and another mask, colour or fade neither change what was drawn nor
repeat it. Latents are kept, not pictures: they are a twelfth of the size, and a frame's picture depends on its own
latents alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from diffscaler.faceswap.casting import Casting, CastParams, Role
from diffscaler.media import ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.text2video.strength import first_step

if TYPE_CHECKING:
    from diffscaler.faceswap.track import Track


class RedrawFacesParams(Params):
    """cast: as in CastParams; side: of the crops, pixels, as the model was trained

    frames, tracks: draw only frames [start, stop) and only these tracks, for a correction; None: all, empty: all
    window, overlap: frames the model sees at once, and that neighbours share, see text2video/windows.py
    The rest is as in text2video.family.Sampling and Reference.
    """

    cast: tuple[Role, ...] = Field(min_length=1)
    side: int
    window: int
    overlap: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    strength: float = Field(ge=0, le=1)
    reference_scale: float = Field(ge=0, le=1)
    frames: tuple[int, int] | None = None
    tracks: tuple[int, ...] = ()
    later: ClassVar[frozenset[str]] = frozenset({"frames", "tracks"})

    @property
    def steps_taken(self) -> int:
        return self.num_inference_steps - first_step(self.num_inference_steps, self.strength)


class RedrawFaces:
    """Frames, their detections and the words about a face -> for each performer's track its latents, drawn anew.

    Tensors: float32 (C, K, h, w) for the K frames of a track that are drawn, by its id; where `params.frames` says
    which, by its id, "@" and the first of them. A chunk ends where no track goes on, at a cut for example: what was
    drawn before it is never drawn again. Within a chunk a stopped run goes on at the call of the network at which it
    was stopped.
    models: the detector (for the photos), the text-to-video model, an IP-Adapter for it, the adapter's image encoder
    """

    name: ClassVar[str] = "redraw_faces"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = RedrawFacesParams

    def __init__(self, params: RedrawFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.whole: float = max(1, params.steps_taken) * (2 if params.guidance_scale > 1 else 1)
        self.effort = self.whole

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        side = self.params.side
        return inputs[0].change(kind="tensors", width=side, height=side)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises NoFaceFound when a photo shows no face, ModelNotFound when a model's files are missing, InvalidRequest
        when the adapter does not fit the model or the cast names people whom the clip has not, NotEnoughRoom.
        """
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.redrawing import TrackPainter, seen_in

        clip, faces, fps = inputs[0], gather(inputs[1]), float(inputs[0].meta.fps)
        (words,) = inputs[2]
        params, names = self.params, [ref.name for ref in self.models]
        ctx.step(ctx.start, clip.meta.num_frames, "frame")
        with ExitStack() as leases:
            casting = Casting(CastParams(cast=params.cast), self.models, faces, fps, ctx, leases)
            casting.check(casting.named)
            photos = casting.photos()
            with ctx.acquire(self.models[3]) as encoder:
                looks = [seen_in(encoder, of) for of in photos]
            model = leases.enter_context(ctx.acquire(self.models[1]))
            adapter = leases.enter_context(ctx.acquire(self.models[2]))
            if model.frugal:
                model.frugal.ahead((params.side, params.side, params.window))
                if model.frugal.words:
                    ctx.note(f"To fit the memory, {model.frugal.words}.")
            ctx.note(
                f"Faces redrawn at strength {params.strength:g}: {params.steps_taken} of {params.num_inference_steps}"
                f" steps. IP-Adapter: {names[2]} at {params.reference_scale:g}"
            )
            meant = asked_for(casting.tracks, params.frames, params.tracks)
            painter = TrackPainter(model, adapter, words.tensors, params, fps, ctx, len(meant))
            left = [part for part in stretches(meant, len(faces.cut)) if part[1] > ctx.start]
            painter.done = len(meant) - sum(len(tracks) for *_, tracks in left)
            for chunk in clip:
                if chunk.stop <= ctx.start:
                    continue
                painter.look(chunk.since(ctx.start), meant)
                while left and left[0][1] <= chunk.stop:
                    start, stop, tracks = left.pop(0)
                    drawn = {self._named(at): painter.drawn(at, looks[casting.plays[at.id]]) for at in tracks}
                    self.effort = self.whole * painter.share_asked
                    yield TensorChunk(drawn, start, stop - start)
                    # The engine has stored it: what it could have gone on from has served.
                    for track in tracks:
                        shutil.rmtree(unfinished(ctx, track), ignore_errors=True)

    def _named(self, track: Track) -> str:
        return str(track.id) if self.params.frames is None else f"{track.id}@{track.start}"


def unfinished(ctx: StageContext, track: Track) -> Path:
    """Where a track keeps what it can go on from after a stop."""
    return ctx.unfinished / str(track.id)


def asked_for(tracks: list[Track], frames: tuple[int, int] | None, numbers: tuple[int, ...]) -> list[Track]:
    """The tracks of these numbers (empty: all), each with its frames of [start, stop) alone (None: all)."""
    found: list[Track] = []
    for track in tracks:
        start, stop = frames or (track.start, track.stop)
        start, stop = max(start, track.start), min(stop, track.stop)
        if start < stop and (not numbers or track.id in numbers):
            found.append(track.part(start, stop))
    return found


def stretches(tracks: list[Track], num_frames: int) -> list[tuple[int, int, list[Track]]]:
    """The clip in parts (start, stop, tracks) whose borders no track crosses; together they are all frames."""
    parts: list[list[Any]] = []
    for track in sorted(tracks, key=lambda track: (track.start, track.id)):
        if parts and track.start < parts[-1][1]:
            parts[-1][1] = max(parts[-1][1], track.stop)
            parts[-1][2].append(track)
        else:
            parts.append([parts[-1][1] if parts else 0, track.stop, [track]])
    if not parts:
        return [(0, num_frames, [])]
    parts[-1][1] = num_frames
    return [(start, stop, own) for start, stop, own in parts]
