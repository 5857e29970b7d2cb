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

WEAK = 0.6  # times the threshold: faces this certain still continue somebody already followed


class DetectFacesParams(Params):
    """threshold: score from which a face counts, 0..1."""

    threshold: float = Field(0.5, ge=0.1, le=0.95)


class DetectFaces:
    """Frames -> per chunk the faces in them: see `detections.ClipFaces` for the tensors."""

    name: ClassVar[str] = "detect_faces"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 1  # a cut is seen against the frame before
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
        from diffscaler.faceswap.cuts import is_cut, thumbnail
        from diffscaler.faceswap.finding import faces_of, joined

        total, before = inputs[0].meta.num_frames, None
        with ctx.acquire(self.models[0]) as detector:
            for chunk in inputs[0]:
                found, cuts = [], []
                for offset, frame in enumerate(chunk.frames):
                    index = chunk.start + offset
                    now = thumbnail(frame)
                    if index >= ctx.start:
                        ctx.step(index, total, "frame")
                        found.append(faces_of(detector, frame, index, self.params.threshold * WEAK))
                        cuts.append(is_cut(before, now))
                    before = now
                if found:
                    tensors = joined(found) | {
                        "cut": np.array(cuts, np.uint8),
                        "sure": np.array([self.params.threshold], np.float32),
                    }
                    yield TensorChunk(tensors, max(chunk.start, ctx.start), len(cuts))


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
    boost, colour: of the engines that run a network: side of the crop it draws, and how far the drawn face takes on the
    colours that were there, 0..1
    """

    cast: tuple[Role, ...] = Field(min_length=1)
    engine: Literal["builtin", "inswapper", "ghost"] = "builtin"
    strength: float = Field(1.0, ge=0, le=1)
    boost: Literal[128, 256, 512] = 128
    colour: float = Field(0.5, ge=0, le=1)
    later: ClassVar[frozenset[str]] = frozenset({"boost", "colour"})


class SwapFace:
    """Frames and their detections -> the same frames with the performer's face. Frames without one pass bit-equal.

    A frame's result depends on the frame and the detections alone, so chunks and resume leave no trace.
    models: the detector (for the photos); for inswapper and ghost then the swapper and the recogniser; for ghost then
    the converter, which the swapper loads itself: it is named so that it is part of the key
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
        from diffscaler.faceswap.identity import LICENCES, IdentitySwapper

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
        ctx.note(LICENCES[self.params.engine])
        network = leases.enter_context(ctx.acquire(self.models[1]))
        if network.single:
            ctx.note(f"Faces go through {self.params.engine} one by one: {network.single}.")
        with ctx.acquire(self.models[2]) as recognizer:
            features = [[recognizer.features(face.photo, face.landmarks) for face in photos] for photos in cast]
        return IdentitySwapper(
            network,
            {track: features[role] for track, role in plays.items()},
            tracks,
            self.params.strength,
            self.params.boost,
            self.params.colour,
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
