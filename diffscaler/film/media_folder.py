"""The clips of a cut as an edit suite wants them: ProRes or DNxHR, each with a timecode and a reel of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffscaler.requests import DeliverRequest, EncodingName
from diffscaler.screenplay.compile import CompiledShot
from diffscaler.screenplay.export.timecode import frame_of, timecode_of
from diffscaler.video.encodings import formats

MediaName = Literal["prores", "dnxhr", "mp4"]
ENCODINGS: dict[MediaName, EncodingName] = {"prores": "prores", "dnxhr": "dnxhr", "mp4": "h264"}

#: A reel name that is longer is no MOV's.
REEL_LETTERS = 32


@dataclass(frozen=True)
class MediaClip:
    """A clip of the media folder. start: the count of its first timecode; reel: "" in a file without a reel"""

    request: DeliverRequest
    start: int
    reel: str


def suffix_of(media: MediaName) -> str:
    """The ending of its files."""
    return formats()[ENCODINGS[media]].suffix


def media_clip(key: str, shot: CompiledShot, media: MediaName, rate: str, file: Path, drop_frame: bool) -> MediaClip:
    """What to deliver for a shot. key: of its clip in the library; file: where it will lie

    The shot's own first frame is 01:00:00:00 in every file, and its handle lies before that: so a file stays as it is
    when shots before it come or go. What tells files apart is the reel: the file's name and the take.
    """
    start = frame_of(f"01:00:00{';' if drop_frame else ':'}00", rate) - shot.head
    reel = reel_of(file.stem, shot.take) if file.suffix == ".mov" else ""
    timecode = timecode_of(start, rate, drop_frame)
    return MediaClip(DeliverRequest(clip=key, encoding=ENCODINGS[media], timecode=timecode, reel=reel), start, reel)


def reel_of(stem: str, take: int) -> str:
    """A reel name that no other file and take has: "SC1_SH010_T2"."""
    reel = f"{stem}_T{take}"
    if len(reel) <= REEL_LETTERS:
        return reel
    return f"{reel[: REEL_LETTERS - 7]}_{hashlib.sha256(reel.encode()).hexdigest()[:6]}"
