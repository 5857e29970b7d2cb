"""A script's file as text: whatever wrote it, and only if it is text."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from diffscaler.errors import ScriptError

#: A 120-page script has a fifth of a megabyte; a novel one.
LARGEST_BYTES = 8_000_000

_EXPORT = "Save the script as Fountain (.fountain) or Final Draft (.fdx), then open that file."

#: What files begin with that are given a wrong ending, or are no text.
_OTHER = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a packed document (Word, Highland, Fade In)"),
    (b"\xd0\xcf\x11\xe0", "an old Word document"),
    (b"{\\rtf", "an RTF document"),
)


def read_bytes(path: Path) -> bytes:
    """A script's bytes. Raises ScriptError for a file that is absent, empty, too large or of another kind."""
    if not path.is_file():
        raise ScriptError(f"There is no file {path.name}.", "Check its name and folder.")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise ScriptError(
            f"{path.name} has {size / 1e6:.0f} MB; a script is smaller than {LARGEST_BYTES / 1e6:.0f} MB.",
            "Check that it is the script, and no film or log file.",
        )
    data = path.read_bytes()
    for start, kind in _OTHER:
        if data.startswith(start):
            raise ScriptError(f"{path.name} is {kind}, not a screenplay in text.", _EXPORT)
    return data


def decoded(data: bytes, name: str) -> str:
    """Text of a script's bytes: UTF-8 or UTF-16 with or without its mark, else Windows-1252, else Latin-1.

    Raises ScriptError when they are no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise ScriptError(f"{name} is damaged: its text ends within a letter.", "Save it again.") from error
    odd = sum(data.count(bytes([code])) for code in (*range(9), *range(14, 27), *range(28, 32)))
    if b"\0" in data or odd > len(data) / 100:
        raise ScriptError(f"{name} is not a text file.", _EXPORT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines_of(text: str) -> list[str]:
    """The lines of a text, by its line feeds and carriage returns only; tabs become four spaces."""
    return [line.replace("\t", "    ") for line in re.split(r"\r\n|\r|\n", text)]
