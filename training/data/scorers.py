"""The networks that score a job's shots: loaded once, when the first is needed, and asked one batch at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from diffscaler.errors import DiffScalerError, NotEnoughRoom
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.scorers import Scorers, pick_scorers
from diffscaler.settings import Settings

if TYPE_CHECKING:
    from diffscaler.scorers.aesthetics import Head
    from diffscaler.scorers.clip import Clip

Made = TypeVar("Made")

GO_WITHOUT = "Taken out of the models folder, or with --clip-model none, the rest is prepared without it."


class ScorerFailed(DiffScalerError):
    """A model that scores cannot be used: that ends the job, and is no fault of the clip at hand."""


@dataclass(frozen=True)
class Opened:
    """head: None when there is none; batch: frames looked at at once"""

    clip: Clip
    head: Head | None
    batch: int


@dataclass
class Models:
    """What scores, and where. clip, head: revisions; head: "" for none; threads: of the networks on a CPU, 0: all"""

    specs: Scorers
    clip: str
    head: str
    device: str | None
    threads: int

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._failure: DiffScalerError | None = None

    @classmethod
    def choose(cls, settings: Settings, clip: str = "", head: str = "", device: str = "") -> Models | None:
        """Those installed under the names given, see models.scorers.pick_scorers; nothing is loaded yet.

        Raises ModelNotFound.
        """
        catalogue = Catalogue(settings)
        found = pick_scorers(catalogue, clip, head)
        if found is None:
            return None
        revision = catalogue.ref(found.clip).revision
        rating = catalogue.ref(found.head).revision if found.head else ""
        return cls(found, revision, rating, device or settings.device, settings.threads)

    @property
    def titles(self) -> dict[str, str]:
        """What scored, for people: field of Scores -> the model."""
        titles = {"clip": self.specs.clip.title}
        return titles | ({"aesthetics": self.specs.head.title} if self.specs.head else {})

    def opened(self) -> Opened:
        """The networks, loaded at the first call. Raises ScorerFailed, NotEnoughRoom."""
        if self._opened is None:
            with self._lock:
                self._opened = self._opened or self._open()
        return self._opened

    def ask(self, how: Callable[[Opened], Made]) -> Made:
        """What the networks answer, one question at a time. Raises ScorerFailed, NotEnoughRoom."""
        opened = self.opened()
        with self._lock:
            try:
                return how(opened)
            except Exception as error:
                raise failed(self.specs.clip.title, error) from error

    def _open(self) -> Opened:
        if self._failure is None:  # other clips that are being read do not try again
            try:
                return self._load()
            except NotEnoughRoom as error:
                self._failure = error
            except DiffScalerError as error:
                self._failure = ScorerFailed(error.message, f"{error.hint} {GO_WITHOUT}".strip())
        raise self._failure

    def _load(self) -> Opened:
        import torch

        from diffscaler.models.device import pick_device
        from diffscaler.scorers.aesthetics import check_width

        device = pick_device(self.device)
        torch.set_num_threads(self.threads or os.cpu_count() or 1)
        head: Any = self.specs.head.load(device) if self.specs.head else None
        clip = self.specs.clip.load(device)
        if head is not None and self.specs.head:
            check_width(head, self.specs.head, clip.width, self.specs.clip)
        return Opened(clip, head, 8 if device.kind == "cpu" else 64)


def failed(title: str, error: Exception) -> DiffScalerError:
    """What went wrong while a model worked, as a sentence."""
    from diffscaler.text2video.frugal import ran_out_of_memory

    if isinstance(error, DiffScalerError):
        return error
    if ran_out_of_memory(error):
        return NotEnoughRoom(f"The memory is not enough for {title}.", "Close other programs, or use a smaller model.")
    reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return ScorerFailed(f"{title} could not score the shots: {reason}", f"Add it again. {GO_WITHOUT}")
