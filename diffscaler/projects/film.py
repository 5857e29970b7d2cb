"""What all shots of a film have in common, as a person sets it on the page."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from diffscaler.film.cards import Cards
from diffscaler.film.sound_choice import SpeechChoice
from diffscaler.framing import ASPECTS
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import EncodingName, Request, more
from diffscaler.requests.film import LANGUAGE
from diffscaler.screenplay.compile import Film, Shape
from diffscaler.screenplay.rates import RateName
from diffscaler.screenplay.transitions import DISSOLVE_S

TIME = r"-?\d{1,6}(\.\d{1,3})?|\d\d:[0-5]\d:[0-5]\d[:;]\d\d"

FilmAspect = Literal["2.39:1", "1.85:1", "16:9", "4:3", "1:1", "9:16"]
#: What one cuts with: no GIF, no loose pictures.
ClipEncoding = Literal["auto", "h264", "h265", "h265_10bit", "prores", "prores4444", "dnxhr", "dnxhr_10bit"]


class AnimaticSettings(Request):
    """What an animatic shows and what is heard in it; nothing of it is drawn anew when this changes."""

    cards: Cards = Field("scenes", title="Cards", description="Before every scene, or a slate before every shot too.")
    burn_in: bool = Field(True, title="Shot, take and timecode in the picture")
    burn_subtitles: bool = Field(False, title="Subtitles in the picture", description="Else they are a text track.")
    speech: SpeechChoice = Field("auto", title="Scratch dialogue", description="Spoken where espeak-ng is installed.")
    language: str = Field("en", title="Language", max_length=35, description="Of the dialogue: en, de, pt-br.")
    sound: str = Field("", title="Own sound", pattern=r"^([0-9a-f]{64})?$", description="A file the library keeps.")
    sound_name: str = Field("", title="Its name", max_length=200)
    sound_at: str = Field(
        "0", title="It begins at", max_length=20,
        description="Seconds, -2.5 before the film does, or a timecode: 01:00:10:00.",
    )  # fmt: skip
    sound_track: Literal["mixed", "own"] = Field(
        "mixed", title="Its track", description="Mixed with the dialogue, or one of its own."
    )

    @field_validator("language")
    @classmethod
    def _is_language(cls, text: str) -> str:
        if not re.match(LANGUAGE, text):
            raise ValueError(f"{text!r} is no language's short name: en, de, pt-br.")
        return text

    @field_validator("sound_at")
    @classmethod
    def _is_time(cls, text: str) -> str:
        if not re.fullmatch(TIME, text):
            raise ValueError(f"{text!r} is no time: seconds, -2.5, or a timecode, 01:00:10:00.")
        return text


class FilmSettings(AnimaticSettings):
    """The look, the frame, who draws, and how the film is shown."""

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
    dissolve_s: float = Field(
        DISSOLVE_S,
        title="Dissolves",
        ge=0,
        le=10,
        description="Seconds of the script's dissolves and fades. 0: cuts alone.",
        json_schema_extra=more("Finish"),
    )
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
            takes=takes or {}, encoding=encoding, dissolve_s=self.dissolve_s,
        )  # fmt: skip
