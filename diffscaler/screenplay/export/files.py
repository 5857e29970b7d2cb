"""All forms of a cut as files in one folder."""

from __future__ import annotations

import re
from pathlib import Path

from diffscaler.screenplay.export.cut import Cut
from diffscaler.screenplay.export.edl import edl_of
from diffscaler.screenplay.export.fcp7 import fcp7_of
from diffscaler.screenplay.export.fcpxml import fcpxml_of
from diffscaler.screenplay.export.otio import otio_of
from diffscaler.screenplay.export.srt import srt_of


def write_cut(cut: Cut, folder: Path) -> tuple[Path, ...]:
    """Write .otio, .edl, .xml (FCP7), .fcpxml and, where somebody speaks, .srt; what is there already is replaced."""
    texts: dict[str, bytes] = {
        ".otio": otio_of(cut).encode(),
        ".edl": edl_of(cut).encode(),
        ".xml": fcp7_of(cut),
        ".fcpxml": fcpxml_of(cut),
    }
    if subtitles := srt_of(cut):
        texts[".srt"] = subtitles.encode()
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.\- ]+", "_", cut.name).strip(" .") or "cut"
    written = []
    for suffix, data in texts.items():
        path = folder / f"{stem}{suffix}"
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(data)
        part.replace(path)
        written.append(path)
    return tuple(written)
