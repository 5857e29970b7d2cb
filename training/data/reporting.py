"""How far preparing is, for whoever started it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.shot import Clip, Fault
from training.data.layouts.listing import Listing
from training.events import EventLog

REPORT_S = 0.4


@dataclass
class Report:
    """Writes events: "found" (layout, clips), "clip" (done, clips, shots, frames, faults),
    "scored" (done, clips: of shots), "prepared"."""

    events: EventLog
    clips: int = 0
    done: int = 0
    shots: int = 0
    frames: int = 0
    faults: int = 0
    began: float = field(default_factory=time.monotonic)
    told: float = float("-inf")

    def found(self, listing: Listing) -> None:
        """What the folder was found to be."""
        self.clips, self.faults = len(listing.entries), len(listing.faults)
        self.events.write("found", layout=listing.layout, clips=self.clips, faults=self.faults)

    def clip(self, made: Clip | Fault, last: bool) -> None:
        """A clip is done. last: tell it in any case"""
        self.done += 1
        if isinstance(made, Clip):
            self.shots += len(made.shots)
            self.frames += made.num_frames
        else:
            self.faults += 1
        now = time.monotonic()
        if last or self.done == self.clips or now - self.told >= REPORT_S:
            self.told = now
            self.events.write(
                "clip",
                done=self.done,
                clips=self.clips,
                shots=self.shots,
                faults=self.faults,
                frames_per_second=round(self.frames / max(1e-3, now - self.began), 1),
            )

    def scored(self, done: int, shots: int) -> None:
        """So many shots were compared with what is said of them."""
        now = time.monotonic()
        if done == shots or now - self.told >= REPORT_S:
            self.told = now
            self.events.write("scored", done=done, clips=shots)

    def done_with(self, made: Manifest) -> None:
        """All of it is done."""
        self.events.write("prepared", shots=self.shots, kept=sum(1 for _ in made.kept()), faults=self.faults)
