"""A larger clip, or one of more frames a second."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from diffscaler.requests.base import ClipKey, Delivered, Request, more


class Region(Request):
    """A part of the picture: its left upper corner and its size, in pixels of the clip as shown."""

    x: int = Field(title="Left", ge=0)
    y: int = Field(title="Top", ge=0)
    width: int = Field(title="Width", ge=16)
    height: int = Field(title="Height", ge=16)


def region_from(text: str) -> Region:
    """ "10, 20, 320, 180": left, top, width, height. Raises ValueError, pydantic's own for numbers that cannot be."""
    x, y, width, height = (int(part) for part in text.split(","))
    return Region(x=x, y=y, width=width, height=height)


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
    interpolator: str = Field(
        "flow",
        title="Frames between",
        max_length=100,
        description="flow: both neighbours, moved along the motion. tsr: the diffusion pair on top; slower, and "
        "measured no nearer to the truth.",
    )
    upscaler: str = Field(
        "builtin",
        title="Upscaler",
        max_length=100,
        description="builtin: quick. diffscaler: the diffusion pair, slower. Both trained by this project.",
    )
    steady: float = Field(
        4.0,
        title="Steady",
        ge=0,
        le=16,
        description="What neighbouring frames differ by along the motion, in levels of 255, and still draw alike; 0: "
        "frames as the upscaler drew them. (temporal smoothing)",
        json_schema_extra=more("Flicker"),
    )
    denoise_strength: float = Field(
        1.0,
        title="Denoise strength",
        ge=0,
        le=1,
        description="For models that come with a -wdn sibling: 1 takes noise away, 0 leaves it.",
    )
    tile: int = Field(
        0,
        title="Tile",
        ge=0,
        le=1024,
        multiple_of=16,
        description="Pixels of input a side worked on at once; 0: as is quickest here. Smaller takes less memory.",
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
