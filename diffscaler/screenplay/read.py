"""A screenplay from a file, whatever its format."""

from __future__ import annotations

from pathlib import Path

from diffscaler.errors import ScriptError
from diffscaler.screenplay.fdx import read_fdx
from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.script import Script
from diffscaler.screenplay.source import decoded, read_bytes

SUFFIXES = (".fountain", ".fdx", ".spmd", ".txt")


def read_script(path: Path) -> Script:
    """The script in a Fountain or FDX file, told apart by what is in it.

    Raises ScriptError for what is no script: not text, cut off, too large, or without any scene.
    """
    data = read_bytes(path)
    if is_fdx(path, data):
        return _with_scenes(read_fdx(data, path.name), path.name)
    return script_of(decoded(data, path.name), path.name)


def script_of(text: str, name: str) -> Script:
    """The script in a Fountain text. name: what it is called in errors. Raises ScriptError without any scene."""
    return _with_scenes(read_fountain(text), name)


def is_fdx(path: Path, data: bytes) -> bool:
    """Whether a file is Final Draft's, by its name or its first bytes."""
    return path.suffix.lower() == ".fdx" or data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml")


def _with_scenes(script: Script, name: str) -> Script:
    if not script.scenes:
        raise ScriptError(
            f"{name} has no scene.",
            "Begin scenes with a heading like INT. KITCHEN - NIGHT, a blank line above it, or force one with a dot.",
        )
    return script
