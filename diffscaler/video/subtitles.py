"""Text subtitles from one container's form to another's. Styling is dropped; text, times and language stay."""

from __future__ import annotations

import re
import struct

TEXT_CODECS = ("subrip", "srt", "text", "ass", "ssa", "mov_text", "webvtt")

# What FFmpeg's mov_text encoder wants to be told before it writes its sample description.
ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def text_of(packet: bytes, codec: str) -> str:
    """The plain text of one subtitle packet; "" for packets that only clear the screen or hold none."""
    if codec == "mov_text":
        if len(packet) < 2:
            return ""
        return packet[2 : 2 + struct.unpack(">H", packet[:2])[0]].decode("utf-8", "replace").strip()
    text = packet.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        # ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect, Text: commas in the text are its own.
        text = text.split(",", 8)[-1]
        text = re.sub(r"\{[^}]*\}", "", text).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    else:
        text = re.sub(r"</?[A-Za-z][^>]*>", "", text)
    return text.strip("\r\n\0 ")


def packet_of(text: str, codec: str) -> bytes:
    """One packet of "mov_text" or "webvtt" that shows `text`."""
    data = text.encode("utf-8")
    if codec == "mov_text":
        data = data[:65535].decode("utf-8", "ignore").encode("utf-8")
        return struct.pack(">H", len(data)) + data
    return data
