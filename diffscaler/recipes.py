"""From a request to a plan: which stages, in which order, with every choice made.

A seed nobody gave becomes a number here, so a plan never contains chance.
"""

from __future__ import annotations

from typing import Any

from diffscaler import plan
from diffscaler.errors import InvalidRequest
from diffscaler.film.recipes import card_frames, joined, shot_frames, soundtrack_of, spoken
from diffscaler.framing import window_of
from diffscaler.models.annotators import pick_annotator
from diffscaler.plan import Node, node
from diffscaler.predict import meta_of_plan
from diffscaler.recipe_parts import Heard, Recipe, consent_row
from diffscaler.requests import (
    AnimaticRequest,
    DeliverRequest,
    FaceSwapRequest,
    FindPeopleRequest,
    InspectPhotoRequest,
    MeasureRequest,
    Request,
    ReviewSwapRequest,
    ShotRequest,
    Text2VideoRequest,
    UpscaleRequest,
)
from diffscaler.sampling_choices import with_native
from diffscaler.stage import Stage
from diffscaler.swap_recipes import SwapRecipes
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
from diffscaler.upscale.resize import BOXES, Resize, ResizeParams, size_after
from diffscaler.upscale.steady_stage import Steady, SteadyParams
from diffscaler.video.destination import TRACKS, destination
from diffscaler.video.measure_stage import Measure, MeasureParams
from diffscaler.video.stage import Encode, EncodeParams


def request_from(row: dict[str, Any]) -> Request:
    """The request that `Recipe.request_row` wrote. Raises pydantic.ValidationError or KeyError."""
    types = {cls.__name__: cls for cls in REQUESTS}
    return types[row["type"]].model_validate({key: value for key, value in row.items() if key != "type"})


REQUESTS: tuple[type[Request], ...] = (
    Text2VideoRequest, FaceSwapRequest, UpscaleRequest, FindPeopleRequest, InspectPhotoRequest, ReviewSwapRequest,
    DeliverRequest, MeasureRequest, ShotRequest, AnimaticRequest,
)  # fmt: skip


class Recipes(SwapRecipes):
    """Makes plans from requests, with what is installed and what the library holds."""

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
        if isinstance(request, ShotRequest):
            return self.shot(request)
        if isinstance(request, AnimaticRequest):
            return self.animatic(request)
        raise TypeError(f"no recipe for {type(request).__name__}")

    def text2video(self, request: Text2VideoRequest) -> Recipe:
        """prompt -> text -> latents -> frames [-> faces] [-> upscaled] [-> more a second] -> file."""
        spec = self.catalogue.spec(request.model, "text2video")
        request = with_native(request, spec)
        model = self.catalogue.ref(spec)
        loras = read_loras(request.loras)
        models = (model, *(self.catalogue.ref(self.catalogue.spec(name, "lora")) for name, _ in loras))
        scales = tuple(scale for _, scale in loras)
        inputs: list[Node] = []
        reading = read_prompt(spec.path, request.prompt) if spec.path else None
        mirrored = reading is not None and reading.mirrored
        # A plate (text2video/plate.py) is wider than what else a clip may be drawn from, and asked for twice a step.
        given = request.picture or request.source_clip or request.control
        pans = spec.traits.pans and not given and request.reuse == "off"
        pan_px = reading.pan_px(request.height or 0, request.num_frames or 1) if reading and pans else 0
        if spec.traits.words:
            words = EncodeTextParams(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                lora_scales=scales,
                pans=pans or reading is None or not reading.pan,
            )
            inputs.append(node(EncodeText(words, models)))
        if request.picture:
            inputs.append(self._still(request.picture))
        consents = [request.consent or "not recorded"] if request.faces else []
        # A swapped face stays somebody's when the picture or clip with it is drawn from.
        used = (request.picture, request.reference, request.control)
        consents = [*(self._about(key).get("consent", "") for key in used if key), *consents]
        window, overlap = window_of(request.num_frames or 1, spec)
        fps = str(spec.native.get("fps", 8))
        fixed: dict[str, Any] = {
            "fps": fps, "window": window, "overlap": overlap, "lora_scales": scales, "mirrored": mirrored,
            "pan_px": pan_px,
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
        shown = DecodeParams(mirrored=mirrored, pan_px=pan_px, steady=spec.native.get("steady", 0.0))
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
            frames = self._upscaled(frames, request.scale, request.upscaler, request.prompt)
        if request.fps_times > 1 and params.num_frames > 1:
            frames = self._more_frames(frames, request.fps_times, request.interpolator)
        about = {"prompt": request.prompt, "seed": str(request.seed), "model": request.model}
        return self._delivered(frames, request, request.prompt, about | consent_row(consents), sound)

    def upscale(self, request: UpscaleRequest) -> Recipe:
        """frames [-> a part of them] [-> larger [-> steady] [-> fitted]] [-> more a second] -> file.

        The frame rate comes last: the network, which takes longest, sees only frames that were there, and another rate
        begins with frames that are larger already.
        """
        frames = self.frames_of(request.clip)
        whole = meta_of_plan(self.library, frames)
        heard, alpha = self._heard_of(request.clip, request.fps_times), self._alpha_of(request.clip)
        if whole.still and request.fps_times > 1:
            raise InvalidRequest("A picture has no frame rate to raise.", "Leave the frame rate as it is.")
        size = size_after(whole, request.scale)
        factor, tried = size[0] / whole.width, excerpt_of(whole, request)
        if tried:
            frames, heard = node(Excerpt(tried, ()), frames), Heard()
            alpha = tuple(node(Excerpt(tried, ()), at) for at in alpha)
            size = (round(tried.width * factor), round(tried.height * size[1] / whole.height))
        if request.scale != 1:
            times = int(request.scale) if request.scale in (2, 4) else 2 if factor <= 2 else 4
            frames = self._upscaled(
                frames, times, request.upscaler, self._prompt_of(request.clip), request.tile, request.denoise_strength
            )
            if request.steady and not whole.still:
                frames = node(Steady(SteadyParams(scale=request.steady), ()), frames)
            if request.scale in BOXES:
                frames = node(Resize(ResizeParams(width=size[0], height=size[1]), ()), frames)
        if request.fps_times > 1:
            frames = self._more_frames(frames, request.fps_times, request.interpolator)
        alpha = tuple(self._alpha_larger(at, size if request.scale != 1 else None, request.fps_times) for at in alpha)
        told = [self.library.clip(request.clip).title]
        told += [f"{request.scale}x" if request.scale in (2, 4) else str(request.scale)] if request.scale != 1 else []
        told += [f"{float(whole.fps * request.fps_times):.5g} fps"] if request.fps_times > 1 else []
        title = f"{'Trial: ' if tried else ''}{', '.join(told)}"
        return self._delivered(frames, request, title, self._about(request.clip), (*heard.sounds, *alpha), **heard.told)

    def deliver(self, request: DeliverRequest) -> Recipe:
        """A clip -> a file for a destination: from its frames where they are kept, else from the file it has."""
        clip = self.library.clip(request.clip)
        frames = self._frames_there(request.clip)
        meta = meta_of_plan(self.library, frames)
        heard, alpha = self._heard_of(request.clip), self._alpha_of(request.clip)
        info = self.library.file_info(frames.params["sha256"]) if frames.stage == plan.IMPORT else {}
        if clip.stage == Encode.name and clip.meta.fps == meta.fps:  # it counts the same frames
            info = info | {name: clip.node.params.get(name, "") for name in ("timecode", "reel")}
        return self._delivered(
            frames,
            request,
            f"{clip.title}, delivered",
            self._about(request.clip),
            (*heard.sounds, *alpha),
            **heard.told,
            # A deep file is read again at its depth; with transparency, which goes along in 8 bits, it is not.
            **destination(request, meta, info, "" if alpha else frames.params.get("sha256", "")),
        )

    def shot(self, request: ShotRequest) -> Recipe:
        """drawn frames, or a card -> a shot at the film's rate, size and length -> file, silent."""
        if request.drawn is None:
            return self._delivered(card_frames(request), request, f"{request.name}: {request.card}", {})
        drawn = self.text2video(request.drawn)
        shown = drawn.root.inputs[0]
        frames = shot_frames(shown, meta_of_plan(self.library, shown), request)
        request = request.model_copy(update={"drawn": drawn.request})
        return self._delivered(frames, request, f"{request.name}: {drawn.title}", drawn.root.params["about"])

    def animatic(self, request: AnimaticRequest) -> Recipe:
        """The frames of delivered shots, one behind the other, and lines that are spoken -> file with a timecode track,
        subtitles and sound."""
        recipe = self._film([self.frames_of(key) for key in request.clips], request)
        if self.library.complete(recipe.root.key):
            return recipe
        return self._film([self._frames_there(key) for key in request.clips], request)

    def _film(self, shots: list[Node], request: AnimaticRequest) -> Recipe:
        frames = joined(shots, request)
        suffix = Encode(EncodeParams(encoding=request.encoding), ()).suffix(meta_of_plan(self.library, frames))
        track: dict[str, Any] = {"timecode": request.timecode} if suffix in TRACKS else {}
        beside = soundtrack_of(request)
        about = {"scratch dialogue": request.speech_program} if request.speech else {}
        about |= {"sound": self.library.file_name(request.sound)} if request.sound else {}
        track |= {} if beside.empty else {"soundtrack": beside}
        return self._delivered(frames, request, request.title, about, spoken(request), **track)

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


#: Request fields that the sampler is given as they are.
SAMPLED = (
    "width", "height", "num_frames", "num_inference_steps", "guidance_scale", "seed", "scheduler", "guidance_rescale",
    "shared_noise",
    "reuse", "free_init", "free_init_filter", "smooth_background",
)  # fmt: skip
