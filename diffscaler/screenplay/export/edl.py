"""EDL, CMX 3600: one line an event, and comments with what the line has no room for.

Reel names are written whole, as edit suites read them today; the format's eight letters would make
SC001_SH010 and SC001_SH020 one reel.
"""

from __future__ import annotations

import re

from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.export.timecode import timecode_of

#: The format's name for black.
BLACK = "BL"


def edl_of(cut: Cut) -> str:
    """The text of an .edl file; line feeds as the format has them.

    A dissolve begins with its incoming event, on a second line of the same number, as the format has it: there the
    outgoing event ends, and its frames go on below. A fade is a dissolve from or to the reel of black, BL.
    """
    lines = [f"TITLE: {_line(cut.name)}", f"FCM: {'DROP FRAME' if cut.drop_frame else 'NON-DROP FRAME'}", ""]
    width = max(8, *(len(_reel(event)) for event in cut.events))
    number = 0
    for index, (event, at) in enumerate(zip(cut.events, cut.record_starts, strict=True)):
        number += 1
        half, behind = event.dissolve // 2, max(cut.dissolve_after(index) // 2, event.fade_out)
        shown = event.frames + half - behind
        source, record = event.clip_start + event.start - half, cut.start_frame + at - half
        channels = "AA/V" if event.sound else "V"
        if event.dissolve:
            before = cut.events[index - 1]
            out = before.clip_start + before.stop - half
            lines.append(_row(cut, number, _reel(before), width, channels, "C", (out, out, record, record)))
        elif event.fade_in:
            lines.append(_row(cut, number, BLACK, width, channels, "C", (0, 0, record, record)))
        kind = f"D    {event.dissolve or event.fade_in:03d}" if event.dissolve or event.fade_in else "C"
        times = (source, source + shown, record, record + shown)
        lines.append(_row(cut, number, _reel(event), width, channels, kind, times))
        if event.dissolve:
            lines.append(f"* FROM CLIP NAME: {_line(cut.events[index - 1].name)}")
            lines.append(f"* TO CLIP NAME: {_line(event.name)}")
        else:
            lines.append(f"* {'TO' if event.fade_in else 'FROM'} CLIP NAME: {_line(event.name)}")
        lines.append(f"* SOURCE FILE: {_line(event.clip.name)}")
        if event.comment:
            lines.append(f"* COMMENT: {_line(event.comment)}")
        if event.fade_out:
            number += 1
            out, record = source + shown, record + shown
            lines.append(_row(cut, number, _reel(event), width, channels, "C", (out, out, record, record)))
            times = (0, event.fade_out, record, record + event.fade_out)
            lines.append(_row(cut, number, BLACK, width, channels, f"D    {event.fade_out:03d}", times))
            lines.append(f"* FROM CLIP NAME: {_line(event.name)}")
    return "\r\n".join([*lines, ""])


def _row(cut: Cut, number: int, reel: str, width: int, channels: str, kind: str, times: tuple[int, ...]) -> str:
    codes = " ".join(timecode_of(frame, cut.rate, cut.drop_frame) for frame in times)
    return f"{number:03d}  {reel:<{width}} {channels:<5} {kind:<8} {codes}"


def _reel(event: Event) -> str:
    """A reel name is one word."""
    return re.sub(r"[^\w.\-]+", "_", event.reel_name)


def _line(text: str) -> str:
    return " ".join(text.split())
