"""Pictures of clips for the page: posters made once and kept, and the address at which a file is served."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.media import Frames
from diffscaler.plan import IMPORT
from diffscaler.studio import Studio

log = logging.getLogger("diffscaler.page")

POSTER_PX = 360
_making = threading.Lock()  # one decoder at a time: a first look at a large library must not starve the page


def url_of(path: Path, version: int | str = "") -> str:
    """Where the page finds a file of the folders that `served` names. Relative, so it holds behind any proxy."""
    return f"gradio_api/file={quote(path.resolve().as_posix())}" + (f"?v={version}" if version else "")


def served(studio: Studio) -> list[Path]:
    """The folders whose files the page may show. The databases lie beside them, not in them."""
    root = studio.settings.library_dir
    folders = [root / "clips", root / "files", root / "thumbs", studio.settings.jobs_dir / "previews"]
    delivered = studio.settings.projects_dir / "delivered"
    more = [delivered, studio.settings.models_dir, studio.settings.datasets_dir, studio.settings.assets_dir / "theme"]
    return [*folders, *more]


def media_url(studio: Studio, clip: Clip) -> str | None:
    """The address of a clip's own file, or None when it has none (any more)."""
    try:
        return url_of(studio.library.path(clip.key))
    except DiffScalerError:
        return None


def poster_url(studio: Studio, clip: Clip) -> str | None:
    """The address of a clip's poster, made now if it is missing; None when the clip cannot be shown."""
    if clip.meta.kind == "tensors":
        return None
    path = studio.library.root / "thumbs" / f"{clip.key}.jpg"
    if not path.exists():
        with _making:
            if not path.exists() and not make_poster(studio, clip, path):
                return None
    return url_of(path)


def preview_url(studio: Studio, job_id: str) -> str | None:
    """The latest picture of an unfinished job; its address changes whenever the picture does."""
    path = studio.queue.preview_path(job_id)
    try:
        return url_of(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def make_poster(studio: Studio, clip: Clip, path: Path) -> bool:
    """Write a clip's middle frame as a small JPEG. False when no frame could be read."""
    from PIL import Image

    try:
        frame = middle_frame(studio, clip)
    except (DiffScalerError, OSError, StopIteration, IndexError):
        log.warning("no poster for %s", clip.key, exc_info=True)
        return False
    picture = Image.fromarray(frame)
    picture.thumbnail((POSTER_PX, POSTER_PX))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{uuid.uuid4().hex}.part.jpg")
    picture.save(part, quality=86)
    os.replace(part, path)
    return True


def middle_frame(studio: Studio, clip: Clip) -> Frames:
    """uint8 RGB (H, W, 3). Raises MediaError, StopIteration."""
    from diffscaler.video.reader import read_frames
    from diffscaler.video.sequence import read_picture

    at = clip.meta.num_frames // 2
    if clip.meta.kind == "file":
        path = studio.library.path(clip.key)
        if path.suffix == ".zip":
            return read_picture(path, at)
        if clip.stage == IMPORT and clip.meta.num_frames > 2000:
            at = 48  # a long film is not decoded up to its middle for a thumbnail
        return next(iter(read_frames(path, at, 1))).frames[0]
    chunk: Any = next(iter(studio.library.read(clip.key, at)))
    return chunk.frames[0]
