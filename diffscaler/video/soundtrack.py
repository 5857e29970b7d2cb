"""What a film is given beside its pictures: words that are shown for a while, sounds, and where each of them begins."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class Caption(BaseModel):
    """start, stop: frames, stop excluded; text: of one line or several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=0)
    stop: int = Field(ge=1)
    text: str = Field(max_length=2000)


def at_frame(captions: Sequence[Caption], frame: int) -> str:
    """What is shown at a frame; captions that overlap stand below each other."""
    return "\n".join(one.text for one in captions if one.start <= frame < one.stop)


class Soundtrack(BaseModel):
    """captions: text subtitles, by frames; laid: for each sound among the inputs, the frame of the film it begins at

    language: of both, as "en"; own: SHA-256 of a sound file of the library, "" for none; own_at: the frame it begins
    at, below 0 its beginning is not heard; mixed: it lies under the other sounds, at half its level; else it is a track
    of its own
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    captions: tuple[Caption, ...] = ()
    laid: tuple[int, ...] = ()
    language: str = "en"
    own: str = ""
    own_at: int = 0
    mixed: bool = True

    @property
    def empty(self) -> bool:
        return not (self.captions or self.laid or self.own)

    def times(self, factor: int) -> Soundtrack:
        """The same moments of a film that shows so many times as many frames a second."""
        captions = (
            one.model_copy(update={"start": one.start * factor, "stop": one.stop * factor}) for one in self.captions
        )
        laid = tuple(at * factor for at in self.laid)
        return self.model_copy(update={"captions": tuple(captions), "laid": laid, "own_at": self.own_at * factor})
