"""Which performer every track gets, and the engines that draw them: built once for a whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from diffscaler.errors import InvalidRequest
from diffscaler.faceswap.mask_params import Front, MaskName, MaskParams
from diffscaler.media import TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from diffscaler.faceswap.detect import Detector
    from diffscaler.faceswap.detections import ClipFaces
    from diffscaler.faceswap.engines import Swapper
    from diffscaler.faceswap.masks import FaceMasks, StoredMasks
    from diffscaler.faceswap.photo import PhotoFace
    from diffscaler.faceswap.track import Track

    Floats = npt.NDArray[np.float32]

EngineName = Literal["builtin", "inswapper", "ghost", "diffusion"]

#: What each engine draws with, by name in the catalogue: the network, the recogniser, and what converts its identities.
#: Those of diffusion are the request's.
NETWORKS: dict[str, tuple[str, ...]] = {
    "builtin": (),
    "inswapper": ("inswapper", "arcface"),
    "ghost": ("ghost", "arcface", "crossface-ghost"),
    "diffusion": (),
}


class Role(Params):
    """Whom one performer plays.

    photos: SHA-256 of imported photos of the performer; tracks: whose faces are replaced, ids as in `Person`; "all" and
    "largest" mean those that no other role names
    """

    photos: tuple[str, ...] = Field(min_length=1)
    tracks: Literal["all", "largest"] | tuple[int, ...] = "all"


class CastParams(MaskParams):
    """cast: the performers; a track that two of them name goes to the first.

    strength: 1 replaces the face wholly
    redrawn_by: of the diffusion engine: the model that drew its input, by name in the catalogue
    expression: of the built-in engine: how much of the target's own play shows, 0 (the photo's expression) .. 1
    boost: of inswapper and ghost: side of the crop they draw
    colour: of all but the built-in engine: how far the drawn face takes on the colours that were there, 0..1
    """

    cast: tuple[Role, ...] = Field(min_length=1)
    engine: EngineName = "builtin"
    strength: float = Field(1.0, ge=0, le=1)
    expression: float = Field(1.0, ge=0, le=1)
    boost: Literal[128, 256, 512] = 128
    colour: float = Field(0.5, ge=0, le=1)
    redrawn_by: str = ""
    later: ClassVar[frozenset[str]] = MaskParams.later | {"expression", "boost", "colour", "redrawn_by"}


class Casting:
    """The tracks of a clip that a cast replaces, and swappers for them.

    models: of the stage that runs, the detector first; leases: closed when that stage ends
    drawn: clips of the latents that `RedrawFaces` drew: what the diffusion engine puts on the tracks, one for a swap,
    one for each correction; of several that drew a face in a frame the last one holds
    stored: the masks among the stage's inputs, by name
    """

    def __init__(
        self,
        params: CastParams,
        models: tuple[ModelRef, ...],
        faces: ClipFaces,
        fps: float,
        ctx: StageContext,
        leases: ExitStack,
        drawn: Iterable[Iterable[TensorChunk]] = (),
        stored: Mapping[MaskName, StoredMasks] | None = None,
    ) -> None:
        from diffscaler.faceswap.track import assigned

        self.params, self.faces, self.fps, self.ctx, self.leases = params, faces, fps, ctx, leases
        self.detector, self.models = models[0], {ref.name: ref for ref in models}
        #: everyone in the clip, also those whom nobody plays
        self.found: list[Track] = faces.tracks(fps)
        #: track id -> index into params.cast
        self.plays = assigned(self.found, [role.tracks for role in params.cast])
        self.tracks = [track for track in self.found if track.id in self.plays]
        self._drawn = drawn
        self._latents: dict[tuple[int, int], Floats] | None = None
        self._photos: list[list[PhotoFace]] | None = None
        self._stored = stored or {}
        self._masks: FaceMasks | None = None

    @property
    def named(self) -> list[int]:
        """The track ids that the cast names."""
        return [number for role in self.params.cast if not isinstance(role.tracks, str) for number in role.tracks]

    def check(self, numbers: Iterable[int]) -> None:
        """Raise InvalidRequest where the clip has no person of such a number."""
        there = {track.id for track in self.found}
        for number in numbers:
            if number not in there:
                raise InvalidRequest(f"There is no person {number} in this clip.", "See `python app.py people CLIP`.")

    def swapper(self, engine: EngineName, in_front: tuple[Front, ...] | None = None) -> Swapper:
        """An engine that draws every track's performer. in_front: what keeps things in front; None: see MaskParams.

        Raises NoFaceFound when a photo shows no face, ModelNotFound when a model's file is missing.
        """
        if engine == "builtin":
            return self._builtin(in_front)
        if engine == "diffusion":
            return self._diffusion(in_front)
        return self._network(engine, in_front)

    def _builtin(self, in_front: tuple[Front, ...] | None) -> Swapper:
        from diffscaler.faceswap.builtin import prepare_reference
        from diffscaler.faceswap.engines import PreviewSwapper

        self.ctx.note("Face swap: built-in preview engine.")
        looks = [[prepare_reference(face.photo, face.landmarks) for face in photos] for photos in self.photos()]
        given = {track: looks[role] for track, role in self.plays.items()}
        params, tick = self.params, self.tick("Following faces")
        front: tuple[Front, ...] = ("looks",) if in_front is None else in_front
        masks = self.masks() if self._stored else None
        networks = (lambda track, index: masks.unrolled(track, index, front)) if masks else None
        return PreviewSwapper(
            given, self.faces, self.tracks, self.fps, params.strength, tick, params.expression, "looks" not in front,
            networks,
        )  # fmt: skip

    def _diffusion(self, in_front: tuple[Front, ...] | None) -> Swapper:
        from diffscaler.faceswap.crops import FFHQ
        from diffscaler.faceswap.diffusion_swapper import DiffusionSwapper, by_frame
        from diffscaler.text2video.stages import thrifty

        self.ctx.note(f"Face swap: faces redrawn by {self.params.redrawn_by}.")
        if self._latents is None:  # streams are read once, engines may be asked for twice
            self._latents = by_frame(self.tracks, (chunk.tensors for clip in self._drawn for chunk in clip))
        model = self.leases.enter_context(self.ctx.acquire(self.models[self.params.redrawn_by]))
        front: tuple[Front, ...] = ("looks",) if in_front is None else in_front
        masks = self.masks() if self._stored else None
        return DiffusionSwapper(
            lambda latents: thrifty(model, self.ctx, lambda: model.decode(latents)),
            self._latents,
            self.faces,
            self.tracks,
            self.fps,
            self.params.strength,
            self.params.colour,
            self.tick("Following faces"),
            "looks" not in front,
            (lambda side, track, index: masks.crop(FFHQ, side, track, index, front)) if masks else None,
        )

    def _network(self, engine: EngineName, in_front: tuple[Front, ...] | None) -> Swapper:
        import numpy as np

        from diffscaler.faceswap.network_swapper import LICENCES, IdentitySwapper

        self.ctx.note(LICENCES[engine])
        photos, names = self.photos(), NETWORKS[engine]
        network = self.leases.enter_context(self.ctx.acquire(self.models[names[0]]))
        if network.single:
            self.ctx.note(f"Faces go through {engine} one by one: {network.single}.")
        with self.ctx.acquire(self.models[names[1]]) as recognizer:
            features = [[recognizer.features(face.photo, face.landmarks) for face in of] for of in photos]
        if len(names) > 2:
            with self.ctx.acquire(self.models[names[2]]) as convert:
                features = [[convert(np.mean(of, axis=0, dtype=np.float32))[0]] for of in features]
        given = {track: features[role] for track, role in self.plays.items()}
        params, masks, front = self.params, self.masks(), in_front or ()
        return IdentitySwapper(
            network, given, self.tracks, params.strength, params.boost, params.colour,
            lambda *crop: masks.crop(*crop, front),
        )  # fmt: skip

    def masks(self) -> FaceMasks:
        """The masks of the cast's tracks; what the looks say is worked out when it is first asked for."""
        from diffscaler.faceswap.masks import FaceMasks, looks_of

        if self._masks is None:
            tick = self.tick("Following faces")
            self._masks = FaceMasks(
                self.params, self.tracks, self.fps, self._stored,
                lambda: looks_of(self.tracks, self.faces, self.fps, tick),
            )  # fmt: skip
        return self._masks

    def photos(self) -> list[list[PhotoFace]]:
        """The performers' faces, one list for each of the cast."""
        if self._photos is None:
            with self.ctx.acquire(self.detector) as detector:
                self._photos = [self._of_role(role, detector) for role in self.params.cast]
        return self._photos

    def _of_role(self, role: Role, detector: Detector) -> list[PhotoFace]:
        from diffscaler.faceswap.photo import main_face

        photos: list[PhotoFace] = []
        for sha in role.photos:
            name = self.ctx.media_name(sha)
            face = main_face(self.ctx.media_path(sha), detector, name)
            if face.others:
                self.ctx.note(f"The photo {name} shows {face.others + 1} faces; the largest was used.")
            photos.append(face.near())  # a whole photo may take 50 MB
        return photos

    def tick(self, what: str) -> Callable[[], None]:
        """To be called several times a second while something is worked out about the whole clip, so that Stop works.

        what: what is being done, for the progress line
        """
        done, total = self.ctx.start, len(self.faces.cut)
        return lambda: self.ctx.step(done, total, what)
