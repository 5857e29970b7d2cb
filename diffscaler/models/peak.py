"""How much memory a piece of work takes at its height, on whatever device it runs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from diffscaler.models.device import Device

#: How often memory is looked at where nobody keeps count of its height.
INTERVAL_S = 0.002


@dataclass
class Peak:
    """bytes: the height, known when the work is done; how: what was counted, in words."""

    bytes: int
    how: str


@contextmanager
def peak_memory(device: Device) -> Generator[Peak, None, None]:
    """Inside, the most memory in use is noted; what was in use before counts too.

    A card's own driver, some hundred MiB, is in no count of torch's. Anywhere else the process is looked at from time
    to time: what it holds of main memory, whatever for, and what Apple's GPU holds if that is the device.
    """
    import torch

    gc.collect()
    if device.kind == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device.index)
        peak = Peak(0, "tensors on the card, without its driver")
        try:
            yield peak
        finally:
            peak.bytes = torch.cuda.max_memory_allocated(device.index)
        return
    process, done = psutil.Process(), threading.Event()
    peak = Peak(0, "the whole process, looked at every few milliseconds")

    def look() -> None:
        on_gpu = torch.mps.driver_allocated_memory() if device.kind == "mps" else 0
        peak.bytes = max(peak.bytes, int(process.memory_info().rss) + on_gpu)

    def watch() -> None:
        while not done.wait(INTERVAL_S):
            look()

    look()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        look()
