"""How a run talks to whoever started it: lines of JSON out, a wish to stop in."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


class RunError(Exception):
    """A run cannot go on for a reason its user can mend. `hint` says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Stopped(Exception):
    """The run was asked to stop while its data were being made: there is no step to save yet."""


class EventLog:
    """Appends events to a file, one JSON object per line; a reader may follow it while the run goes on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append one event. Opened each time: a line is then whole on disk even if the process is killed next.

        On a full disk the event goes to stderr: the run itself may still end well.
        """
        line = json.dumps({"event": event, "time": round(time.time(), 1), **fields})
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            print(f"{self.path.name} could not be written ({error.strerror}): {line}", file=sys.stderr)


class StopSignal:
    """True once the run should end: SIGTERM, SIGINT, or the process that started it is gone."""

    def __init__(self) -> None:
        self.requested = False
        self._parent = os.getppid()
        self._parent_started = _start_time(self._parent)

    def install(self) -> None:
        """Listen to the signals; only from a process's main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.requested = True

    def __bool__(self) -> bool:
        return self.requested or self._orphaned()

    def _orphaned(self) -> bool:
        # On POSIX an orphan gets a new parent. Windows keeps the old id, which another process may reuse.
        if sys.platform != "win32":
            return os.getppid() != self._parent
        return _start_time(self._parent) != self._parent_started


class Preparing:
    """Signs of life while the data of a run are made, and an ear for Stop.

    name: of the events; every: items between two of them.
    """

    def __init__(self, events: EventLog, stop: StopSignal, name: str, total: int, every: int) -> None:
        self.events, self.stop, self.name, self.total, self.every = events, stop, name, total, every

    def __call__(self, done: int) -> None:
        """Say that `done` items are made. Raises Stopped."""
        if done % self.every == 0:
            self.events.write(self.name, done=done, clips=self.total)
            if self.stop:
                raise Stopped


def _start_time(pid: int) -> float:
    if sys.platform != "win32":
        return 0.0
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
