"""From a request to a plan: which stages, in which order, with every choice made.

A seed nobody gave becomes a number here, so a plan never contains chance.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from diffscaler import plan, predict
from diffscaler.errors import InvalidRequest
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
from diffscaler.framing import FALLBACK, frames_of, size_of, window_of
from diffscaler.library.clips import ClipLibrary
from diffscaler.models.annotators import pick_annotator
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node
from diffscaler.predict import meta_of_plan
from diffscaler.requests import (
    MAX_SEED,
    Correction,
    Delivered,
    DeliverRequest,
    FaceSwapRequest,
    FindPeopleRequest,
    InspectPhotoRequest,
    MeasureRequest,
    Playing,
    Request,
    ReviewSwapRequest,
    Text2VideoRequest,
    UpscaleRequest,
)
from diffscaler.stage import ModelRef, Stage
from diffscaler.text2video.control_stage import ControlDepth, ControlFrames, ControlFramesParams, ControlPose
from diffscaler.text2video.lora import read_loras
from diffscaler.text2video.reference_stage import EncodeReference, EncodeReferenceParams
from diffscaler.text2video.sound_stage import DecodeSound, DecodeSoundParams
from diffscaler.text2video.source_stage import EncodeSource, EncodeSourceParams, SourceFrames, SourceParams
from diffscaler.text2video.stages import (
    Decode,
    DecodeParams,
    Denoise,
    DenoiseParams,
    EncodeText,
    EncodeTextParams,
    Shaped,
)
from diffscaler.text2video.vocabulary import read_prompt
from diffscaler.upscale.excerpt import Excerpt, excerpt_of
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from diffscaler.upscale.resize import BOXES, Resize, ResizeParams, size_after
from diffscaler.upscale.stage import Upscale, UpscaleParams
from diffscaler.video.destination import check_encoder, destination
from diffscaler.video.measure_stage import Measure, MeasureParams
from diffscaler.video.stage import Encode, EncodeParams

# How often a clip is encoded at most until its bitrate is met; two are usual.
BITRATE_PASSES = 4

DETECTOR, BETTER_DETECTOR = "centerface", "scrfd"


@dataclass(frozen=True)
class Recipe:
    """A plan with what the page says about it. `request` is complete: asking again with it gives the same clip."""

    root: Node
    title: str
    request: Request

    def request_row(self) -> dict[str, Any]:
        """The request as JSON data that `request_from` reads back."""
        return {"type": type(self.request).__name__, **self.request.model_dump(mode="json")}


def request_from(row: dict[str, Any]) -> Request:
    """The request that `Recipe.request_row` wrote. Raises pydantic.ValidationError or KeyError."""
    types = {cls.__name__: cls for cls in REQUESTS}
    return types[row["type"]].model_validate({key: value for key, value in row.items() if key != "type"})


REQUESTS: tuple[type[Request], ...] = (
    Text2VideoRequest, FaceSwapRequest, UpscaleRequest, FindPeopleRequest, InspectPhotoRequest, ReviewSwapRequest,
    DeliverRequest, MeasureRequest,
)  # fmt: skip


class Recipes:
    """Makes plans from requests, with what is installed and what the library holds."""

    def __init__(self, library: ClipLibrary, catalogue: Catalogue) -> None:
        self.library = library
        self.catalogue = catalogue

    def of(self, request: Request) -> Recipe:
        """The recipe of any request. Raises DiffScalerError when it cannot be had."""
        if isinstance(request, Text2VideoRequest):
            return self.text2video(request)
        if isinstance(request, FaceSwapRequest):
            return self.face_swap(request)
        if isinstance(request, UpscaleRequest):
            return self.upscale(request)
        if isinstance(request, FindPeopleRequest):
            return self.find_people(request)
        if isinstance(request, InspectPhotoRequest):
            return self.inspect_photo(request)
        if isinstance(request, ReviewSwapRequest):
            return self.review_swap(request)
        if isinstance(request, DeliverRequest):
            return self.deliver(request)
        if isinstance(request, MeasureRequest):
            return self.measure(request)
        raise TypeError(f"no recipe for {type(request).__name__}")

    def text2video(self, request: Text2VideoRequest) -> Recipe:
        """prompt -> text -> latents -> frames [-> faces] [-> upscaled] -> file."""
        spec = self.catalogue.spec(request.model, "text2video")
        request = with_native(request, spec)
        model = self.catalogue.ref(spec)
        loras = read_loras(request.loras)
        models = (model, *(self.catalogue.ref(self.catalogue.spec(name, "lora")) for name, _ in loras))
        scales = tuple(scale for _, scale in loras)
        inputs: list[Node] = []
        if spec.traits.words:
            words = EncodeTextParams(prompt=request.prompt, negative_prompt=request.negative_prompt, lora_scales=scales)
            inputs.append(node(EncodeText(words, models)))
        if request.picture:
            inputs.append(self._still(request.picture))
        consents = [request.consent or "not recorded"] if request.faces else []
        # A swapped face stays somebody's when the picture or clip with it is drawn from.
        used = (request.picture, request.reference, request.control)
        consents = [*(self._about(key).get("consent", "") for key in used if key), *consents]
        window, overlap = window_of(request.num_frames or 1, spec)
        fps = str(spec.native.get("fps", 8))
        reading = read_prompt(spec.path, request.prompt) if spec.path else None
        mirrored = reading is not None and reading.mirrored
        fixed: dict[str, Any] = {
            "fps": fps, "window": window, "overlap": overlap, "lora_scales": scales, "mirrored": mirrored
        }  # fmt: skip
        shape = {"width": request.width, "height": request.height, "num_frames": request.num_frames, "fps": fps}
        if request.source_clip:
            source = SourceParams.model_validate(shape | {"mirrored": mirrored})
            drawn = node(SourceFrames(source, ()), self.frames_of(request.source_clip))
            inputs.append(node(EncodeSource(EncodeSourceParams(), (model,)), drawn))
            fixed["strength"] = request.strength
            consents.insert(0, self._about(request.source_clip).get("consent", ""))
        if request.reference:
            adapter = self.catalogue.spec(request.ip_adapter, "ip_adapter")
            encoder = self.catalogue.ref(self.catalogue.image_encoder(adapter))
            inputs.append(node(EncodeReference(EncodeReferenceParams(), (encoder,)), self._still(request.reference)))
            models = (*models, self.catalogue.ref(adapter))
            fixed["reference_scale"] = request.reference_scale
        if request.control:
            net = self.catalogue.ref(self.catalogue.spec(request.controlnet, "controlnet"))
            inputs.append(node(self._follows(request, shape), self.frames_of(request.control)))
            models = (*models, net)
            fixed |= {name: getattr(request, name) for name in ("control_scale", "control_start", "control_end")}
        if request.smooth_background and request.foreground:
            models = (*models, self.catalogue.ref(self.catalogue.spec(request.foreground, "segmenter")))
        params = DenoiseParams.model_validate(fixed | {name: getattr(request, name) for name in SAMPLED})
        latents = node(Denoise(params, models), *inputs)
        shown = DecodeParams(mirrored=mirrored, steady=spec.native.get("steady", 0.0))
        frames = node(Decode(shown, (model,)), latents)
        sound = self._sound_of(request.source_clip) if request.source_clip else ()
        if spec.traits.sounds and params.num_frames > 1:
            sound = (node(DecodeSound(DecodeSoundParams(), (model,)), latents),)
        if request.faces:
            found = self._detections(frames)
            usual = FaceSwapRequest.model_construct(faces=request.faces)  # all but the face as a swap has it by itself
            look = {"cast": self._cast(usual.playing), "engine": self.engine("auto")}
            frames = self._swapped(frames, found, usual, look)
        if request.scale > 1:
            frames = self._upscaled(frames, request.scale, request.upscaler, 256)
        about = {"prompt": request.prompt, "seed": str(request.seed), "model": request.model}
        return self._delivered(frames, request, request.prompt, about | consent_row(consents), sound)

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
            drawn = (redrawn(self.catalogue, request, models, look["cast"], frames, found),)
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
        return self._delivered(swapped, request, title, about, self._sound_of(request.clip))

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
        return Recipe(node(review, *swapped.inputs[:2], shown), f"Review: {clip.title}", request)

    def upscale(self, request: UpscaleRequest) -> Recipe:
        """frames [-> a part of them] [-> larger [-> fitted]] [-> more a second] -> file.

        The frame rate comes last: the network, which takes longest, sees only frames that were there, and another rate
        begins with frames that are larger already.
        """
        frames = self.frames_of(request.clip)
        whole = meta_of_plan(self.library, frames)
        sound = self._sound_of(request.clip)
        if whole.still and request.fps_times > 1:
            raise InvalidRequest("A picture has no frame rate to raise.", "Leave the frame rate as it is.")
        size = size_after(whole, request.scale)
        factor, tried = size[0] / whole.width, excerpt_of(whole, request)
        if tried:
            frames, sound = node(Excerpt(tried, ()), frames), ()
            size = (round(tried.width * factor), round(tried.height * size[1] / whole.height))
        if request.scale != 1:
            times = int(request.scale) if request.scale in (2, 4) else 2 if factor <= 2 else 4
            frames = self._upscaled(frames, times, request.upscaler, request.tile)
            if request.scale in BOXES:
                frames = node(Resize(ResizeParams(width=size[0], height=size[1]), ()), frames)
        if request.fps_times > 1:
            frames = node(Interpolate(InterpolateParams(times=request.fps_times), ()), frames)
        told = [self.library.clip(request.clip).title]
        told += [f"{request.scale}x" if request.scale in (2, 4) else str(request.scale)] if request.scale != 1 else []
        told += [f"{float(whole.fps * request.fps_times):.5g} fps"] if request.fps_times > 1 else []
        title = f"{'Trial: ' if tried else ''}{', '.join(told)}"
        return self._delivered(frames, request, title, self._about(request.clip), sound)

    def deliver(self, request: DeliverRequest) -> Recipe:
        """A clip -> a file for a destination: from its frames where they are kept, else from the file it has."""
        clip = self.library.clip(request.clip)
        frames = self.frames_of(request.clip)
        if frames.stage != plan.IMPORT and not self.library.complete(frames.key):
            frames = clip.node  # drawing it again would take longer, and was not asked for
        meta = predict.meta_of_plan(self.library, frames)
        info = self.library.file_info(frames.params["sha256"]) if frames.stage == plan.IMPORT else {}
        return self._delivered(
            frames,
            request,
            f"{clip.title}, delivered",
            self._about(request.clip),
            self._sound_of(request.clip),
            **destination(request, meta, info, frames.params.get("sha256", "")),
        )

    def measure(self, request: MeasureRequest) -> Recipe:
        """A delivered file and the frames it was written from -> its quality card."""
        clip = self.library.clip(request.clip)
        if clip.stage != "encode":
            raise InvalidRequest(f"{clip.title!r} was not delivered by the studio.", "Deliver it first.")
        if clip.node.params.get("encoding") == "pictures":
            raise InvalidRequest("Pictures in a ZIP are not measured.", "They are the frames as they are.")
        return Recipe(node(Measure(MeasureParams(), ()), clip.node), f"Measuring {clip.title}", request)

    def _follows(self, request: Text2VideoRequest, shape: dict[str, Any]) -> Stage:
        """The stage that makes of a clip to follow what the ControlNet reads. shape: fields of Shaped"""
        kind, name = request.control_kind, request.annotator
        if kind == "depth":
            depth = self.catalogue.ref(pick_annotator(self.catalogue, "depth_estimator", name))
            return ControlDepth(Shaped.model_validate(shape), (depth,))
        if kind == "pose":
            # Without one that finds people, each frame is read as one person.
            specs = [pick_annotator(self.catalogue, "pose_estimator", name), *self.catalogue.specs("person_detector")]
            return ControlPose(Shaped.model_validate(shape), tuple(self.catalogue.ref(spec) for spec in specs[:2]))
        return ControlFrames(ControlFramesParams.model_validate({"kind": kind, **shape}), ())

    def _about(self, key: str) -> dict[str, str]:
        """What a delivered clip's own manifest says of prompt, seed and consent: it holds for what is made from it."""
        node = self.library.clip(key).node
        return dict(node.params["about"]) if node.stage == "encode" else {}

    def _sound_of(self, key: str) -> tuple[Node, ...]:
        """The sound that was made for a delivered clip; nothing where its sound is an imported file's."""
        node = self.library.clip(key).node
        return node.inputs[1:] if node.stage == "encode" else ()

    def frames_of(self, key: str) -> Node:
        """The best frames behind a clip: a delivered file stands for the lossless frames it was written from."""
        clip = self.library.clip(key)
        at = clip.node
        if at.stage == "encode":
            at = at.inputs[0]
        if clip.meta.kind == "tensors":
            raise InvalidRequest("That library entry holds data, not pictures.", "Pick a clip.")
        return at

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
        restorer = self.catalogue.ref(self.catalogue.spec(request.restore, "face_restorer"))
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
        return tuple(self.catalogue.ref(self.catalogue.spec(name)) for name in NETWORKS.get(engine, ()))

    def _recognizer(self, commercial_only: bool = False) -> list[ModelRef]:
        """ArcFace where it is installed and may be used, else nothing."""
        specs = [spec for spec in self.catalogue.specs() if spec.name == "arcface"]
        return [self.catalogue.ref(spec) for spec in specs if spec.commercial or not commercial_only]

    def _photo(self, key: str) -> str:
        clip = self.library.clip(key)
        if clip.stage != plan.IMPORT or not clip.meta.still:
            raise InvalidRequest(f"{clip.title!r} is not a photo.", "Use a JPEG, PNG or WebP picture of the face.")
        return str(clip.node.params["sha256"])

    def _still(self, key: str) -> Node:
        if not self.library.clip(key).meta.still:
            raise InvalidRequest(
                f"{self.library.clip(key).title!r} is not a still picture.", "Use a JPEG, PNG or WebP picture."
            )
        return self.frames_of(key)

    def _upscaled(self, frames: Node, scale: int, upscaler: str, tile: int) -> Node:
        name = f"builtin-x{scale}" if upscaler == "builtin" else upscaler
        spec = self.catalogue.spec(name, "upscaler")
        return node(Upscale(UpscaleParams(scale=scale, tile=tile), (self.catalogue.ref(spec),)), frames)

    def _delivered(
        self,
        frames: Node,
        request: Delivered,
        title: str,
        about: dict[str, str],
        sound: tuple[Node, ...] = (),
        **for_destination: Any,
    ) -> Recipe:
        check_encoder(request.encoding)
        params = EncodeParams(
            encoding=request.encoding,
            quality=request.quality,
            bitrate_mbps=request.bitrate_mbps,
            about=about,
            passes=1 if request.bitrate_mbps is None else BITRATE_PASSES,
            **for_destination,
        )
        return Recipe(node(Encode(params, ()), frames, *sound), title, request)


def with_native(request: Text2VideoRequest, spec: ModelSpec) -> Text2VideoRequest:
    """The request with every open choice made: a size and length the model can draw, its own steps, and a seed.

    Raises InvalidRequest for what this model cannot do.
    """
    traits = spec.traits
    if traits.image == "needed" and not request.picture:
        raise InvalidRequest(f"{spec.title} starts from a picture, and none was given.", "Pick a start picture.")
    if traits.image == "none" and request.picture:
        raise InvalidRequest(f"{spec.title} cannot start from a picture.", "Leave the start picture out.")
    if request.scheduler not in ("native", *traits.samplers):
        menu = ", ".join(("native", *traits.samplers))
        raise InvalidRequest(f"{spec.title} cannot be sampled with {request.scheduler!r}.", f"Choose {menu}.")
    if request.source_clip and not traits.redraws:
        raise InvalidRequest(f"{spec.title} cannot redraw a clip.", "Leave it out, or pick another model.")
    if request.reference and not traits.references:
        raise InvalidRequest(f"{spec.title} takes no reference picture.", "Leave it out, or pick another model.")
    if request.reference and not request.ip_adapter:
        raise InvalidRequest("A reference picture needs an IP-Adapter to read it.", "Name one from models/ip_adapters.")
    if request.control and not traits.control:
        raise InvalidRequest(f"{spec.title} cannot follow a clip.", "Leave the clip to follow out.")
    if request.control and not request.controlnet:
        raise InvalidRequest("A clip to follow needs a ControlNet to read it.", "Name one from models/controlnets.")
    if request.loras and not traits.loras:
        raise InvalidRequest(f"{spec.title} takes no LoRAs.", "Leave the LoRAs out.")
    if request.reuse != "off" and not traits.reuse:
        raise InvalidRequest(f"{spec.title} cannot use results of its steps twice.", "Set Reuse steps to off.")
    if request.guidance_rescale and not traits.rescales:
        raise InvalidRequest(f"{spec.title} cannot rescale its guidance.", "Set Tame contrast to 0.")
    if traits.guided and request.guidance_scale not in (None, 1):
        raise InvalidRequest(f"{spec.title} holds to the prompt by itself.", "Leave Hold to the prompt empty.")
    if traits.guided and request.negative_prompt:
        raise InvalidRequest(f"{spec.title} cannot be told what to keep out.", "Leave Keep out empty.")
    if request.shared_noise is not None and not traits.shares_noise:
        raise InvalidRequest(f"{spec.title} draws its noise itself.", "Leave Shared noise open.")
    if request.free_init and not traits.refines:
        raise InvalidRequest(f"{spec.title} cannot be refined by FreeInit.", "Set Refining passes to 0.")
    if request.smooth_background and not traits.smooths:
        raise InvalidRequest(f"{spec.title} cannot take a background along.", "Set Steady background to 0.")
    if request.free_init and request.source_clip:
        raise InvalidRequest(
            "FreeInit begins from noise, and a clip to redraw does not.",
            "Set Refining passes to 0, or leave the clip out.",
        )
    width, height = size_of(request, spec)
    values = {"width": width, "height": height, "num_frames": frames_of(request, spec), "seconds": None}
    for name, value in FALLBACK.items():
        if getattr(request, name) is None:
            values[name] = spec.native.get(name, value)
    steps = values.get("num_inference_steps", request.num_inference_steps)
    if steps < traits.min_steps:
        raise InvalidRequest(f"{spec.title} needs at least {traits.min_steps} steps.", "Set Steps higher.")
    if request.free_init and values["num_frames"] == 1:
        raise InvalidRequest("FreeInit makes frames agree, and a picture has one.", "Set Refining passes to 0.")
    if request.seed is None:
        values["seed"] = secrets.randbelow(MAX_SEED + 1)
    return request.model_copy(update=values)


def takes(request: Text2VideoRequest, count: int) -> list[Text2VideoRequest]:
    """The same shot `count` times, with seeds that follow each other; a seed nobody gave is picked here."""
    seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    return [request.model_copy(update={"seed": (seed + i) % (MAX_SEED + 1)}) for i in range(count)]


#: Request fields that the sampler is given as they are.
SAMPLED = (
    "width", "height", "num_frames", "num_inference_steps", "guidance_scale", "seed", "scheduler", "guidance_rescale",
    "shared_noise",
    "reuse", "free_init", "free_init_filter", "smooth_background",
)  # fmt: skip


#: Engines that kept things in front by how faces look before there was a choice.
BY_LOOKS_ALONE = ("builtin", "diffusion")

#: Fields of a face swap that its engine is given as they are.
DRAWN = ("strength", "expression", "boost", "colour")


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


def consent_row(consents: list[str]) -> dict[str, str]:
    """What a delivered file says about the agreements behind the faces in it; nothing where all are ""."""
    said = "; ".join(dict.fromkeys(text for text in consents if text))
    return {"consent": said} if said else {}
