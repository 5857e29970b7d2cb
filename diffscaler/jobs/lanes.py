"""Lanes: what strains different parts of a machine runs beside each other, each lane in a worker process of its own.

Clips and training take turns on the device; downloads take the network and the disk, one at a time, and no render waits
behind one. A job's kind decides its lane, so a queue written before there were lanes is read as it is.
"""

from __future__ import annotations

import socket
from typing import Literal

from filelock import FileLock

from diffscaler.jobs.job import Kind
from diffscaler.settings import Settings

Lane = Literal["device", "downloads"]

KINDS: dict[Lane, tuple[Kind, ...]] = {"device": ("plan", "train", "prepare", "measure"), "downloads": ("model",)}


def lane_of(kind: Kind) -> Lane:
    """Where jobs of a kind wait and run."""
    return next(lane for lane, kinds in KINDS.items() if kind in kinds)


def holder_of(settings: Settings, lane: Lane) -> str:
    """What a lane's worker on this machine holds leases as: "host/cuda:1", "host/auto" or "host/downloads"."""
    return f"{socket.gethostname()}/{worker_name(settings, lane)}"


def lane_held_by(holder: str) -> Lane:
    """The inverse of `holder_of`, as far as the lane goes."""
    return "downloads" if holder.endswith("/downloads") else "device"


def lock_of(settings: Settings, lane: Lane) -> FileLock:
    """The lock that a lane's running worker holds, and the system releases however the process ends."""
    settings.jobs_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.jobs_dir / f"worker-{worker_name(settings, lane).replace(':', '-')}.lock")


def worker_name(settings: Settings, lane: Lane) -> str:
    """The device for the lane that has one, else the lane."""
    return lane if lane != "device" else settings.device or "auto"
