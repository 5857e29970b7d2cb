"""What all shots of a film have in common, as a person sets it on the page."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from diffscaler.framing import ASPECTS
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import EncodingName, Request, more
from diffscaler.screenplay.compile import Film, Shape
from diffscaler.screenplay.rates import RateName

FilmAspect = Literal["2.39:1", "1.85:1", "16:9", "4:3", "1:1", "9:16"]
#: What one cuts with: no GIF, no loose pictures.
ClipEncoding = Literal["auto", "h264", "h265", "h265_10bit", "prores", "prores4444", "dnxhr", "dnxhr_10bit"]


class FilmSettings(Request):
    """The look, the frame and who draws."""

    model: str = Field("mini", title="Model", max_length=100, description="Who draws. mini is built in.")
    look: str = Field(
        "", title="Look", max_length=300, description="Words at the end of every prompt: 16 mm, soft light, noir."
    )
    aspect: FilmAspect = Field("16:9", title="Aspect", description="Of the film's frame.")
    rate: RateName = Field("24", title="Frames a second", description="Shots keep their seconds when it changes.")
    height: Literal[360, 540, 720, 1080, 2160] = Field(
        360, title="Height", description="Of the film's frame, in pixels.", json_schema_extra=more("Frame")
    )
    shape: Shape = Field(
        "auto",
        title="What is drawn",
        description="The film's shape, or the model's own with bars around it. auto: the model's own for small models.",
        json_schema_extra=more("Frame"),
    )
    scale: Literal[1, 2, 4] = Field(
        1,
        title="Upscale",
        description="Of finals, before they are fitted to the frame.",
        json_schema_extra=more("Finish"),
    )
    upscaler: str = Field("builtin", title="Upscaler", max_length=100, json_schema_extra=more("Finish"))
    smooth: bool = Field(
        False, title="Smooth", description="Frames are drawn between the model's.", json_schema_extra=more("Finish")
    )
    finals: bool = Field(
        False,
        title="Then draw finals",
        description="After the drafts of all shots: each again with all steps.",
        json_schema_extra=more("Finish"),
    )
    encoding: ClipEncoding = Field(
        "auto", title="Clips as", description="auto: H.264. (codec)", json_schema_extra=more("Finish")
    )

    @property
    def width(self) -> int:
        """Pixels, even."""
        return round(self.height * ASPECTS[self.aspect] / 2) * 2

    def film(self, model: ModelSpec, *, draft: bool = False, takes: dict[str, int] | None = None) -> Film:
        """What shots are compiled with. takes: by shot id, the number its chance comes from; 1 where there is none"""
        encoding: EncodingName = self.encoding
        return Film(
            model, self.rate, self.width, self.height, draft=draft, smooth=self.smooth, shape=self.shape,
            takes=takes or {}, encoding=encoding,
        )  # fmt: skip
