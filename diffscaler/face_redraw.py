"""What the diffusion engine of a face swap needs, and its part of the plan."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.faceswap.casting import Role
from diffscaler.faceswap.redraw_stage import RedrawFaces, RedrawFacesParams
from diffscaler.framing import FALLBACK, size_of
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node
from diffscaler.requests import Correction, FaceSwapRequest, Text2VideoRequest
from diffscaler.text2video.stages import EncodeText, EncodeTextParams


@dataclass(frozen=True)
class RedrawModels:
    """Who redraws faces: a text-to-video model, an IP-Adapter, and the adapter's image encoder."""

    model: ModelSpec
    adapter: ModelSpec
    encoder: ModelSpec


def able(spec: ModelSpec) -> bool:
    """Whether a model can be the diffusion engine's: it redraws clips, and an IP-Adapter can show it a face."""
    return spec.kind == "text2video" and spec.traits.redraws and spec.traits.references


def pick_redraw_models(
    catalogue: Catalogue, model: str = "", adapter: str = "", commercial_only: bool = False
) -> RedrawModels:
    """The models of these names; where a name is "", the first one installed that will do.

    Raises ModelNotFound where one is not installed, InvalidRequest for a model that cannot redraw faces and for a
    licence that is not allowed.
    """
    spec = _model(catalogue, model, commercial_only)
    reader = _adapter(catalogue, adapter, commercial_only)
    encoder = catalogue.image_encoder(reader)
    if commercial_only:
        for used in (spec, reader, encoder):
            if not used.commercial:
                raise InvalidRequest(refusal(used), "Pick another engine, or allow every licence.")
    return RedrawModels(spec, reader, encoder)


def refusal(spec: ModelSpec) -> str:
    """Why a model is left out where only commercial-safe ones are wanted, in a sentence that names its file."""
    file = spec.path.name if spec.path else spec.name
    named = spec.title if spec.title in (file, spec.name) else f"{spec.title} ({file})"
    if spec.licence in ("unknown", "yours"):
        return f"The licence of {file} is not known, so it may not be for commercial use."
    return f"{named} is not known to be for commercial use: its licence is {spec.licence}."


def _model(catalogue: Catalogue, name: str, commercial_only: bool) -> ModelSpec:
    specs = [spec for spec in catalogue.specs() if able(spec)]
    if name:
        spec = catalogue.spec(name, "text2video")
        if not able(spec):
            cannot = "cannot redraw a clip" if not spec.traits.redraws else "takes no IP-Adapter"
            raise InvalidRequest(
                f"{spec.title} {cannot}, so it cannot redraw faces.",
                f"Installed ones that can: {', '.join(each.name for each in specs) or 'none'}.",
            )
        return spec
    if not specs:
        raise ModelNotFound(
            "No text-to-video model that can redraw faces is installed.",
            "`python app.py models get hotshot-xl` installs one; it also needs an IP-Adapter.",
        )
    return next((spec for spec in specs if spec.commercial), specs[0]) if commercial_only else specs[0]


def _adapter(catalogue: Catalogue, name: str, commercial_only: bool) -> ModelSpec:
    if name:
        return catalogue.spec(name, "ip_adapter")
    specs = catalogue.specs("ip_adapter")
    if not specs:
        raise ModelNotFound(
            "Redrawing faces needs an IP-Adapter, and none is installed.",
            "Put one that is made for the model into models/ip_adapters, with its image_encoder folder beside it.",
        )
    return next((spec for spec in specs if spec.commercial), specs[0]) if commercial_only else specs[0]


def chosen(request: FaceSwapRequest, models: RedrawModels) -> FaceSwapRequest:
    """The request with every choice about redrawing made. Raises InvalidRequest for too few steps."""
    spec = models.model
    native = FALLBACK | spec.native
    steps = request.num_inference_steps or int(native["num_inference_steps"])
    if steps < spec.traits.min_steps:
        raise InvalidRequest(f"{spec.title} needs at least {spec.traits.min_steps} steps.", "Set Steps higher.")
    return request.model_copy(
        update={"redraw_model": spec.name, "ip_adapter": models.adapter.name, "num_inference_steps": steps}
    )


def redrawn(
    catalogue: Catalogue,
    request: FaceSwapRequest,
    models: RedrawModels,
    cast: tuple[Role, ...],
    frames: Node,
    found: Node,
    only: Correction | None = None,
) -> Node:
    """The latents of every performer's tracks, or of those and the frames that a correction is about alone.

    request: as `chosen` gives it; found: the detections of `frames`
    """
    spec = models.model
    model, adapter, encoder = (catalogue.ref(each) for each in (spec, models.adapter, models.encoder))
    words = node(EncodeText(EncodeTextParams(prompt=request.face_prompt), (model,)))
    window = trained_window(spec)
    params = RedrawFacesParams.model_validate(
        {
            "cast": cast,
            "side": trained_side(spec),
            "window": window,
            "overlap": window // 4,
            "num_inference_steps": request.num_inference_steps,
            "guidance_scale": float((FALLBACK | spec.native)["guidance_scale"]),
            "seed": request.seed,
            "strength": request.redraw_strength,
            "reference_scale": request.reference_scale,
            "frames": (only.start, only.stop) if only else None,
            "tracks": only.people if only else (),
        }
    )
    return node(RedrawFaces(params, (found.models[0], model, adapter, encoder)), frames, found, words)


def trained_side(spec: ModelSpec) -> int:
    """Side of the square a model was trained on, pixels, or of the one nearest to what it was trained on."""
    if (side := spec.native.get("width")) and side == spec.native.get("height"):
        return int(side)
    return min(size_of(Text2VideoRequest(prompt="a face", aspect="1:1"), spec))


def trained_window(spec: ModelSpec) -> int:
    """Frames a model was trained to see at once."""
    trained = int(spec.native.get("num_frames", 16))
    return min(trained, int(spec.native.get("max_frames", trained)))
