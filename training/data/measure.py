"""One clip as the data set keeps it: its facts, its shots, a strip of pictures for each."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from diffscaler.datasets.shot import Clip, Shot
from diffscaler.errors import MediaError
from diffscaler.library.files import room_for, sha256_of
from diffscaler.video.pictures import pictures_in
from training.data.footage import Picture, fitted, open_footage
from training.data.options import Options
from training.data.shots import FoundShot, shots_of

See = Callable[[str, Sequence[Picture]], None]

#: A strip shows so many frames of a shot, each at most so many pixels.
STRIP_FRAMES, STRIP_WIDTH, STRIP_HEIGHT = 4, 160, 90


def content_of(path: Path) -> str:
    """SHA-256 of a clip: of a file, or of a folder's pictures in order; captions beside them do not count."""
    if not path.is_dir():
        return sha256_of(path)
    found = hashlib.sha256()
    for picture in pictures_in(path):
        found.update(f"{picture.name}\0{sha256_of(picture)}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def measured(
    path: Path, sha256: str, options: Options, pictures: Path, go_on: Callable[[], None], see: See | None = None
) -> Clip:
    """A clip with its shots, without captions; their strips are written to the folder `pictures`.

    see: called with a shot's key and frames of it, see Measured.three
    Raises MediaError when it cannot be read, and what go_on and see raise.
    """
    footage = open_footage(path, options.folder_fps)
    shots: list[Shot] = []
    for found in shots_of(footage, go_on, see is not None):
        shots.append(shot_of(found, sha256, pictures))
        if see is not None:
            see(shots[-1].key, found.measured.three)
    if not shots:
        raise MediaError(f"{path.name} holds no frames that can be decoded.", "Remove it, or save it again as MP4.")
    return Clip(
        path=str(path),
        where="",
        sha256=sha256,
        width=footage.width,
        height=footage.height,
        fps=footage.fps,
        num_frames=footage.num_frames,
        shots=tuple(shots),
    )


def shot_of(found: FoundShot, sha256: str, pictures: Path) -> Shot:
    """A shot under its name, its strip written."""
    key = f"{sha256[:24]}-{found.start}"
    name = f"{key}.jpg"
    if not (pictures / name).is_file():
        save_strip(found.measured.frames, pictures / name)
    return Shot(
        key=key,
        start=found.start,
        stop=found.stop,
        start_s=round(found.start_s, 4),
        stop_s=round(found.stop_s, 4),
        scores=found.measured.scores,
        print=found.measured.print,
        thumbnail=name,
    )


def save_strip(frames: tuple[Picture, ...], path: Path) -> None:
    """Frames of a shot side by side as JPEG, whole or not at all. frames: uint8 RGB (H, W, 3) each

    Raises NotEnoughRoom.
    """
    last = len(frames) - 1
    chosen = [frames[round(i * last / (STRIP_FRAMES - 1))] for i in range(STRIP_FRAMES)] if last > 0 else list(frames)
    height, width = chosen[0].shape[:2]
    size = fitted(width, height, STRIP_WIDTH)
    if size[1] > STRIP_HEIGHT:
        size = (max(1, round(width * STRIP_HEIGHT / height)), STRIP_HEIGHT)
    strip = np.hstack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in chosen])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    # Two workers of one process may measure two copies of a clip at once.
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with room_for("the pictures of shots"):
            part.write_bytes(data.tobytes())
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
