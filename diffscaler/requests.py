"""What a person can ask for. The page's controls, the command line, the API and the presets all read these fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from diffscaler.video.conform import Matte, RateName

MAX_PROMPT = 2000
MAX_SEED = 2**31 - 1

ClipKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{6,40}$")]
MAX_FRAMES = 257
AspectName = Literal["native", "2.39:1", "1.85:1", "16:9", "4:3", "1:1", "9:16"]
SamplerName = Literal["native", "ddim", "euler", "euler-a", "dpm++2m", "unipc", "lcm"]
ControlKind = Literal["canny", "depth", "pose", "none"]
EngineChoice = Literal["auto", "builtin", "inswapper", "ghost", "diffusion"]
FrontChoice = Literal["auto", "parsing", "occluder", "looks", "none"]
RegionName = Literal["skin", "brows", "eyes", "nose", "mouth", "lips", "glasses"]
EncodingName = Literal[
    "auto", "h264", "h265", "h265_10bit", "av1", "prores", "prores4444", "dnxhr", "dnxhr_10bit", "webm", "gif",
    "pictures",
]  # fmt: skip


def more(group: str) -> dict[str, Any]:
    """Marks a field that waits under "More" in the page, in the group named by intent."""
    return {"group": group}


class Request(BaseModel):
    """A checked, frozen set of values. Unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Delivered(Request):
    """How the result is written."""

    encoding: EncodingName = Field(
        "auto",
        title="File",
        description="auto: H.264 for clips, PNG for pictures. (codec)",
        json_schema_extra=more("Delivery"),
    )
    quality: int | None = Field(
        None,
        title="Compression",
        ge=0,
        le=63,
        description="Lower is better and larger; empty: visually lossless. (crf)",
        json_schema_extra=more("Delivery"),
    )
    bitrate_mbps: float | None = Field(
        None,
        title="Bitrate",
        gt=0,
        le=1000,
        description="Megabits per second to aim at instead. (bitrate)",
        json_schema_extra=more("Delivery"),
    )


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


class Playing(Request):
    """A performer, and whom they play in a clip.

    people: "all", "largest" (seen longest), or the numbers of people as FindPeopleRequest numbers them
    """

    name: str = Field("", title="Performer", max_length=80)
    faces: tuple[ClipKey, ...] = Field(title="Face", min_length=1, description="Photos of the performer.")
    # The longest name and agreement of a cast member, with the date, in one statement.
    consent: str = Field("", title="Consent", max_length=700, description="Who agreed to lend the face, and when.")
    people: Literal["all", "largest"] | tuple[int, ...] = Field("all", title="People")


class Correction(Request):
    """What is done otherwise in some frames of a swap.

    start, stop: frames, stop excluded; people: whom it is about, empty for everyone
    """

    start: int = Field(title="From", ge=0)
    stop: int = Field(title="To", gt=0)
    people: tuple[int, ...] = Field((), title="People")
    how: Literal[
        "skip", "builtin", "inswapper", "ghost", "diffusion", "parsing", "occluder", "looks", "over everything"
    ] = Field(
        "skip",
        title="Instead",
        description="skip: the original face; an engine's name: that one; parsing, occluder, looks: what that one sees "
        "stays in front; over everything: nothing does.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Correction:
        if self.stop <= self.start:
            raise ValueError("a correction ends after it begins")
        return self


class FaceSwapRequest(Delivered):
    """Faces onto the people in a clip: one performer's (faces, people), or a cast."""

    clip: ClipKey = Field(title="Clip", description="From the library.")
    faces: tuple[ClipKey, ...] = Field((), title="Face", description="Photos of the performer.")
    consent: str = Field("", title="Consent", max_length=500, description="Who agreed to lend the face, and when.")
    cast: tuple[Playing, ...] = Field((), title="Cast", max_length=16, description="Who plays whom.")
    corrections: tuple[Correction, ...] = Field(
        (), title="Corrections", max_length=100, description="Frames that are done otherwise; only these run again."
    )
    engine: EngineChoice = Field(
        "auto",
        title="Engine",
        description="auto: inswapper when its file is installed, else the built-in preview; diffusion: a text-to-video "
        "model redraws the faces.",
    )
    redraw_model: str = Field(
        "",
        title="Redraw with",
        max_length=100,
        description="A text-to-video model that redraws clips and takes an IP-Adapter. Empty: the first one installed.",
    )
    ip_adapter: str = Field(
        "",
        title="IP-Adapter",
        max_length=100,
        description="Reads the performer's photos; made for the model's family. Empty: the first one installed.",
    )
    redraw_strength: float = Field(
        0.5,
        title="Redraw strength",
        ge=0,
        le=1,
        description="0 keeps the original face, 1 leaves nothing of it, nor of its play. (strength)",
    )
    reference_scale: float = Field(
        0.7,
        title="Likeness",
        ge=0,
        le=1,
        description="0 leaves the photos out, 1 follows them most. (ip_adapter_scale)",
    )
    num_inference_steps: int | None = Field(
        None,
        title="Steps",
        ge=1,
        le=200,
        description="Strength says how many of them are taken. Empty: the model's own. (num_inference_steps)",
    )
    face_prompt: str = Field(
        "a close-up photo of a face",
        title="Face in words",
        max_length=MAX_PROMPT,
        description="What the model is told of every face it draws. (prompt)",
    )
    seed: int = Field(0, title="Seed", ge=0, le=MAX_SEED, description="Another seed draws the faces otherwise.")
    people: Literal["all", "largest"] = Field("all", title="People", description="Everyone, or the one seen longest.")
    strength: float = Field(
        1.0, title="Strength", ge=0.1, le=1, description="1 replaces the face wholly.", json_schema_extra=more("Look")
    )
    expression: float = Field(
        1.0,
        title="Expression",
        ge=0,
        le=1,
        description="Of the built-in engine: 1 lets the original's play show, 0 keeps the photo's face still.",
        json_schema_extra=more("Look"),
    )
    boost: Literal[128, 256, 512] = Field(
        128,
        title="Detail",
        description="Side of the face that a network draws, in pixels; 256 takes four times as long. (pixel boost)",
        json_schema_extra=more("Look"),
    )
    colour: float = Field(
        0.5,
        title="Colour match",
        ge=0,
        le=1,
        description="How far a face drawn by a network takes on the colours that were there.",
        json_schema_extra=more("Look"),
    )
    in_front: FrontChoice = Field(
        "auto",
        title="What stays in front",
        description="Hands, hair, glasses. auto: what installed networks see, else what looks unlike the face; "
        "none: nothing does. (occlusion mask)",
        json_schema_extra=more("In front of the face"),
    )
    regions: tuple[RegionName, ...] = Field(
        ("skin", "brows", "eyes", "nose", "mouth", "lips"),
        title="Drawn over",
        min_length=1,
        description="Of the face parser: what the new face covers; all else stays. (region mask)",
        json_schema_extra=more("In front of the face"),
    )
    mask_padding: float = Field(
        0.0,
        title="Padding",
        ge=0,
        le=0.2,
        description="How far a network's face ends inside the outline, as a share of its crop. (mask padding)",
        json_schema_extra=more("In front of the face"),
    )
    mask_blur: float = Field(
        0.02,
        title="Soft edges",
        ge=0,
        le=0.1,
        description="Of a network's face, as a share of its crop. (mask blur)",
        json_schema_extra=more("In front of the face"),
    )
    mask_steady: float = Field(
        0.04,
        title="Steady masks",
        ge=0,
        le=0.3,
        description="Seconds around a frame that have a say in what networks see there; 0: none.",
        json_schema_extra=more("In front of the face"),
    )
    restore: str = Field(
        "",
        title="Sharpen faces",
        max_length=100,
        description="A restorer from the models folder, codeformer or gfpgan; empty: none.",
        json_schema_extra=more("Sharpen"),
    )
    fidelity: float = Field(
        0.7,
        title="Fidelity",
        ge=0,
        le=1,
        description="CodeFormer only: 0 the best picture, 1 the face that was there. (w)",
        json_schema_extra=more("Sharpen"),
    )
    restore_blend: float = Field(
        1.0, title="Amount", ge=0, le=1, description="1 takes the sharpened face wholly.",
        json_schema_extra=more("Sharpen"),
    )  # fmt: skip
    commercial_only: bool = Field(
        False,
        title="Commercial-safe only",
        description="Leaves out what may be used for research or privately only.",
        json_schema_extra=more("Licences"),
    )

    @model_validator(mode="after")
    def _somebody(self) -> FaceSwapRequest:
        if not self.faces and not self.cast:
            raise ValueError("a photo of the performer, or a cast, is needed")
        return self

    @property
    def playing(self) -> tuple[Playing, ...]:
        """The cast, also where only photos were given."""
        alone = Playing(faces=self.faces, consent=self.consent, people=self.people) if self.faces else None
        return (*self.cast, *([alone] if alone else []))


class FindPeopleRequest(Request):
    """The people in a clip, before anything is done to them. A swap of the same clip counts them the same, as long as
    it is as strict about licences."""

    clip: ClipKey = Field(title="Clip", description="From the library.")
    commercial_only: bool = Field(False, title="Commercial-safe only")


class ReviewSwapRequest(Request):
    """How well a finished swap came out, frame by frame."""

    clip: ClipKey = Field(title="Clip", description="A swapped clip of the library.")


class InspectPhotoRequest(Request):
    """What face a photo shows, and how well."""

    photo: ClipKey = Field(title="Photo", description="A still picture of the library.")


class Region(Request):
    """A part of the picture: its left upper corner and its size, in pixels of the clip as shown."""

    x: int = Field(title="Left", ge=0)
    y: int = Field(title="Top", ge=0)
    width: int = Field(title="Width", ge=16)
    height: int = Field(title="Height", ge=16)


class UpscaleRequest(Delivered):
    """A larger clip or picture, a clip of more frames a second, or both; with a region or a start, of a part only."""

    clip: ClipKey = Field(title="Clip", description="From the library.")
    scale: Literal[1, 2, 4, "1080p", "4K"] = Field(
        4,
        title="Upscale",
        description="Times larger, in both directions, or as large as fits into 1920 x 1080 or 3840 x 2160, upright "
        "clips into the same turned.",
    )
    fps_times: Literal[1, 2, 4] = Field(
        1,
        title="Frame rate",
        description="Frames between its own are drawn along the motion; a cut stays a cut. (frame interpolation)",
    )
    upscaler: str = Field("builtin", title="Upscaler", max_length=100, description="builtin: trained by this project.")
    tile: int = Field(
        256,
        title="Tile",
        ge=64,
        le=1024,
        multiple_of=16,
        description="Pixels of input worked on at once; smaller takes less memory.",
        json_schema_extra=more("Speed"),
    )
    region: Region | None = Field(
        None, title="Region", description="A trial: only this part of the picture. x, y, width, height in pixels."
    )
    start_s: float | None = Field(
        None, title="From", ge=0, description="A trial: only a part of the clip, from this second on."
    )
    length_s: float = Field(1.0, title="Length", gt=0, le=60, description="Seconds of the trial.")

    @model_validator(mode="after")
    def _something(self) -> UpscaleRequest:
        if self.scale == 1 and self.fps_times == 1:
            raise ValueError("neither a larger size nor a higher frame rate is asked for")
        return self


class DeliverRequest(Delivered):
    """A clip of the library written for a destination, from the frames that are there."""

    clip: ClipKey = Field(title="Clip", description="From the library.")
    matte: Matte = Field(
        "none", title="Matte", description="Black bars down to this shape; the size stays.",
        json_schema_extra=more("Picture"),
    )  # fmt: skip
    longest: int | None = Field(
        None,
        title="Longest side",
        ge=64,
        le=16384,
        description="Pixels; larger clips are made smaller. Empty: as it is.",
        json_schema_extra=more("Picture"),
    )
    frame_rate: RateName = Field(
        "as it is",
        title="Frame rate",
        description="constant: uneven times become the nearest usual rate. Frames are shown again or left out.",
        json_schema_extra=more("Picture"),
    )
    timecode: str = Field(
        "",
        title="Timecode",
        pattern=r"^(\d\d:[0-5]\d:[0-5]\d[:;]\d\d)?$",
        description="Of the first frame, 01:00:00:00; a semicolon drops frames. Empty: the source's own.",
        json_schema_extra=more("Edit suite"),
    )
    reel: str = Field(
        "",
        title="Reel",
        max_length=32,
        description="Reel name of the timecode track; MOV only. Empty: the source's own.",
        json_schema_extra=more("Edit suite"),
    )


class MeasureRequest(Request):
    """What came out of a delivery: the figures of its quality card."""

    clip: ClipKey = Field(title="Clip", description="A delivered clip of the library.")
