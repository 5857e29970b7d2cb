"""A clip written for a destination, and what came out."""

from __future__ import annotations

from pydantic import Field

from diffscaler.requests.base import ClipKey, Delivered, Request, more
from diffscaler.video.conform import Matte, RateName


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
