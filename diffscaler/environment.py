"""A virtual environment and what was installed into it. Only the standard library; readable by Python 3.7 or newer."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUPPORTED = ((3, 10), (3, 11), (3, 12))
LOCK_NAME = ".diffscaler-lock"


class Environment:
    """Where an environment's parts lie, and which groups of requirements were installed to the end."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.prefix / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def site_packages(self) -> Path:
        """Where pip puts packages; a folder that does not exist when the environment is not made yet."""
        if sys.platform == "win32":
            return self.prefix / "Lib" / "site-packages"
        return next(self.prefix.glob("lib/python3*/site-packages"), self.prefix / "lib" / "site-packages")

    def ready(self, root: Path, group: str) -> bool:
        """Whether the requirements as they read now were installed to the end. Costs about a millisecond."""
        try:
            return self.python.exists() and self._stamp(group).read_text("utf-8").strip() == fingerprint(root, group)
        except OSError:
            return False

    def unmark(self, group: str) -> None:
        """Say that the group must be installed (again)."""
        self._stamp(group).unlink(missing_ok=True)

    def mark(self, root: Path, group: str) -> None:
        """Say that the group, as it reads now, is installed to the end."""
        unfinished = self.prefix / f".diffscaler-{group}.part"
        unfinished.write_text(fingerprint(root, group) + "\n", "utf-8")
        unfinished.replace(self._stamp(group))

    def _stamp(self, group: str) -> Path:
        return self.prefix / (".diffscaler-requirements" if group == "run" else f".diffscaler-{group}")


def fingerprint(root: Path, group: str) -> str:
    """SHA-256 of what a group asks for: requirements.txt for "run", else its list in pyproject.toml."""
    if group == "run":
        return hashlib.sha256((root / "requirements.txt").read_bytes()).hexdigest()
    return hashlib.sha256("\n".join(group_packages(root, group)).encode()).hexdigest()


def group_packages(root: Path, group: str) -> list[str]:
    """The packages of a dependency group in pyproject.toml (needs Python 3.11, or tomli, which "run" installs)."""
    tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    groups = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [entry for entry in groups[group] if isinstance(entry, str)]


def has_pip(python: Path) -> bool:
    """Whether `python` starts and has pip."""
    return _run([str(python), "-m", "pip", "--version"]).returncode == 0


def make(environment: Environment) -> str:
    """Build the environment afresh, whatever an interrupted start left there.

    Returns "", or what Python said when it could not.
    """
    for child in environment.prefix.iterdir():
        if child.name == LOCK_NAME:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    python = find_python()
    made = _run([python, "-m", "venv", str(environment.prefix)])
    if made.returncode != 0:
        # Debian keeps the part of `venv` that brings pip in a package of its own; another pip can fill in.
        _run([python, "-m", "venv", "--without-pip", str(environment.prefix)])
        _run([python, "-m", "pip", "--python", str(environment.python), "install", "pip"])
    if has_pip(environment.python):
        return ""
    return (made.stdout + made.stderr).strip() or "no reason given"


def find_python() -> str:
    """An interpreter of a supported version: this one, else one that is installed beside it. Exits without one."""
    if tuple(sys.version_info[:2]) in SUPPORTED:
        return sys.executable
    wanted = ("3.11", "3.12", "3.10")
    windows = sys.platform == "win32"
    for command in [["py", f"-{version}"] if windows else [f"python{version}"] for version in wanted]:
        answer = _run([*command, "-c", "import sys; print(sys.executable)"])
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    require_supported(sys.version_info[:2])
    raise AssertionError("an unsupported version has exited above")


def require_supported(version: Any) -> None:
    """Exit with one sentence unless `version`, (major, minor), is one the packages exist for."""
    if tuple(version) not in SUPPORTED:
        sys.exit(
            f"DiffScaler Studio needs Python 3.10, 3.11 or 3.12; this is Python {version[0]}.{version[1]}. "
            "Install Python 3.11 from https://www.python.org/downloads/ and run: python3.11 app.py"
        )


def _run(command: Sequence[str]) -> Any:
    """subprocess.run with the output kept; a command that does not exist counts as one that failed."""
    try:
        return subprocess.run(list(command), capture_output=True, text=True)
    except OSError as error:
        return subprocess.CompletedProcess(list(command), 127, "", str(error))
