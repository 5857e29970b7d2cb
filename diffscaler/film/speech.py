"""Scratch dialogue: a speech program that is installed, run as a program with its words on standard input.

espeak-ng (GPL-3.0) is no part of the studio and is not installed by it; where it is found on the path it is used, as a
program of its own. No shell is involved, and what is spoken is never an argument.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from diffscaler.errors import DiffScalerError

PROGRAM = "espeak-ng"
TIMEOUT_S = 60.0

#: Words a minute: as shots are timed, and the most that can still be followed.
USUAL_WPM, QUICKEST_WPM = 160, 280

#: espeak reads words between these as phonemes.
_PHONEMES = re.compile(r"\[\[|\]\]")


class SpeechFailed(DiffScalerError):
    """The speech program did not do what it was asked to."""


@dataclass(frozen=True)
class Voice:
    """language: "en", "de"; variant: of its voice, "f2", "" for its own; pitch: 0 to 99"""

    language: str = "en"
    variant: str = ""
    pitch: int = 50

    @property
    def name(self) -> str:
        return f"{self.language}+{self.variant}" if self.variant else self.language


def speech_program() -> Path | None:
    """Where the speech program is; None when it is not installed."""
    found = shutil.which(PROGRAM)
    return Path(found) if found else None


def version_of(program: Path) -> str:
    """ "espeak-ng 1.51". Raises SpeechFailed."""
    told = _run([str(program), "--version"], b"").decode("utf-8", "replace")
    found = re.search(r"\d+(?:\.\d+)+", told)
    return f"{PROGRAM} {found[0] if found else 'unknown'}"


def speak(program: Path, text: str, voice: Voice, wpm: int, target: Path) -> None:
    """Write what is said as a WAV file. wpm: words a minute

    Raises SpeechFailed when the program fails, takes more than a minute, or writes nothing.
    """
    options = ["-v", voice.name, "-p", str(voice.pitch), "-s", str(wpm), "-b", "1", "-w", str(target), "--stdin"]
    _run([str(program), *options], (_PHONEMES.sub(" ", text) + "\n").encode())
    if not target.is_file() or target.stat().st_size < 44:  # a WAV's head
        raise SpeechFailed(f"{PROGRAM} wrote no sound.", f"Try `{PROGRAM} -v {voice.name} hello`.")


def _run(command: list[str], said: bytes) -> bytes:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(
            command,
            input=said,
            capture_output=True,
            timeout=TIMEOUT_S,
            creationflags=flags,
            env=os.environ,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SpeechFailed(f"{PROGRAM} did not finish within a minute.", "Use --speech off.") from error
    except OSError as error:
        raise SpeechFailed(f"{PROGRAM} cannot be started: {error.strerror or error}.", "Use --speech off.") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SpeechFailed(f"{PROGRAM} failed: {told[-1] if told else f'exit code {done.returncode}'}.",
                           "Choose another --language, or --speech off.")  # fmt: skip
    return done.stdout
