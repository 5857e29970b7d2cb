"""What all requests share: checked values, and how a result is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_PROMPT = 2000
MAX_SEED = 2**31 - 1

ClipKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{6,40}$")]
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
