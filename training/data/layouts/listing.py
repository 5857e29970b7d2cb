"""What a reader of a layout finds, before any clip is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.datasets.shot import Fault

CLIP_SUFFIXES = frozenset({".gif", ".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".mxf"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic"})

#: A caption longer than this is another file by mistake; no text encoder reads further.
MOST_CHARACTERS = 5000


@dataclass(frozen=True)
class Entry:
    """A clip to prepare: a video, a picture, or a folder of pictures that are its frames.

    captions: what is said of it, () for bare footage; where: the file, or its line, that names the clip, for people
    """

    path: Path
    captions: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Listing:
    """layout: what the folder was found to be, for people; entries: each clip once, in natural order."""

    layout: str
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()


def gathered(layout: str, found: Iterable[Entry | Fault]) -> Listing:
    """A listing of what a reader yields. Captions of a clip that is named several times come together."""
    entries: dict[Path, Entry] = {}
    faults: list[Fault] = []
    for one in found:
        if isinstance(one, Fault):
            faults.append(one)
        elif (known := entries.get(one.path)) is None:
            entries[one.path] = one
        else:
            captions = tuple(dict.fromkeys((*known.captions, *one.captions)))
            entries[one.path] = Entry(known.path, captions, known.where)
    return Listing(layout, tuple(entries.values()), tuple(faults))


def caption_of(value: Any) -> str:
    """A caption as one line of text; "" for what is none: no text, nothing in it, broken letters, a whole book."""
    if not isinstance(value, str) or "\ufffd" in value or len(value) > MOST_CHARACTERS:
        return ""
    text = value.encode("utf-8", "replace").decode("utf-8")  # JSON can hold halves of letters
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())


def captions_in(value: Any) -> tuple[str, ...]:
    """The captions of a field that holds one, or a list of them; each once."""
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(text for text in map(caption_of, values) if text))


def decoded(data: bytes) -> str:
    """Text of a file in UTF-8 or, with a mark, UTF-16. Bytes that are neither become U+FFFD, which no caption keeps."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")
