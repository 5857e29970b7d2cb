"""Carries out plan jobs in the worker: builds the engine once, reports progress and previews to the queue."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler import plan
from diffscaler.engine import Engine
from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import holder_of
from diffscaler.jobs.lender import CatalogueLender
from diffscaler.jobs.queue import JobQueue
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.trim import trim
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.fit import Room, fit_model
from diffscaler.models.residency import Move, Residency
from diffscaler.progress import Progress
from diffscaler.settings import GIB, Settings

log = logging.getLogger("diffscaler.worker")

REPORT_S = 0.2
PREVIEW_S = 0.4


class PlanRunner:
    """Runs plans with models that stay in memory from job to job."""

    def __init__(self, settings: Settings, queue: JobQueue, library: ClipLibrary, catalogue: Catalogue) -> None:
        self.settings = settings
        self.queue = queue
        self.library = library
        self.catalogue = catalogue
        self.moves: list[str] = []
        self._engine: Engine | None = None
        self._residency: Residency | None = None

    def warm_up(self) -> None:
        """Import the libraries and find the device, so that the first job does not wait for it."""
        self.engine()

    def engine(self) -> Engine:
        if self._engine is None:
            from diffscaler import compat
            from diffscaler.models.device import free_memory, pick_device

            compat.install()
            import torch

            device = pick_device(self.settings.device)
            torch.set_num_threads(self.settings.threads or device.cpu_cores)
            asked = int(self.settings.memory_budget_gb * GIB)
            budget = asked or int(free_memory(device) * 0.6)
            device = replace(device, budget_bytes=budget)
            self.queue.room_seen(holder_of(self.settings, "device"), Room(device.kind, device.dtype, budget))
            self._residency = Residency(device, budget, self._on_move, lambda spec, room: fit_model(spec, device, room))
            lender = CatalogueLender(self.catalogue, self._residency)
            reserve = int(self.settings.disk_reserve_gb * GIB)
            self._engine = Engine(self.library, lender, reserve)
            log.info(
                "%s; models may take %.1f GB; %s (%s)", device.name, budget / GIB, device.dtype, device.dtype_reason
            )
        return self._engine

    def run(self, job: Job, stopped: Callable[[], bool]) -> str:
        """Complete a job's clip and return its key. Raises what Engine.run raises."""
        root = plan.load(job.payload["plan"])
        engine = self.engine()
        self.queue.moved_on(job.id, self._stored(root))
        engine.run(root, JobWatcher(self.queue, job.id, stopped))
        if self.library.clip(root.key).meta.kind != "tensors":  # what was only looked up is no clip for the shelf
            self.library.keep(root.key, job.title, job.request)
        trim(self.library, int(self.settings.library_budget_gb * GIB), spare=plan.nodes(root))
        return root.key

    def make_room(self, reason: str) -> None:
        """Unload every idle model."""
        if self._residency is not None:
            self._residency.clear(reason)

    def about(self) -> tuple[str, list[str], list[str]]:
        """(device, resident models, latest moves) for the page."""
        if self._residency is None:
            return "starting", [], self.moves
        return self._residency.device.name, self._residency.resident, self.moves

    def _stored(self, root: plan.Node) -> int:
        keys = [node.key for node in plan.nodes(root)]
        marks = ",".join("?" * len(keys))
        with self.library.db.reading() as db:
            return int(db.execute(f"SELECT COUNT(*) FROM segment WHERE clip IN ({marks})", keys).fetchone()[0])

    def _on_move(self, move: Move) -> None:
        log.info("%s", move)
        self.moves.append(f"{time.strftime('%H:%M:%S')} {move}")


class JobWatcher:
    """engine.Watcher that writes to the queue, no more often than a person can see."""

    def __init__(self, queue: JobQueue, job_id: str, stopped: Callable[[], bool]) -> None:
        self.queue = queue
        self.job_id = job_id
        self.stopped = stopped
        self._reported = self._shown = float("-inf")

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_S and progress.done < progress.total:
            return
        self._reported = now
        row: dict[str, Any] = {**vars(progress), "text": str(progress)}
        self.queue.report(self.job_id, row)

    def preview(self, frames: npt.NDArray[np.uint8]) -> None:
        now = time.monotonic()
        if now - self._shown < PREVIEW_S:
            return
        self._shown = now
        try:
            write_preview(self.queue.preview_path(self.job_id), frames)
        except OSError:  # a job does not fail for want of a picture of itself
            log.warning("no preview", exc_info=True)


def write_preview(path: Path, frames: npt.NDArray[np.uint8]) -> None:
    """Frames, uint8 RGB (N, H, W, 3), as a looping WebP, replaced whole so that no reader sees half of one."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part.webp")
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(part, save_all=True, append_images=pictures[1:], duration=250, loop=0, quality=80, method=0)
    os.replace(part, path)
