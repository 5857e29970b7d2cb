"""One shot of a data set and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scores:
    """What was measured of a shot. None: a single picture has no motion, and networks score where they are installed.

    motion: how far the picture moves, per cent of its longer side a second; None for a single picture
    motion_px: the same in pixels of the file from one frame to the next
    motion_peak: as motion, of the hundredth of the picture that moves most: what tells a still
    sharpness: variance of the Laplacian of the grey picture (0..255) at 512 pixels a side; higher is sharper
    text: share of the picture under lines of writing, 0..1
    brightness: mean luma, 0..1
    clip: CLIP score, 100 * max(0, cosine) of frames and captions, 20 to 35 where they fit; None without a caption too
    aesthetics: LAION's rating, about 1 to 10
    """

    motion: float | None
    motion_px: float | None
    motion_peak: float | None
    sharpness: float
    text: float
    brightness: float
    clip: float | None = None
    aesthetics: float | None = None


@dataclass(frozen=True)
class Shot:
    """Frames [start, stop) of a clip.

    key: names the shot wherever its file lies: the file's content and where it begins
    start_s, stop_s: seconds from the clip's first frame
    print: see training/data/fingerprint.py; duplicate_of: key of the shot that shows the same, "" for none
    thumbnail: a strip of frames as JPEG, its name in the data set's folder of pictures
    captions: those a person wrote for this shot; None: the clip's own
    left_out: whether a person took it out
    """

    key: str
    start: int
    stop: int
    start_s: float
    stop_s: float
    scores: Scores
    print: str = ""
    duplicate_of: str = ""
    thumbnail: str = ""
    captions: tuple[str, ...] | None = None
    left_out: bool = False

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s

    @property
    def num_frames(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Clip:
    """One clip as its owner keeps it: a video, a picture, or a folder of pictures that are its frames.

    path: on this computer, absolute; where: the file and line that name it, for people
    sha256: of the content; of a folder, of its pictures in order
    width, height: pixels as shown; fps: average, of a folder of pictures the rate it is taken to have
    captions: as they came with the clip, none for bare footage
    """

    path: str
    where: str
    sha256: str
    width: int
    height: int
    fps: float
    num_frames: int
    captions: tuple[str, ...] = ()
    shots: tuple[Shot, ...] = ()

    def captions_of(self, shot: Shot) -> tuple[str, ...]:
        """What is said of a shot: a person's words for it, else those of its clip."""
        return self.captions if shot.captions is None else shot.captions


def row_of(clip: Clip) -> dict[str, Any]:
    """A clip as JSON keeps it. The fields' own values, not copies: a sixth of the time dataclasses.asdict takes."""
    shots = [{**vars(shot), "scores": vars(shot.scores)} for shot in clip.shots]
    return {**vars(clip), "shots": shots}


@dataclass(frozen=True)
class Fault:
    """What could not be used. where: a file, or a file and a line of it; sentence: why"""

    where: str
    sentence: str


@dataclass(frozen=True)
class Edit:
    """What a person decided about a shot that is not in the folder at present; it comes back with the file."""

    captions: tuple[str, ...] | None
    left_out: bool
