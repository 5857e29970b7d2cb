"""Models are lent, not owned: a lent model never moves, an idle one stays until its room is needed.

Memory is counted in bytes against one budget per worker. Idle models leave least recently used first. Every move is
recorded with its reason, so that a slow run can be explained.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from diffscaler.errors import NotEnoughRoom
from diffscaler.models.fit import Fit
from diffscaler.models.spec import ModelSpec

GIB = 2**30


@dataclass(frozen=True)
class Move:
    """A model that came or went. seconds: how long it took; free_bytes: left in the budget afterwards."""

    model: str
    action: Literal["loaded", "unloaded"]
    reason: str
    seconds: float
    free_bytes: int

    def __str__(self) -> str:
        return f"{self.action} {self.model} ({self.reason}; {self.seconds:.1f} s; {self.free_bytes / GIB:.1f} GB left)"


@dataclass
class Resident:
    """A model in memory; bytes: what it takes; lent: how many blocks use it now; used: when the last one ended
    (monotonic seconds)."""

    spec: ModelSpec
    model: Any
    bytes: int
    lent: int = 0
    used: float = field(default_factory=time.monotonic)


class Residency:
    """Lends models within `budget_bytes`.

    device: passed to every loader; on_move: told about each move, e.g. to log it; fit: how a model is made to fit into
    a budget, and what it then takes
    The lock is held while a model loads: two stages of one worker never load at once.
    """

    def __init__(
        self,
        device: Any,
        budget_bytes: int,
        on_move: Callable[[Move], None] | None = None,
        fit: Callable[[ModelSpec, int], Fit] = lambda spec, budget_bytes: Fit((), spec.working_bytes),
    ) -> None:
        self.device = device
        self.fit = fit
        self.budget_bytes = budget_bytes
        self.on_move = on_move or (lambda move: None)
        self._residents: dict[tuple[str, str], Resident] = {}
        self._lock = threading.RLock()

    @property
    def resident(self) -> list[str]:
        """Names of the models in memory, least recently used first."""
        with self._lock:
            return [entry.spec.name for entry in sorted(self._residents.values(), key=lambda entry: entry.used)]

    @property
    def used_bytes(self) -> int:
        return sum(entry.bytes for entry in self._residents.values())

    @contextmanager
    def acquire(self, spec: ModelSpec, revision: str) -> Iterator[Any]:
        """Lend a model for the block; load it first when it is not in memory.

        Raises NotEnoughRoom when it does not fit beside the models that are lent.
        """
        key = (spec.name, revision)
        with self._lock:
            entry = self._residents.get(key) or self._load(key, spec)
            entry.lent += 1
        try:
            yield entry.model
        finally:
            with self._lock:
                entry.lent -= 1
                entry.used = time.monotonic()

    def clear(self, reason: str) -> None:
        """Unload every model that is not lent."""
        with self._lock:
            for key in [key for key, entry in self._residents.items() if not entry.lent]:
                self._unload(key, reason)

    def _load(self, key: tuple[str, str], spec: ModelSpec) -> Resident:
        fit = self.fit(spec, self.budget_bytes)
        self._make_room(spec, fit.needed_bytes)
        began = time.monotonic()
        device = replace(self.device, rungs=fit.rungs) if fit.rungs else self.device
        entry = Resident(spec, spec.load(device), fit.needed_bytes)
        self._residents[key] = entry
        self._record(spec.name, "loaded", fit.words or "asked for", began)
        return entry

    def _make_room(self, spec: ModelSpec, needed_bytes: int) -> None:
        while self.used_bytes + needed_bytes > self.budget_bytes:
            idle = [key for key, entry in self._residents.items() if not entry.lent]
            if not idle:
                raise NotEnoughRoom(
                    f"The model {spec.name} needs {needed_bytes / GIB:.1f} GB;"
                    f" {max(0, self.budget_bytes - self.used_bytes) / GIB:.1f} GB of memory are free for models.",
                    "Pick a smaller model, or raise DIFFSCALER_MEMORY_BUDGET_GB.",
                )
            self._unload(min(idle, key=lambda key: self._residents[key].used), f"room for {spec.name}")

    def _unload(self, key: tuple[str, str], reason: str) -> None:
        began = time.monotonic()
        name = self._residents.pop(key).spec.name
        gc.collect()
        empty_cache = getattr(self.device, "empty_cache", None)
        if empty_cache:
            empty_cache()
        self._record(name, "unloaded", reason, began)

    def _record(self, name: str, action: Literal["loaded", "unloaded"], reason: str, began: float) -> None:
        self.on_move(Move(name, action, reason, time.monotonic() - began, self.budget_bytes - self.used_bytes))
