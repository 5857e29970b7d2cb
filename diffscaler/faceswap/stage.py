"""The two stages of face swapping: find the faces of a clip, and put another face on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from diffscaler.media import ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

if TYPE_CHECKING:
    from diffscaler.faceswap.detect import Detector
    from diffscaler.faceswap.detections import ClipFaces
    from diffscaler.faceswap.engines import Swapper
    from diffscaler.faceswap.photo import PhotoFace
    from diffscaler.faceswap.track import Track

SEARCH_EVERY = 8  # frames; in between faces are followed, which is several times faster than searching
WEAK = 0.6  # times the threshold: faces this certain still continue somebody already followed


class DetectFacesParams(Params):
    """threshold: score from which a face counts, 0..1."""

    threshold: float = Field(0.5, ge=0.1, le=0.95)


class DetectFaces:
    """Frames -> group by group the faces in them: see `detections.ClipFaces` for the tensors.

    Groups of SEARCH_EVERY frames begin at frames divisible by it, wherever chunks begin: resuming starts a group anew.
    """

    name: ClassVar[str] = "detect_faces"
    version: ClassVar[int] = 2
    lookback: ClassVar[int | None] = SEARCH_EVERY - 1
    joins: ClassVar[bool] = False
    Params = DetectFacesParams

    def __init__(self, params: DetectFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        clip = inputs[0]
        return ClipMeta(
            kind="tensors", num_frames=clip.num_frames, fps=clip.fps, vfr=clip.vfr, duration_s=clip.duration_s
        )

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises ModelNotFound when the detector's file is missing."""
        from diffscaler.faceswap.finding import find_faces, since

        meta, sure = inputs[0].meta, self.params.threshold
        total = meta.num_frames
        facts = {"sure": np.array([sure], np.float32), "size": np.array([meta.width, meta.height], np.int32)}
        with ctx.acquire(self.models[0]) as detector:
            groups = find_faces(
                detector,
                iter(inputs[0]),
                SEARCH_EVERY,
                sure * WEAK,
                sure,
                lambda index: ctx.step(index, total, "frame"),
            )
            for group in groups:
                if group.stop > ctx.start:
                    part = since(group, ctx.start)
                    yield TensorChunk(part.tensors | facts, part.start, part.count)


class Role(Params):
    """Whom one performer plays.

    photos: SHA-256 of imported photos of the performer; tracks: whose faces are replaced, ids as in `Person`; "all" and
    "largest" mean those that no other role names
    """

    photos: tuple[str, ...] = Field(min_length=1)
    tracks: Literal["all", "largest"] | tuple[int, ...] = "all"


class SwapFaceParams(Params):
    """cast: the performers; a track that two of them name goes to the first.

    strength: 1 replaces the face wholly
    """

    cast: tuple[Role, ...] = Field(min_length=1)
    engine: Literal["builtin", "inswapper"] = "builtin"
    strength: float = Field(1.0, ge=0, le=1)


class SwapFace:
    """Frames and their detections -> the same frames with the performer's face. Frames without one pass bit-equal.

    A frame's result depends on the frame and the detections alone, so chunks and resume leave no trace.
    models: the detector (for the photos); for inswapper then the swapper and the recogniser
    """

    name: ClassVar[str] = "swap_face"
    version: ClassVar[int] = 2
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = SwapFaceParams

    def __init__(self, params: SwapFaceParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[FrameChunk]:
        """Raises NoFaceFound when a photo shows no face, ModelNotFound when a model's file is missing."""
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.ranges import missing_note
        from diffscaler.faceswap.track import assigned

        clip, fps = inputs[0], float(inputs[0].meta.fps)
        total = clip.meta.num_frames
        ctx.step(ctx.start, total, "frame")
        faces = gather(inputs[1])
        tracks = faces.tracks(fps)
        plays = assigned(tracks, [role.tracks for role in self.params.cast])
        tracks = [track for track in tracks if track.id in plays]
        covered = np.zeros(len(faces.cut), bool)
        for track in tracks:
            covered[track.start : track.stop] = True
        if note := missing_note(covered, fps):
            ctx.note(note)
        with ExitStack() as leases:
            swapper = self._swapper(leases, ctx, faces, tracks, plays, fps)
            for chunk in clip:
                if chunk.stop <= ctx.start:
                    continue
                part = chunk.since(ctx.start)
                ctx.step(part.start, total, "frame")
                places = places_in(tracks, part.start, part.stop)
                frames = part.frames
                if places:
                    frames = swapper.swap(
                        frames, places, lambda done, at=part.start: ctx.step(at + done, total, "frame")
                    )
                    ctx.preview(frames)
                yield FrameChunk(frames, part.start, part.times)

    def _swapper(
        self,
        leases: ExitStack,
        ctx: StageContext,
        faces: ClipFaces,
        tracks: list[Track],
        plays: dict[int, int],
        fps: float,
    ) -> Swapper:
        """plays: track id -> which of the cast it gets."""
        from diffscaler.faceswap.builtin import prepare_reference
        from diffscaler.faceswap.engines import PreviewSwapper
        from diffscaler.faceswap.inswapper import IdentitySwapper

        with ctx.acquire(self.models[0]) as detector:
            cast = [self._photos(role, detector, ctx) for role in self.params.cast]
        if self.params.engine == "builtin":
            ctx.note("Face swap: built-in preview engine.")
            looks = [[prepare_reference(face.photo, face.landmarks) for face in photos] for photos in cast]
            done, total = ctx.start, len(faces.cut)
            return PreviewSwapper(
                {track: looks[role] for track, role in plays.items()},
                faces,
                tracks,
                fps,
                self.params.strength,
                lambda: ctx.step(done, total, "Following faces"),
            )
        ctx.note("Face swap: inswapper, for non-commercial research only (insightface).")
        network = leases.enter_context(ctx.acquire(self.models[1]))
        with ctx.acquire(self.models[2]) as recognizer:
            identities = [[recognizer.embed(face.photo, face.landmarks) for face in photos] for photos in cast]
        return IdentitySwapper(
            network, {track: identities[role] for track, role in plays.items()}, self.params.strength
        )

    def _photos(self, role: Role, detector: Detector, ctx: StageContext) -> list[PhotoFace]:
        from diffscaler.faceswap.photo import main_face

        photos: list[PhotoFace] = []
        for sha in role.photos:
            name = ctx.media_name(sha)
            face = main_face(ctx.media_path(sha), detector, name)
            if face.others:
                ctx.note(f"The photo {name} shows {face.others + 1} faces; the largest was used.")
            photos.append(face)
        return photos
