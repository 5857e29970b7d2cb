"""A shot of a film, and the film that its shots make."""

from __future__ import annotations

from pydantic import Field

from diffscaler.requests.base import ClipKey, Delivered
from diffscaler.requests.text2video import Text2VideoRequest
from diffscaler.screenplay.rates import RateName

TIMECODE = r"^\d\d:[0-5]\d:[0-5]\d[:;]\d\d$"


class ShotRequest(Delivered):
    """A clip from words, or a card, at a film's size and rate and exactly as long as its shot list says."""

    name: str = Field(title="Shot", min_length=1, max_length=100, description="As on its slate: SC1_SH010.")
    drawn: Text2VideoRequest | None = Field(None, title="Picture", description="What is drawn. None: a card.")
    card: str = Field("", title="Card", max_length=2000, description="The words on it.")
    frames: int = Field(title="Length", ge=1, le=1_000_000, description="In frames of the film.")
    rate: RateName = Field("24", title="Frame rate", description="Of the film.")
    width: int = Field(640, title="Width", ge=64, le=8192, multiple_of=2, description="Pixels of the film.")
    height: int = Field(360, title="Height", ge=64, le=8192, multiple_of=2, description="Pixels of the film.")
    smooth: bool = Field(False, title="Smooth", description="Frames are drawn between those the model draws.")


class AnimaticRequest(Delivered):
    """Shots one behind the other, as one file."""

    title: str = Field("Animatic", title="Title", max_length=200, description="Of the film.")
    clips: tuple[ClipKey, ...] = Field((), title="Shots", min_length=1, description="From the library, in order.")
    labels: tuple[str, ...] = Field((), title="Burn-in", description="One a shot, with timecode; none: clean.")
    rate: RateName = Field("24", title="Frame rate", description="Of the film.")
    timecode: str = Field("01:00:00:00", title="Timecode", pattern=TIMECODE, description="Of the first frame.")
