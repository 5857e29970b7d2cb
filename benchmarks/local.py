"""An engine in this process, for cases that measure stages and not the worker around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diffscaler.engine import Engine
from diffscaler.jobs.lender import CatalogueLender
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.residency import Residency
from diffscaler.settings import Settings
from diffscaler.studio import Studio


class Quiet:
    """A watcher that never stops anything."""

    def stopped(self) -> bool:
        return False

    def progress(self, progress: object) -> None:
        return None

    def preview(self, frames: np.ndarray) -> None:
        return None


def local_studio(folder: Path) -> tuple[Studio, Engine]:
    """A studio below `folder` and an engine of its own, on the device the studio would take."""
    from diffscaler import compat
    from diffscaler.models.device import free_memory, pick_device

    compat.install()
    settings = Settings(data_dir=folder)
    studio = Studio(settings)
    device: Any = pick_device(settings.device)
    lender = CatalogueLender(Catalogue(settings), Residency(device, int(free_memory(device) * 0.6)))
    return studio, Engine(studio.library, lender)
