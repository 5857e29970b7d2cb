"""What the doctor can mend: all of it by pip, in the environment this program runs in."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from diffscaler import installer
from diffscaler.doctor.probes import Check, site_packages


def fix(rows: Iterable[Check], root: Path, pip: installer.Pip, say: Callable[[str], None]) -> bool:
    """Repair what failed and can be repaired; returns whether anything was done.

    Run it in a process that has not loaded the packages: Windows cannot replace a loaded library.
    Raises installer.InstallFailed.
    """
    wanted = list(dict.fromkeys(row.repair for row in rows if not row.ok and row.repair))
    lines = requirement_lines(root)
    build = installer.torch_build()
    for repair in wanted:
        say(f"Repairing {repair}.")
        if repair == "torch":
            installer.install_torch(root, pip, say, again=True)
        elif repair == "onnxruntime":
            if not installer.mend_onnxruntime(build, pip, say, site_packages()):
                name = "onnxruntime-gpu" if build == "cuda" else "onnxruntime"
                _reinstall(lines.get(name, name), pip)
        else:
            _reinstall(lines.get(repair, repair), pip)
    return bool(wanted)


def requirement_lines(root: Path) -> dict[str, str]:
    """requirements.txt by distribution name."""
    rows = (line.split("#")[0].strip() for line in (root / "requirements.txt").read_text("utf-8").splitlines())
    return {re.split(r"[\s<>=~!;\[]", row)[0].lower(): row for row in rows if row}


def pip_here(say: Callable[[str], None]) -> installer.Pip:
    """pip of this interpreter."""
    return installer.pip_of(Path(sys.executable), Path(sys.prefix) / installer.LOG_NAME, say)


def _reinstall(requirement: str, pip: installer.Pip) -> None:
    # Its dependencies once more without force: a missing one may be the fault.
    if pip(["install", "--force-reinstall", "--no-deps", requirement]) != 0 or pip(["install", requirement]) != 0:
        raise installer.InstallFailed(f"Reinstalling {requirement} did not work. Is there an internet connection?")
