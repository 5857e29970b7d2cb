"""Sizes and lengths a model can draw, from what a person asks for."""

from __future__ import annotations

import math

from diffscaler.errors import InvalidRequest
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import Text2VideoRequest

#: Aspect ratios by the names they have on set.
ASPECTS = {"2.39:1": 2.39, "1.85:1": 1.85, "16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "9:16": 9 / 16}

FALLBACK_SIZE = 512
#: What a model is sampled with when nothing says it.
FALLBACK = {"num_inference_steps": 25, "guidance_scale": 7.5}


def size_of(request: Text2VideoRequest, spec: ModelSpec) -> tuple[int, int]:
    """(width, height) in pixels: as given, else of the aspect asked for at about the model's native area.

    A model with buckets draws the one whose aspect is nearest. Raises InvalidRequest for a size it cannot draw.
    """
    traits, native = spec.traits, spec.native
    if request.aspect != "native" and not (request.width or request.height):
        own = size_at(ASPECTS[request.aspect], spec)
    else:
        own = (native.get("width", FALLBACK_SIZE), native.get("height", FALLBACK_SIZE))
    size = (request.width or own[0], request.height or own[1])
    for side in size:
        if side % traits.size_step:
            below = side // traits.size_step * traits.size_step
            raise InvalidRequest(
                f"{spec.title} draws widths and heights that are multiples of {traits.size_step}; {side} is none.",
                f"Ask for {below or traits.size_step} or {below + traits.size_step}.",
            )
    if (side := native.get("max_side")) and max(size) > side:
        raise InvalidRequest(
            f"{spec.title} draws at most {side} pixels a side.", f"Ask for {side} or less, and upscale the result."
        )
    return size


def size_at(ratio: float, spec: ModelSpec, share: float = 1.0) -> tuple[int, int]:
    """(width, height) in pixels that a model draws well and whose shape is nearest to width / height = `ratio`.

    share: of the model's native number of pixels; one with buckets draws them as they are
    """
    traits, native = spec.traits, spec.native
    if traits.buckets:
        return min(traits.buckets, key=lambda size: abs(math.log(size[0] / size[1] / ratio)))
    height = math.sqrt(native.get("width", FALLBACK_SIZE) * native.get("height", FALLBACK_SIZE) * share / ratio)
    scale = min(1.0, native.get("max_side", math.inf) / max(height, height * ratio))
    return down_to(height * ratio * scale, traits.size_step), down_to(height * scale, traits.size_step)


def down_to(pixels: float, step: int) -> int:
    """The nearest multiple of `step`, at least one."""
    return max(step, round(pixels / step) * step)


def frames_of(request: Text2VideoRequest, spec: ModelSpec) -> int:
    """The number of frames: the legal one nearest to what is asked for in frames or seconds.

    Raises InvalidRequest when the model cannot draw a clip of that length.
    """
    native = spec.native
    if request.num_frames and request.seconds:
        raise InvalidRequest("A length was given in frames and in seconds.", "Give one of the two.")
    asked = request.num_frames or int(native.get("num_frames", 16))
    if request.seconds:
        asked = round(request.seconds * float(native.get("fps", 8)))
    frames = spec.traits.legal_frames(asked)
    limit = native.get("max_frames")
    if limit and frames > limit and not spec.traits.windows:
        raise InvalidRequest(
            f"{spec.title} draws at most {limit} frames at once; {frames} were asked for.",
            f"Ask for {limit} frames or fewer.",
        )
    return frames


def window_of(num_frames: int, spec: ModelSpec) -> tuple[int, int]:
    """(window, overlap) in frames for a clip; (0, 0) when the model can draw it at once."""
    limit = spec.native.get("max_frames")
    if not limit or num_frames <= limit:
        return 0, 0
    window = min(int(spec.native.get("num_frames", limit)), int(limit))
    return window, window // 4
