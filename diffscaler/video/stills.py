"""One frame to a picture file, with how it was made inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffscaler.errors import InvalidRequest
from diffscaler.media import Frames
from diffscaler.video.manifest import IMAGE_DESCRIPTION, KEY, manifest_text
from diffscaler.video.storage import writing

# JPEG keeps EXIF in one segment of 64 KiB.
EXIF_LIMIT = 60_000


def write_still(path: Path, frame: Frames, manifest: dict[str, Any]) -> None:
    """Write .png (lossless), .webp (lossless) or .jpg (quality 95, full colour resolution).

    frame: uint8 RGB (H, W, 3), or RGBA (H, W, 4) for .png and .webp. Same frame, same bytes.
    Raises NotEnoughRoom when the disk is full, MediaError when it cannot be written, InvalidRequest for other names.
    """
    picture = Image.fromarray(np.ascontiguousarray(frame))
    suffix = path.suffix.lower()
    with writing(path):
        if suffix == ".png":
            info = PngInfo()
            info.add_text(KEY, manifest_text(manifest))
            picture.save(path, "PNG", pnginfo=info)
        elif suffix in (".jpg", ".jpeg"):
            picture.save(path, "JPEG", quality=95, subsampling=0, exif=_exif(manifest))
        elif suffix == ".webp":
            picture.save(path, "WEBP", lossless=True, quality=80, exif=_exif(manifest))
        else:
            raise InvalidRequest(f"{suffix or path.name} is no kind of picture made here.", "Choose PNG, JPEG or WebP.")


def _exif(manifest: dict[str, Any]) -> Image.Exif:
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = manifest_text(manifest, EXIF_LIMIT)
    return exif
