"""How a clip was made, as text inside the delivered file, and back."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, cast

# The comment tag is the one that MP4, MOV, MKV, WebM, GIF and PNG all have; JPEG and WebP keep it as an EXIF tag.
KEY = "comment"
IMAGE_DESCRIPTION = 0x010E
MARK = "diffscaler"
MANIFEST_BEGINS = f'{{"{MARK}'


def manifest_text(manifest: dict[str, Any], limit_bytes: int | None = None) -> str:
    """ASCII JSON marked as ours, the same for the same manifest; packed when longer than `limit_bytes`."""
    text = json.dumps({MARK: manifest}, sort_keys=True, separators=(",", ":"))
    if limit_bytes is None or len(text) <= limit_bytes:
        return text
    packed = base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")
    return json.dumps({f"{MARK}-zlib": packed}, separators=(",", ":"))


def manifest_from_text(text: str | None) -> dict[str, Any] | None:
    """The manifest in a comment, or None when the comment is somebody else's."""
    if not text or not text.startswith(MANIFEST_BEGINS):
        return None
    try:
        value: Any = json.loads(text)
        if isinstance(value, dict) and f"{MARK}-zlib" in value:
            packed = base64.b64decode(cast(dict[str, Any], value)[f"{MARK}-zlib"])
            # A comment of a few kilobytes must not unpack to gigabytes.
            value = json.loads(zlib.decompressobj().decompress(packed, 64 * 2**20))
        inner = cast(dict[str, Any], value)[MARK] if isinstance(value, dict) else None
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError):
        return None
    return cast(dict[str, Any], inner) if isinstance(inner, dict) else None


def split_metadata(tags: dict[str, str]) -> tuple[dict[str, str], dict[str, Any] | None]:
    """A file's tags with lower-case names and without our comment, and the manifest found in it."""
    kept: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    for name, value in tags.items():
        found = manifest_from_text(value) if name.lower() == KEY else None
        if found is None:
            kept[name.lower()] = value
        else:
            manifest = found
    return kept, manifest
