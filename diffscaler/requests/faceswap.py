"""Performers in a clip: who plays whom, how, and what is asked about people, photos and finished swaps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from diffscaler.faceswap.mask_params import REGIONS, Region
from diffscaler.requests.base import MAX_PROMPT, MAX_SEED, ClipKey, Delivered, Request, more

EngineChoice = Literal["auto", "builtin", "inswapper", "ghost", "diffusion"]
FrontChoice = Literal["auto", "parsing", "occluder", "looks", "none"]


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
    regions: tuple[Region, ...] = Field(
        REGIONS,
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
