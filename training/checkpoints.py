"""The checkpoints of a run: folders that are whole or not there, the newest and the best of them kept.

A folder is written beside its place, its manifest (size and SHA-256 of every file) last, and then renamed: a process
killed at any moment leaves the earlier ones as they were.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.library.files import flush_to_disk, sha256_of

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Saved:
    """One checkpoint, by its manifest. held_out: its held-out loss, NaN where none was measured; good: kept because
    the loss ran away after it."""

    folder: Path
    step: int
    held_out: float = math.nan
    good: bool = False


class NotSaved(Exception):
    """A checkpoint could not be written; those before it are untouched. The text says why."""


class Checkpoints:
    """The folder of a run's checkpoints. keep: how many of the newest stay; that of the best held-out loss does too."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def begin(self, step: int) -> Path:
        """An empty folder to fill for `finish`. Raises NotSaved."""
        part = self.folder / f"step-{step:08d}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            return part
        except OSError as error:
            raise NotSaved(str(error.strerror)) from error

    def finish(self, part: Path, step: int, held_out: float = math.nan) -> Saved:
        """Make the filled folder of `begin` a checkpoint; `tidy` may follow. Raises NotSaved."""
        target = part.with_suffix("")
        try:
            written = sorted(part.iterdir())
            for path in written:
                flush_to_disk(path)
            about: dict[str, Any] = {"step": step, "files": {path.name: _fingerprint(path) for path in written}}
            if math.isfinite(held_out):
                about["held_out"] = held_out
            _write_manifest(part / MANIFEST, about)
            shutil.rmtree(target, ignore_errors=True)  # of a run that came here before, from an older checkpoint
            os.replace(part, target)
            _flush_folder(self.folder)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise NotSaved(str(error.strerror)) from error
        return Saved(target, step, held_out)

    def all(self) -> list[Saved]:
        """Every checkpoint that has a manifest, oldest first."""
        found = []
        for folder in sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []:
            if re.fullmatch(r"step-\d+", folder.name) and (about := _manifest(folder)):
                held_out = float(about.get("held_out", math.nan))
                found.append(Saved(folder, int(about["step"]), held_out, bool(about.get("good"))))
        return sorted(found, key=lambda saved: saved.step)

    def best(self) -> Saved | None:
        """The checkpoint of the lowest held-out loss; None where none was measured."""
        return min((s for s in self.all() if not math.isnan(s.held_out)), key=lambda s: s.held_out, default=None)

    def keep_good(self, before_step: int) -> Saved | None:
        """Mark the last checkpoint of at most `before_step` as one to keep for good, and return it. Raises NotSaved
        when the mark cannot be written: the checkpoint is there, and counts like any other."""
        good = max((s for s in self.all() if s.step <= before_step), key=lambda s: s.step, default=None)
        if good and not good.good and (about := _manifest(good.folder)):
            part = good.folder / f"{MANIFEST}.part"
            try:
                _write_manifest(part, {**about, "good": True})
                os.replace(part, good.folder / MANIFEST)
            except OSError as error:
                raise NotSaved(str(error.strerror)) from error
        return good

    def whole(self, say: Callable[[str], None], best: bool = False) -> Saved | None:
        """The newest (or best) checkpoint whose files are what its manifest says.

        say: told one sentence for each checkpoint that is passed over because it is damaged
        """
        order = self.all()[::-1]
        if best and (first := self.best()):
            order = [first, *(saved for saved in order if saved != first)]
        for folder in sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []:
            if re.fullmatch(r"step-\d+", folder.name) and _manifest(folder) is None:
                say(f"The checkpoint {folder.name} is damaged (its manifest cannot be read); an older one is used.")
        for saved in order:
            if (damage := damage_of(saved.folder)) is None:
                return saved
            say(f"The checkpoint of step {saved.step} is damaged ({damage}); the one before it is used.")
        return None

    def set_aside(self, after_step: int) -> None:
        """Rename what is newer than the checkpoint a run goes on from: it is no part of the run any more, and would be
        taken for its newest. Raises OSError."""
        for folder in self.folder.glob("step-*") if self.folder.is_dir() else []:
            if re.fullmatch(r"step-\d+", folder.name) and int(folder.name[5:]) > after_step:
                target, number = folder.with_name(f"{folder.name}.aside"), 2
                while target.exists():
                    target, number = folder.with_name(f"{folder.name}.aside-{number}"), number + 1
                os.replace(folder, target)

    def clear_parts(self) -> None:
        """Remove what a killed run left half written."""
        for part in self.folder.glob("step-*.part") if self.folder.is_dir() else []:
            shutil.rmtree(part, ignore_errors=True)

    def tidy(self) -> str:
        """Drop the checkpoints that are no longer wanted; those that cannot be dropped stay until the next time.

        Returns why the first of these could not, "" when all could.
        """
        saved, best, problem = self.all(), self.best(), ""
        for old in saved[: -self.keep]:
            if not old.good and (best is None or old.folder != best.folder):
                # Renamed first: half a checkpoint must never look like one.
                part = old.folder.with_name(f"{old.folder.name}.part")
                try:
                    os.replace(old.folder, part)
                except OSError as error:  # on Windows, somebody has a file of it open
                    problem = problem or str(error.strerror)
                    continue
                shutil.rmtree(part, ignore_errors=True)
        return problem


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return about if isinstance(about["files"], dict) and isinstance(about["step"], int) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def damage_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None when it is whole."""
    about = _manifest(folder)
    if about is None:
        return "its manifest cannot be read"
    for name, expected in about["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["size"]:
            return f"{name} is {path.stat().st_size} bytes long, not {expected['size']}"
        if _fingerprint(path) != expected:
            return f"{name} is not what was written"
    return None


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}


def _write_manifest(path: Path, about: dict[str, Any]) -> None:
    path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    flush_to_disk(path)


def _flush_folder(folder: Path) -> None:
    """A rename is on the disk once its folder is; Windows has no such call, and needs none."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
