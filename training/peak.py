"""The most memory a run has taken."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


def peak_bytes(device: torch.device) -> int:
    """The most a card has lent this process so far; elsewhere the most the process has had in memory at once."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The peak resident set of this process since it began."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if (peak := _high_water()) is not None:
        return peak
    import resource

    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def _high_water() -> int | None:
    """Linux's own figure. ru_maxrss begins at that of the process this one was started by, which may be a worker with
    models in memory."""
    try:
        rows = STATUS.read_text(encoding="ascii").splitlines()
        return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
