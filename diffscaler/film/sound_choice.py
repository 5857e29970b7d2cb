"""What is heard in a film: who speaks it, and one's own sound. Said in a sentence, above all when nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from diffscaler.errors import InvalidRequest
from diffscaler.film.speech import PROGRAM, speech_program, version_of
from diffscaler.screenplay.export.timecode import frame_of
from diffscaler.screenplay.rates import rate_of

SpeechChoice = Literal["auto", "off"]


@dataclass(frozen=True)
class Heard:
    """program: who speaks, with its version; "" for nobody. why_silent: what keeps the film from being spoken"""

    program: str = ""
    why_silent: str = ""

    def sentence(self, lines: int, own: str) -> str:
        """What is heard. lines: of scratch dialogue; own: name of one's own sound, "" for none"""
        said = f"{lines} line{'s' if lines != 1 else ''} of scratch dialogue spoken by {self.program}" if lines else ""
        both = " and ".join(part for part in (said, own) if part)
        if both and lines:
            return f"Heard: {both}."
        silent = self.why_silent or "nobody speaks in these scenes"
        return f"Heard: {own}; no scratch dialogue: {silent}." if own else f"The film is silent: {silent}."


def heard(speech: SpeechChoice, off: str = "--speech is off") -> Heard:
    """Who speaks on this machine. off: how to say that nobody was asked to

    Raises SpeechFailed for a program that is there and does not start.
    """
    if speech == "off":
        return Heard(why_silent=off)
    program = speech_program()
    if program is None:
        return Heard(why_silent=f"{PROGRAM} is not installed, so nobody speaks the dialogue")
    return Heard(version_of(program))


def sound_start(text: str, timecode: str, rate: str) -> int:
    """The frame of the film that one's own sound begins at.

    text: seconds from the film's beginning, "-2.5", or a timecode of it, "01:00:10:00"; timecode: of the first frame
    Raises InvalidRequest, ScriptError.
    """
    if ":" in text or ";" in text:
        return frame_of(text, rate) - frame_of(timecode, rate)
    try:
        return round(Fraction(text.strip()) * rate_of(rate))
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidRequest(f"{text!r} is no time.", "Write seconds, -2.5, or a timecode, 01:00:10:00.") from error
