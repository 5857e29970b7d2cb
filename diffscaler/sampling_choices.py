"""Every choice about a drawing that a request leaves open, made; what its model cannot do, refused."""

from __future__ import annotations

import secrets

from diffscaler.errors import InvalidRequest
from diffscaler.framing import FALLBACK, frames_of, size_of
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import MAX_SEED, Text2VideoRequest


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
