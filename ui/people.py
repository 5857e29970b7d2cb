"""The people a swap found in a clip: each one's best frame, when they are seen, and how sure the detector was."""

from __future__ import annotations

import base64
import io
import logging
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.plan import Node, nodes
from diffscaler.studio import Studio

if TYPE_CHECKING:
    from diffscaler.faceswap.detections import Person

log = logging.getLogger("diffscaler.page")

FACE_PX = 96
MARGIN = 0.35
MOST = 8


def people_strip(studio: Studio, clip: Clip) -> str:
    """Cards of the people in a swapped clip, "" when its detections are no longer kept."""
    found = next((node for node in nodes(clip.node) if node.stage == "detect_faces"), None)
    if found is None or not studio.library.complete(found.key):
        return ""
    try:
        cards = cards_of(studio, found)
    except (DiffScalerError, OSError, StopIteration, IndexError):
        log.warning("the people of %s cannot be shown", clip.key, exc_info=True)
        return ""
    inside = "".join(cards) if cards else '<p class="quiet">No face was found in this clip.</p>'
    return f'<div class="people" aria-label="People found">{inside}</div>'


_cache: dict[str, list[str]] = {}


def cards_of(studio: Studio, detections: Node) -> list[str]:
    from diffscaler.faceswap.detections import people

    if detections.key not in _cache:
        chunks: Any = studio.library.read(detections.key)
        found = people(chunks, studio.library.clip(detections.key).meta)
        _cache[detections.key] = [card(studio, detections.inputs[0], person) for person in found[:MOST]]
    return _cache[detections.key]


def card(studio: Studio, frames: Node, person: Person) -> str:
    clip = studio.library.clip(frames.key)
    fps = float(clip.meta.fps)
    chunk: Any = next(iter(studio.library.read(frames.key, person.best_frame)))
    frame = chunk.frames[0]
    left, top, right, bottom = crop_of(person.best_box, frame.shape[1], frame.shape[0])
    when = f"{timecode(person.start / fps)} to {timecode(person.stop / fps)}"
    sure = f"{round(100 * person.confidence)} % sure"
    return (
        f'<figure><img src="{picture_url(frame[top:bottom, left:right].tobytes(), bottom - top, right - left)}" alt="">'
        f"<figcaption>{escape(when)}<br>{escape(sure)}</figcaption></figure>"
    )


def crop_of(box: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """A face box (x1 y1 x2 y2) made square with a margin, inside a picture of width x height."""
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(box[2] - box[0], box[3] - box[1]) * (0.5 + MARGIN)
    left, top = max(0, int(centre_x - half)), max(0, int(centre_y - half))
    right, bottom = min(width, int(centre_x + half) + 1), min(height, int(centre_y + half) + 1)
    return left, top, max(left + 1, right), max(top + 1, bottom)


@lru_cache(maxsize=64)
def picture_url(pixels: bytes, height: int, width: int) -> str:
    """uint8 RGB pixels as a small picture inside the page."""
    from PIL import Image

    picture = Image.frombytes("RGB", (width, height), pixels).resize((FACE_PX, FACE_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def timecode(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{seconds % 60:04.1f}"
