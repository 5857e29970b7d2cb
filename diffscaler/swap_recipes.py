"""From a face swap request to a plan; and from what is asked about people, photos and finished swaps."""

from __future__ import annotations

from typing import Any

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.face_redraw import chosen, pick_redraw_models, redrawn
from diffscaler.faceswap.casting import NETWORKS, CastParams, Role
from diffscaler.faceswap.correct_stage import CorrectSwap, CorrectSwapParams
from diffscaler.faceswap.identity_stage import BY_LOOKS, BY_VECTORS, IdentifyPeople, IdentifyPeopleParams
from diffscaler.faceswap.mask_params import MaskName, MaskParams
from diffscaler.faceswap.mask_plan import fronts, mask_look, mask_nodes, spans_of
from diffscaler.faceswap.people_stage import ListPeople, ListPeopleParams
from diffscaler.faceswap.photo_stage import InspectPhoto, InspectPhotoParams
from diffscaler.faceswap.restore_stage import RestoreFaces, RestoreFacesParams
from diffscaler.faceswap.review_stage import ReviewSwap, ReviewSwapParams
from diffscaler.faceswap.stage import DetectFaces, DetectFacesParams, SwapFace
from diffscaler.faceswap_engines import engine_models
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node
from diffscaler.recipe_parts import Recipe, RecipeParts, consent_row
from diffscaler.requests import (
    Correction,
    FaceSwapRequest,
    FindPeopleRequest,
    InspectPhotoRequest,
    Playing,
    ReviewSwapRequest,
)
from diffscaler.stage import ModelRef

DETECTOR, BETTER_DETECTOR = "centerface", "scrfd"

#: Engines that kept things in front by how faces look before there was a choice.
BY_LOOKS_ALONE = ("builtin", "diffusion")

#: Fields of a face swap that its engine is given as they are.
DRAWN = ("strength", "expression", "boost", "colour")


class SwapRecipes(RecipeParts):
    """Makes plans of face swaps."""

    def face_swap(self, request: FaceSwapRequest) -> Recipe:
        frames = self.frames_of(request.clip)
        self._check_licences(request)
        engine = self.engine(request.engine, request.commercial_only)
        _check_corrections(request.corrections, self.library.clip(request.clip).meta.num_frames)
        found = self._detections(frames, request.commercial_only)
        look = {name: getattr(request, name) for name in DRAWN}
        look |= {"cast": self._cast(request.playing), "engine": engine}
        drawn: tuple[Node, ...] = ()
        ways = {engine, *(correction.how for correction in request.corrections)}
        if "diffusion" in ways:
            wanted = request.redraw_model, request.ip_adapter, request.commercial_only
            models = pick_redraw_models(self.catalogue, *wanted)
            request = chosen(request, models)
            look["redrawn_by"] = models.model.name
            # All of a swap is drawn at once; each correction by itself, so that a further one draws nothing again.
            parts = [None] if engine == "diffusion" else [c for c in request.corrections if c.how == "diffusion"]
            drawn = tuple(redrawn(self.catalogue, request, models, look["cast"], frames, found, part) for part in parts)
        before = swapped = self._swapped(frames, found, request, look, drawn if engine == "diffusion" else ())
        if request.corrections:
            swapped = self._corrected(swapped, request, look, drawn)
        if request.restore:
            swapped = self._restored(swapped, request, before)
        title = f"Face swap: {self.library.clip(request.clip).title}"
        about = self._about(request.clip)
        about |= consent_row([about.get("consent", ""), *(role.consent or "not recorded" for role in request.playing)])
        # Whoever an earlier swap of the clip brought in may still be seen.
        names = [*about.get("cast", "").split(", "), *(role.name for role in request.cast)]
        if cast := ", ".join(dict.fromkeys(name for name in names if name)):
            about["cast"] = cast
        if any(not isinstance(role.people, str) for role in request.playing):
            about["people"] = "told apart " + (BY_VECTORS if self._recognizer(request.commercial_only) else BY_LOOKS)
        heard = self._heard_of(request.clip)
        beside = (*heard.sounds, *self._alpha_of(request.clip))
        return self._delivered(swapped, request, title, about, beside, **heard.told)

    def find_people(self, request: FindPeopleRequest) -> Recipe:
        """A clip -> its people; where a recogniser may be used, by their identities as well."""
        frames = self.frames_of(request.clip)
        found = [self._detections(frames, request.commercial_only)]
        if recognizer := self._recognizer(request.commercial_only):
            found.append(node(IdentifyPeople(IdentifyPeopleParams(), tuple(recognizer)), frames, found[0]))
        root = node(ListPeople(ListPeopleParams(), ()), *found)
        return Recipe(root, f"People in {self.library.clip(request.clip).title}", request)

    def inspect_photo(self, request: InspectPhotoRequest) -> Recipe:
        """A photo -> what face it shows, and how well."""
        params = InspectPhotoParams(photo=self._photo(request.photo))
        return Recipe(node(InspectPhoto(params, (self._detector(),))), "Looking at a photo", request)

    def review_swap(self, request: ReviewSwapRequest) -> Recipe:
        """A swapped clip -> how it came out. Raises InvalidRequest when the clip was made without a swap at its end."""
        clip = self.library.clip(request.clip)
        shown = self.frames_of(request.clip)
        swapped = shown.inputs[0] if shown.stage == "restore_faces" else shown
        if swapped.stage not in ("swap_face", "correct_swap"):
            raise InvalidRequest(f"{clip.title!r} is no face swap.", "Review a clip before it is upscaled.")
        told = set(ReviewSwapParams.model_fields) - set(MaskParams.model_fields)
        given = {name: value for name, value in swapped.params.items() if name in told}
        safe = bool((clip.request or {}).get("commercial_only"))
        models = [*swapped.inputs[1].models, *self._recognizer(safe)]
        review = ReviewSwap(ReviewSwapParams.model_validate(given), tuple(models))
        parsed = [each for name, each in masks_of(swapped).items() if name == "parsing"]
        return Recipe(node(review, *swapped.inputs[:2], shown, *parsed), f"Review: {clip.title}", request)

    def _detector(self, commercial_only: bool = False) -> ModelRef:
        """SCRFD where it is installed and may be used, else the built-in CenterFace."""
        specs = {spec.name: spec for spec in self.catalogue.specs("face_detector")}
        better = specs.get(BETTER_DETECTOR)
        if better is not None and (better.commercial or not commercial_only):
            return self.catalogue.ref(better)
        return self.catalogue.ref(self.catalogue.spec(DETECTOR, "face_detector"))

    def _detections(self, frames: Node, commercial_only: bool = False) -> Node:
        return node(DetectFaces(DetectFacesParams(), (self._detector(commercial_only),)), frames)

    def engine(self, wanted: str, commercial_only: bool = False) -> str:
        """The engine meant: "auto" is inswapper where it is installed and may be used, else the built-in one."""
        if wanted != "auto":
            return wanted
        there = {spec.name for spec in self.catalogue.specs()}
        return "inswapper" if not commercial_only and set(NETWORKS["inswapper"]) <= there else "builtin"

    def _check_licences(self, request: FaceSwapRequest) -> None:
        """Raise InvalidRequest where only commercial-safe models are wanted and another one is asked for."""
        names = {
            name for how in (request.engine, *(c.how for c in request.corrections)) for name in NETWORKS.get(how, ())
        }
        names |= {request.restore} if request.restore else set()
        for spec in self.catalogue.specs():
            if request.commercial_only and spec.name in names and not spec.commercial:
                raise InvalidRequest(
                    f"{spec.title} may not be used commercially.", "Pick another engine, or allow every licence."
                )

    def _restored(self, swapped: Node, request: FaceSwapRequest, uncorrected: Node) -> Node:
        """The swap with its faces sharpened: those that were replaced, and only where they were.

        Of a corrected swap only the corrected frames: the others come from the restored swap before it was corrected.
        """
        restorer = self.catalogue.ref(self._restorer(request.restore))
        front = fronts(self.catalogue, request.in_front, request.commercial_only)

        def restored(swap: Node, *before: Node) -> Node:
            masks = masks_of(swap)
            params = RestoreFacesParams.model_validate(
                {
                    "fidelity": request.fidelity,
                    "blend": request.restore_blend,
                    "wishes": [role["tracks"] for role in swap.params["cast"]],
                    "corrections": swap.params.get("corrections", ()),
                    **mask_look(request, front, masks),
                }
            )
            return node(RestoreFaces(params, (restorer,)), swap, swap.inputs[1], *before, *masks.values())

        return restored(swapped, restored(uncorrected)) if request.corrections else restored(swapped)

    def _restorer(self, name: str) -> ModelSpec:
        """Raises ModelNotFound that names those there are, or what to add."""
        specs = {spec.name: spec for spec in self.catalogue.specs("face_restorer")}
        if name not in specs:
            there = (
                f"Installed: {', '.join(specs)}."
                if specs
                else "Put codeformer.pth or GFPGANv1.4.pth into the models folder."
            )
            raise ModelNotFound(f"There is no face restorer called {name[:60]!r} here.", there)
        return specs[name]

    def _cast(self, playing: tuple[Playing, ...]) -> tuple[Role, ...]:
        return tuple(Role(photos=tuple(self._photo(key) for key in role.faces), tracks=role.people) for role in playing)

    def _swapped(
        self, frames: Node, found: Node, request: FaceSwapRequest, look: dict[str, Any], drawn: tuple[Node, ...] = ()
    ) -> Node:
        """look: fields of CastParams, but for its masks; drawn: by the diffusion engine, where it is the one"""
        front = fronts(self.catalogue, request.in_front, request.commercial_only)
        masks = mask_nodes(self.catalogue, request, frames, found, front)
        if masks or front != ("looks",) or look["engine"] not in BY_LOOKS_ALONE:  # else under the key it always had
            look = look | mask_look(request, front, masks)
        params = CastParams.model_validate(look if drawn else look | {"redrawn_by": ""})
        models = (*found.models, *self._networks(params.engine, drawn))
        return node(SwapFace(params, models), frames, found, *drawn, *masks.values())

    def _corrected(
        self, swapped: Node, request: FaceSwapRequest, look: dict[str, Any], drawn: tuple[Node, ...]
    ) -> Node:
        """The swap with some frames done otherwise; all others are taken as they are."""
        rows = [{"start": c.start, "stop": c.stop, "tracks": c.people, "how": c.how} for c in request.corrections]
        ways = list(dict.fromkeys(c.how for c in request.corrections))
        frames, found = swapped.inputs[:2]
        spans = spans_of(request, float(self.library.clip(request.clip).meta.fps))
        masks = mask_nodes(self.catalogue, request, frames, found, ways, spans) | masks_of(swapped)
        if masks or "in_front" in swapped.params or any(NETWORKS.get(how) for how in ways):
            front = fronts(self.catalogue, request.in_front, request.commercial_only)
            look = look | mask_look(request, front, masks)
        params = CorrectSwapParams.model_validate({**look, "corrections": rows})
        needed = {model.name: model for model in swapped.models}
        for how in ways:
            needed |= {model.name: model for model in self._networks(how, drawn)}
        return node(CorrectSwap(params, tuple(needed.values())), frames, found, *drawn, swapped, *masks.values())

    def _networks(self, engine: str, drawn: tuple[Node, ...] = ()) -> tuple[ModelRef, ...]:
        """The models an engine draws with. Raises ModelNotFound when they are not installed."""
        if engine == "diffusion":
            return (drawn[0].models[1],)  # the other models have done their work
        if engine not in NETWORKS:  # a way to mask faces, not to draw them
            return ()
        return tuple(self.catalogue.ref(spec) for spec in engine_models(self.catalogue, engine))

    def _recognizer(self, commercial_only: bool = False) -> list[ModelRef]:
        """ArcFace where it is installed and may be used, else nothing."""
        specs = [spec for spec in self.catalogue.specs() if spec.name == "arcface"]
        return [self.catalogue.ref(spec) for spec in specs if spec.commercial or not commercial_only]


def _check_corrections(corrections: tuple[Correction, ...], num_frames: int) -> None:
    """Raise InvalidRequest for corrections that would do nothing. num_frames: of the clip"""
    for correction in corrections:
        if correction.start >= num_frames:
            raise InvalidRequest(
                f"The clip ends before frame {correction.start}.", f"Its frames are 0 to {num_frames - 1}."
            )


def masks_of(swapped: Node) -> dict[MaskName, Node]:
    """The masks among a swap's inputs, by name; they come last."""
    given = swapped.params.get("masks", ())
    return dict(zip(given, swapped.inputs[len(swapped.inputs) - len(given) :], strict=True))
