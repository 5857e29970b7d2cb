"""EDL, CMX 3600: one line an event, and comments with what the line has no room for.

Reel names are written whole, as edit suites read them today; the format's eight letters would make
SC001_SH010 and SC001_SH020 one reel.
"""

from __future__ import annotations

import re

from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.export.timecode import timecode_of


def edl_of(cut: Cut) -> str:
    """The text of an .edl file; line feeds as the format has them."""
    lines = [f"TITLE: {_line(cut.name)}", f"FCM: {'DROP FRAME' if cut.drop_frame else 'NON-DROP FRAME'}", ""]
    width = max(8, *(len(_reel(event)) for event in cut.events))
    for number, (event, at) in enumerate(zip(cut.events, cut.record_starts, strict=True), 1):
        first, record = event.clip_start + event.start, cut.start_frame + at
        times = (first, first + event.frames, record, record + event.frames)
        codes = " ".join(timecode_of(frame, cut.rate, cut.drop_frame) for frame in times)
        channels = "AA/V" if event.sound else "V"
        lines.append(f"{number:03d}  {_reel(event):<{width}} {channels:<5} C        {codes}")
        lines.append(f"* FROM CLIP NAME: {_line(event.name)}")
        lines.append(f"* SOURCE FILE: {_line(event.clip.name)}")
        if event.comment:
            lines.append(f"* COMMENT: {_line(event.comment)}")
    return "\r\n".join([*lines, ""])


def _reel(event: Event) -> str:
    """A reel name is one word."""
    return re.sub(r"[^\w.\-]+", "_", event.reel_name)


def _line(text: str) -> str:
    return " ".join(text.split())
