"""A cut as a plain list: which frames of which file, one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from diffscaler.errors import ScriptError
from diffscaler.screenplay.export.timecode import check_drop_frame, frame_of
from diffscaler.screenplay.shot import Shot

START = "01:00:00:00"


@dataclass(frozen=True)
class Event:
    """One shot in the cut.

    start, stop: frames of the file, the first is 0, stop excluded
    clip_frames: how many the file has, 0 when that is not known; clip_start: the count of its timecode track's first
    reel: of that track, "" for the file's name; sound: the file has it, and it goes along
    address: where programs look for the file, as a URL; "" for where it lies now
    dialogue: what is heard, one line a speaker; comment: for whoever opens the cut
    dissolve: frames of the cross-dissolve from the event before, even, half of it on either side of the cut; both files
      have frames for their half. fade_in, fade_out: frames from and to black, within the event
    """

    name: str
    clip: Path
    start: int
    stop: int
    clip_frames: int = 0
    clip_start: int = 0
    reel: str = ""
    sound: bool = False
    dialogue: tuple[str, ...] = ()
    comment: str = ""
    dissolve: int = 0
    fade_in: int = 0
    fade_out: int = 0
    address: str = ""

    @property
    def frames(self) -> int:
        return self.stop - self.start

    @property
    def available(self) -> int:
        """Frames the file has, as far as is known."""
        return max(self.clip_frames, self.stop)

    @property
    def reel_name(self) -> str:
        return self.reel or self.clip.stem

    @property
    def url(self) -> str:
        return self.address or self.clip.absolute().as_uri()


@dataclass(frozen=True)
class Cut:
    """rate: a name of RATES, of all files and the cut; start: its first timecode; width, height in pixels

    Raises ScriptError for no events, empty ones, and a timecode or drop-frame count the rate does not have.
    """

    name: str
    rate: str
    events: tuple[Event, ...]
    start: str = START
    width: int = 1920
    height: int = 1080

    def __post_init__(self) -> None:
        check_drop_frame(self.rate, self.drop_frame)
        frame_of(self.start, self.rate)
        if not self.events:
            raise ScriptError("There is no shot in this cut.", "Make a take of one shot at least.")
        for event in self.events:
            if not 0 <= event.start < event.stop:
                raise ScriptError(
                    f"{event.name} has no frames from {event.start} to {event.stop}.", "Set its in before its out."
                )
        for at, event in enumerate(self.events):
            half = event.dissolve // 2
            before = self.events[at - 1] if at else None
            if half and (before is None or half > event.start or half > before.available - before.stop):
                raise ScriptError(
                    f"There are no frames to dissolve into {event.name} with.",
                    "Make its clip and the one before longer by half a dissolve, or cut.",
                )

    @property
    def drop_frame(self) -> bool:
        """A semicolon in the first timecode asks for it, as everywhere."""
        return ";" in self.start

    @property
    def start_frame(self) -> int:
        """The count of the first timecode."""
        return frame_of(self.start, self.rate)

    @property
    def frames(self) -> int:
        return sum(event.frames for event in self.events)

    def dissolve_after(self, number: int) -> int:
        """Frames of the dissolve from event `number`, counted from 0, into the next; 0 for a cut."""
        return self.events[number + 1].dissolve if number + 1 < len(self.events) else 0

    @property
    def record_starts(self) -> tuple[int, ...]:
        """Where each event begins, in frames from the cut's own beginning."""
        found, at = [], 0
        for event in self.events:
            found.append(at)
            at += event.frames
        return tuple(found)


def beside(cut: Cut, folder: Path) -> Cut:
    """The cut with its files named from the folder it is written to, so that both can be moved together.

    Raises ValueError for a file that does not lie below it.
    """
    named = (
        replace(event, address=quote(event.clip.absolute().relative_to(folder.absolute()).as_posix()))
        for event in cut.events
    )
    return replace(cut, events=tuple(named))


def cut_of(
    name: str, rate: str, shots: Iterable[Shot], clips: Mapping[str, Path], sound: bool = False, **more: object
) -> Cut:
    """The cut of a shot list: every shot from the beginning of its clip, as long as the shot list says.

    clips: by shot id; shots without one are left out. more: fields of Cut
    """
    events = tuple(
        Event(shot.name, clips[shot.id], 0, shot.frames, sound=sound, dialogue=shot.dialogue, comment=shot.text)
        for shot in shots
        if shot.id in clips
    )
    return Cut(name, rate, events, **more)  # type: ignore[arg-type]
