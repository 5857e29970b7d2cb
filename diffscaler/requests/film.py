"""A shot of a film, and the film that its shots make."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from diffscaler.film.cutting import ShotInFilm
from diffscaler.requests.base import ClipKey, Delivered, Request
from diffscaler.requests.text2video import Text2VideoRequest
from diffscaler.screenplay.rates import RateName
from diffscaler.video.soundtrack import Caption

LANGUAGE = r"^[a-z]{2,3}(-[a-z0-9]+)*$"
TIMECODE = r"^\d\d:[0-5]\d:[0-5]\d[:;]\d\d$"


class ShotRequest(Delivered):
    """A clip from words, or a card, at a film's size and rate and exactly as long as its shot list says."""

    name: str = Field(title="Shot", min_length=1, max_length=100, description="As on its slate: SC1_SH010.")
    drawn: Text2VideoRequest | None = Field(None, title="Picture", description="What is drawn. None: a card.")
    card: str = Field("", title="Card", max_length=2000, description="The words on it.")
    rows: tuple[tuple[str, str], ...] = Field((), title="Slate", description="What else is on it: name and value.")
    frames: int = Field(title="Length", ge=1, le=1_000_000, description="In frames of the film.")
    head: int | None = Field(
        None, title="Head", ge=0, description="How many of its frames lie before the shot's first, to dissolve with."
    )
    rate: RateName = Field("24", title="Frame rate", description="Of the film.")
    width: int = Field(640, title="Width", ge=64, le=8192, multiple_of=2, description="Pixels of the film.")
    height: int = Field(360, title="Height", ge=64, le=8192, multiple_of=2, description="Pixels of the film.")
    smooth: bool = Field(False, title="Smooth", description="Frames are drawn between those the model draws.")


class SpokenLine(Request):
    """A line of scratch dialogue: at this frame of the film, in this voice, with this many frames of room."""

    text: str = Field(max_length=5000)
    voice: str = Field("", pattern=r"^[a-z0-9]*$", description="A variant of espeak-ng's voice; empty: its own.")
    pitch: int = Field(50, ge=0, le=99)
    at: int = Field(ge=0)
    room: int = Field(ge=1)


class AnimaticRequest(Delivered):
    """Shots one behind the other, as one file."""

    title: str = Field("Animatic", title="Title", max_length=200, description="Of the film.")
    clips: tuple[ClipKey, ...] = Field((), title="Shots", min_length=1, description="From the library, in order.")
    labels: tuple[str, ...] = Field((), title="Burn-in", description="One a shot, with timecode; none: clean.")
    rate: RateName = Field("24", title="Frame rate", description="Of the film.")
    timecode: str = Field("01:00:00:00", title="Timecode", pattern=TIMECODE, description="Of the first frame.")
    cut: tuple[ShotInFilm, ...] = Field((), title="Cut", description="Which frames are shown; none: all of them.")
    captions: tuple[Caption, ...] = Field((), title="Subtitles", description="What is said, by frames of the film.")
    show_captions: bool = Field(False, title="Subtitles in the picture", description="Else they are a text track.")
    speech: tuple[SpokenLine, ...] = Field((), title="Scratch dialogue", description="Spoken by a program.")
    speech_program: str = Field("", title="Speech program", max_length=200, description="Its name and version.")
    language: str = Field(
        "en", title="Language", pattern=LANGUAGE, description="Of what is said, as espeak-ng knows it."
    )
    sound: str = Field("", title="Own sound", pattern=r"^([0-9a-f]{64})?$", description="A file the library keeps.")
    sound_at: int = Field(0, title="Begins", ge=-10_000_000, le=10_000_000, description="At this frame of the film.")
    sound_track: Literal["mixed", "own"] = Field(
        "mixed", title="Sound track", description="Mixed with the scratch dialogue, or a track of its own."
    )
