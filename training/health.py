"""Whether a run is well: numbers that are none, and a loss that runs away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

#: Updates in a row without finite gradients before a run gives up.
MOST_SKIPPED = 10

#: Memory of the smoothed loss, and steps before it says anything.
SMOOTHING, SETTLED = 0.98, 50


@dataclass
class Health:
    """factor: the alarm sounds when the smoothed loss is this many times its lowest; 0 never.

    The smoothed loss is an exponential average with its bias taken out (Kingma & Ba 2015, section 3).
    """

    factor: float
    average: float = 0.0
    steps: int = 0
    lowest: float = math.inf
    alarmed: bool = False
    skipped: int = 0

    @property
    def smoothed(self) -> float:
        """The smoothed loss; NaN before the first step."""
        return self.average / (1 - SMOOTHING**self.steps) if self.steps else math.nan

    def skip(self) -> bool:
        """Note an update that was left out for want of finite numbers; True when there were too many in a row."""
        self.skipped += 1
        return self.skipped >= MOST_SKIPPED

    def add(self, loss: float) -> bool:
        """Note a finite loss; True when the alarm sounds now, which it does once for each time it runs away."""
        self.skipped = 0
        self.average = SMOOTHING * self.average + (1 - SMOOTHING) * loss
        self.steps += 1
        if self.steps < SETTLED:
            return False
        self.lowest = min(self.lowest, self.smoothed)
        away = bool(self.factor) and self.smoothed > self.factor * self.lowest
        sounds = away and not self.alarmed
        self.alarmed = away
        return sounds

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {name: getattr(self, name) for name in ("average", "steps", "lowest", "alarmed")}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for name in self.state():
            setattr(self, name, state[name])
