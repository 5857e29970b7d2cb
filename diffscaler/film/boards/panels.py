"""What a board shows of each shot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from diffscaler.errors import MediaError
from diffscaler.film.animatic import Placed
from diffscaler.media import Frames
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.script import Scene
from diffscaler.screenplay.transitions import kind_of

PICTURE_PX = 640
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Panel:
    """A shot on a board.

    picture: a JPEG, None where the shot has none yet; seen: its size, angle and move; text: what the script says
    dialogue: (who, what) in order; prompt: as it was drawn; begins, ends: transitions that are drawn
    outdated: in which way the picture is no longer what is asked for, "" where it is
    """

    name: str
    scene: str
    heading: str
    picture: bytes | None
    seen: str
    frames: int
    text: str = ""
    manner: str = ""
    dialogue: tuple[tuple[str, str], ...] = ()
    prompt: str = ""
    note: str = ""
    begins: str = ""
    ends: str = ""
    outdated: str = ""


@dataclass(frozen=True)
class BoardPages:
    """What a board says of the film. rate: a name of RATES; scenes: by number, for their synopses"""

    title: str
    author: str = ""
    rate: str = "24"
    scenes: Mapping[str, Scene] = field(default_factory=dict[str, Scene])

    def length(self, frames: int) -> str:
        """ "71 frames, 3.0 s"."""
        return f"{frames} frame{'s' if frames != 1 else ''}, {float(frames / rate_of(self.rate)):.1f} s"

    def synopsis(self, number: str) -> str:
        """What the script tells of a scene in a line that is not filmed; "" for none."""
        scene = self.scenes.get(number)
        told = (element.plain for element in scene.elements if element.kind == "synopsis") if scene else ()
        return " ".join(" ".join(told).split())


def panels_of(shots: Sequence[Placed], clips: Mapping[str, Path], note: Callable[[str], None]) -> tuple[Panel, ...]:
    """A panel for each shot.

    clips: by shot id, its file, whose middle is shown; without one the panel is empty; note: told of files that cannot
    be read, for which it is empty as well
    """
    return tuple(_panel(shot, _picture(shot, clips.get(shot.shot.id), note)) for shot in shots)


def by_scene(panels: Sequence[Panel]) -> Iterator[tuple[str, str, list[Panel]]]:
    """(number, heading, its panels) in order."""
    for number, group in groupby(panels, lambda panel: panel.scene):
        found = list(group)
        yield number, found[0].heading, found


def _picture(placed: Placed, clip: Path | None, note: Callable[[str], None]) -> bytes | None:
    shown = placed.in_film
    if clip is None:
        return None
    try:
        return jpeg_of(frame_at(clip, shown.start + shown.frames // 2))
    except MediaError as error:
        note(f"The panel of {placed.shot.name} is empty. {error.message}")
        return None


def _panel(placed: Placed, picture: bytes | None) -> Panel:
    shot, drawn = placed.shot, placed.compiled.request.drawn
    words = [words for words in shot.dialogue if words != "…"]
    return Panel(
        name=shot.name,
        scene=shot.scene,
        heading=shot.heading,
        picture=picture,
        seen=f"{shot.size}, {shot.angle}, {shot.move}" if drawn else "card",
        frames=shot.frames,
        text="" if shot.role == "dialogue" and words else shot.text,
        manner=shot.manner,
        dialogue=tuple(zip(shot.speakers, shot.dialogue, strict=False)),
        prompt=drawn.prompt if drawn else "",
        note=shot.note,
        begins=shot.begins if kind_of(shot.begins) != "cut" else "",
        ends=shot.ends if kind_of(shot.ends) != "cut" else "",
    )


def frame_at(clip: Path, frame: int) -> Frames:
    """One frame of a clip, uint8 RGB (H, W, 3). Raises MediaError, also where the clip has no such frame."""
    from diffscaler.video.reader import read_frames

    chunk = next(iter(read_frames(clip, start=frame, chunk_frames=1)), None)
    if chunk is None or not len(chunk.frames):
        raise MediaError(f"{clip.name} has no frame {frame}.", "Make its shot again.")
    return chunk.frames[0]


def jpeg_of(frame: Frames, longest: int = PICTURE_PX) -> bytes:
    """A frame, uint8 RGB (H, W, 3), as a JPEG of at most so many pixels a side."""
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
