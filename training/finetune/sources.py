"""The shots a fine-tuning run learns from: a prepared data set's, or those of a plain folder or a single clip."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from diffscaler.datasets.manifest import is_dataset
from diffscaler.errors import DiffScalerError
from diffscaler.library.files import sha256_of
from diffscaler.video.pictures import natural_key
from diffscaler.video.probe import probe
from training.data.layouts.listing import CLIP_SUFFIXES, PICTURE_SUFFIXES
from training.data.manifest import Item, read_manifest
from training.events import RunError
from training.folder import LAYOUT, captioned_clips


def read_shots(
    data: str,
    folder_fps: float,
    caption: str = "",
    captions_needed: bool = True,
    warn: Callable[[str], None] = lambda sentence: print(sentence, file=sys.stderr),
) -> list[Item]:
    """The shots of a data set, folder or clip, in a fixed order.

    folder_fps: frames per second of clips that are folders of pictures, which say nothing about it
    caption: what a single clip shows; without it a file beside it says so
    captions_needed: False for recipes that learn without words too: clips may then have none
    warn: told which limits of a data set shots pass for want of a score
    Raises RunError, naming the file, when there is nothing, a caption is missing or a clip is unreadable.
    """
    path = Path(data).expanduser()
    if is_dataset(path):
        found = read_manifest(path, captions_needed)
        for sentence in found.warnings:
            warn(sentence)
        return list(found)
    if not path.exists():
        raise RunError(f"There is no folder {path}.", LAYOUT)
    if caption or path.is_file() or (path / "prompt.txt").is_file():
        words = path / "prompt.txt" if path.is_dir() else path.with_suffix(".txt")
        captions = (caption,) if caption else _read(path, words, captions_needed)
        return [_shot(path, captions, folder_fps)]
    return [_shot(clip.path, clip.captions, folder_fps) for clip in captioned_clips(path, captions_needed)]


def _read(clip: Path, path: Path, needed: bool) -> tuple[str, ...]:
    """What the text beside a clip says. Raises RunError."""
    try:
        caption = " ".join(path.read_text(encoding="utf-8-sig").split())
    except FileNotFoundError:
        if not needed:
            return ()
        raise RunError(f"{clip.name} has no caption.", f"Write what it shows into {path.name}.") from None
    except UnicodeDecodeError:
        raise RunError(f"{path.name} is not text in UTF-8.", "Save it again as UTF-8.") from None
    if needed and not caption:
        raise RunError(f"{path.name} is empty.", f"Write what {clip.name} shows into it.")
    return (caption,) if caption else ()


def _shot(path: Path, captions: tuple[str, ...], folder_fps: float) -> Item:
    if path.is_file() and path.suffix.lower() not in CLIP_SUFFIXES | PICTURE_SUFFIXES:
        raise RunError(f"{path.name} is no clip that can be read.", "Save it as MP4, MKV, MOV, WebM or GIF.")
    try:
        info = probe(path)
    except DiffScalerError as error:
        raise RunError(error.message, error.hint) from None
    fps = folder_fps if path.is_dir() else float(info.fps)
    content = _content(path)
    return Item(path, 0, info.num_frames, captions, fps, info.width, info.height, f"{content}:0", content)


def _content(path: Path) -> str:
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for picture in sorted((p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES), key=natural_key):
        digest.update(sha256_of(picture).encode())
    return digest.hexdigest()


def data_hash(shots: list[Item]) -> str:
    """SHA-256 over contents, frames and captions, wherever the files lie."""
    digest = hashlib.sha256()
    for shot in shots:
        digest.update(repr((shot.key, shot.start, shot.stop, shot.fps, shot.captions)).encode())
    return digest.hexdigest()


def held_out_of(shots: list[Item], wanted: int) -> tuple[list[Item], list[Item]]:
    """(to learn from, to judge by): the shots of `wanted` files are judged by.

    A file is on one side only, with all its shots and copies, and which side follows from its content: neither names
    nor the order of the data move it. None are held out where that would leave fewer than half to learn from.
    """
    files = sorted({shot.content for shot in shots}, key=lambda content: hashlib.sha256(content.encode()).digest())
    if not wanted or len(files) < 2 * wanted:
        return shots, []
    apart = set(files[:wanted])
    return [shot for shot in shots if shot.content not in apart], [shot for shot in shots if shot.content in apart]
