"""A clip from words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from diffscaler.requests.base import MAX_PROMPT, MAX_SEED, ClipKey, Delivered, more

MAX_FRAMES = 257
AspectName = Literal["native", "2.39:1", "1.85:1", "16:9", "4:3", "1:1", "9:16"]
SamplerName = Literal["native", "ddim", "euler", "euler-a", "dpm++2m", "unipc", "lcm"]
ControlKind = Literal["canny", "depth", "pose", "none"]


class Text2VideoRequest(Delivered):
    """A clip from words; with a face and a scale, the whole way to a finished film clip."""

    prompt: str = Field(
        title="Prompt",
        min_length=1,
        max_length=MAX_PROMPT,
        description="A shot in plain words or in screenplay style: EXT. BEACH - SUNSET. A dog runs.",
    )
    model: str = Field("mini", title="Model", max_length=100, description="Who draws. mini is built in.")
    negative_prompt: str = Field(
        "",
        title="Keep out",
        max_length=MAX_PROMPT,
        description="What must not appear. (negative_prompt)",
        json_schema_extra=more("Look"),
    )
    num_frames: int | None = Field(
        None,
        title="Frames",
        ge=1,
        le=MAX_FRAMES,
        description="Empty: what the model was trained for. Longer clips are drawn in overlapping windows.",
        json_schema_extra=more("Length"),
    )
    seconds: float | None = Field(
        None, title="Seconds", gt=0, le=60, description="Or the length in seconds.", json_schema_extra=more("Length")
    )
    aspect: AspectName = Field(
        "native",
        title="Aspect",
        description="At about the model's own number of pixels, in a size it was trained on.",
        json_schema_extra=more("Frame"),
    )
    width: int | None = Field(
        None,
        title="Width",
        ge=64,
        le=2048,
        multiple_of=8,
        description="Pixels; empty: native.",
        json_schema_extra=more("Frame"),
    )
    height: int | None = Field(
        None,
        title="Height",
        ge=64,
        le=2048,
        multiple_of=8,
        description="Pixels; empty: native.",
        json_schema_extra=more("Frame"),
    )
    num_inference_steps: int | None = Field(
        None,
        title="Steps",
        ge=1,
        le=200,
        description="More steps draw more carefully. Empty: the model's own. (num_inference_steps)",
        json_schema_extra=more("Speed"),
    )
    guidance_scale: float | None = Field(
        None,
        title="Hold to the prompt",
        ge=1,
        le=30,
        description="1 lets the model wander. Empty: the model's own. (guidance_scale)",
        json_schema_extra=more("Look"),
    )
    seed: int | None = Field(
        None,
        title="Seed",
        ge=0,
        le=MAX_SEED,
        description="The same seed gives the same clip; empty picks one.",
        json_schema_extra=more("Repeatability"),
    )
    picture: ClipKey | None = Field(
        None, title="Start picture", description="A still from the library; models that start from a picture move it."
    )
    scheduler: SamplerName = Field(
        "native",
        title="Sampler",
        description="How the model walks from noise to picture. (scheduler)",
        json_schema_extra=more("Speed"),
    )
    source_clip: ClipKey | None = Field(
        None, title="Clip to redraw", description="From the library; drawn anew by the prompt."
    )
    strength: float = Field(
        0.6,
        title="Strength",
        ge=0,
        le=1,
        description="0 keeps the clip, 1 leaves nothing of it; in between the prompt changes it. (strength)",
    )
    reference: ClipKey | None = Field(
        None, title="Reference picture", description="A still from the library; an IP-Adapter reads it."
    )
    ip_adapter: str = Field(
        "",
        title="IP-Adapter",
        max_length=100,
        description="From the models folder's ip_adapters; made for the model's family.",
    )
    reference_scale: float = Field(
        0.6,
        title="Likeness",
        ge=0,
        le=1,
        description="0 leaves the picture out, 1 follows it most. (ip_adapter_scale)",
    )
    control: ClipKey | None = Field(
        None, title="Clip to follow", description="From the library; a ControlNet reads it."
    )
    controlnet: str = Field(
        "",
        title="ControlNet",
        max_length=100,
        description="From the models folder's controlnets; made for the model's family.",
        json_schema_extra=more("Follow a clip"),
    )
    control_kind: ControlKind = Field(
        "canny",
        title="Made into",
        description="What the ControlNet was taught to read; none: the clip shows it already.",
        json_schema_extra=more("Follow a clip"),
    )
    annotator: str = Field(
        "",
        title="Depth or poses by",
        max_length=100,
        description="The model that reads depth or poses in the clip. Empty: the first one installed.",
        json_schema_extra=more("Follow a clip"),
    )
    control_scale: float = Field(
        0.7,
        title="How closely",
        ge=0.05,
        le=2,
        description="1 follows strictly. (controlnet_conditioning_scale)",
        json_schema_extra=more("Follow a clip"),
    )
    control_start: float = Field(
        0.0, title="From", ge=0, le=1, description="Part of the steps.", json_schema_extra=more("Follow a clip")
    )
    control_end: float = Field(
        1.0, title="To", ge=0, le=1, description="Part of the steps.", json_schema_extra=more("Follow a clip")
    )
    loras: str = Field(
        "",
        title="LoRAs",
        max_length=500,
        description="Names from the models folder's loras, with a strength: noir:0.7, anna.",
        json_schema_extra=more("Look"),
    )
    reuse: Literal["off", "some", "much"] = Field(
        "off",
        title="Reuse steps",
        description="Faster, less exact: for a look, not for finals. (step caching)",
        json_schema_extra=more("Speed"),
    )
    guidance_rescale: float = Field(
        0.0,
        title="Tame contrast",
        ge=0,
        le=1,
        description="Takes back the contrast that a strong hold to the prompt brings. (guidance_rescale)",
        json_schema_extra=more("Look"),
    )
    free_init: int = Field(
        0,
        title="Refining passes",
        ge=0,
        le=5,
        description="Each draws the clip again from its own coarse shape: steadier, and as long again. (FreeInit)",
        json_schema_extra=more("Motion"),
    )
    free_init_filter: Literal["butterworth", "gaussian"] = Field(
        "butterworth",
        title="Refining keeps",
        description="How coarse is cut from fine: sharply, or softly. (low-pass filter)",
        json_schema_extra=more("Motion"),
    )
    smooth_background: float = Field(
        0.0,
        title="Steady background",
        ge=0,
        le=1,
        description="How much of it all frames take from the first; 0.6 is usual, and takes twice as long. "
        "(background smoothing)",
        json_schema_extra=more("Motion"),
    )
    foreground: str = Field(
        "",
        title="In front of it",
        max_length=100,
        description="A segmentation model that tells what is; empty: what stands out from the borders.",
        json_schema_extra=more("Motion"),
    )
    shared_noise: float | None = Field(
        None,
        title="Shared noise",
        ge=0,
        le=1,
        description="More keeps frames alike, less lets them move. Empty: the model's own. (lambda)",
        json_schema_extra=more("Motion"),
    )
    faces: tuple[ClipKey, ...] = Field((), title="Face", description="Photos of the performer, from the library.")
    consent: str = Field("", title="Consent", max_length=500, description="Who agreed to lend the face, and when.")
    scale: Literal[1, 2, 4] = Field(1, title="Upscale", description="Times larger, in both directions.")
    upscaler: str = Field("builtin", title="Upscaler", max_length=100, json_schema_extra=more("Delivery"))
    fps_times: Literal[1, 2, 4] = Field(
        1,
        title="Frame rate",
        description="Frames between those that were drawn.",
        json_schema_extra=more("Delivery"),
    )
    interpolator: str = Field(
        "flow",
        title="Frames between",
        max_length=100,
        description="flow: moved along the motion. tsr: the diffusion pair on top, slower, measured no nearer.",
        json_schema_extra=more("Delivery"),
    )
