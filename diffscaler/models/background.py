"""Waiting for the network without being deaf: Stop is heard at once even while a server says nothing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from diffscaler.errors import JobCancelled

T = TypeVar("T")

LISTEN_S = 0.1
# Blocks that may wait between network and disk; with fetch.BLOCK_BYTES this bounds the memory of a download.
WAITING = 8


def in_background(items: Callable[[], Iterator[T]], stopped: Callable[[], bool]) -> Iterator[T]:
    """What `items()` yields and raises, produced in a thread of its own.

    Raises JobCancelled within LISTEN_S of Stop. A thread that still waits for the network then is left behind; it
    ends with its own time limit and touches nothing but its connection.
    """
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(WAITING)
    left = threading.Event()

    def offer(more: bool, value: T | BaseException | None) -> bool:
        while not left.is_set():
            try:
                ready.put((more, value), timeout=LISTEN_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        source = items()
        try:
            for item in source:
                if not offer(True, item):
                    return
            offer(False, None)
        except BaseException as error:  # it belongs to whoever reads
            offer(False, error)
        finally:
            getattr(source, "close", lambda: None)()

    threading.Thread(target=work, daemon=True, name="download").start()
    try:
        while True:
            if stopped():
                raise JobCancelled
            try:
                more, value = ready.get(timeout=LISTEN_S)
            except queue.Empty:
                continue
            if isinstance(value, BaseException):
                raise value
            if not more:
                return
            yield value  # type: ignore[misc]
    finally:
        left.set()


def pause(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait. Raises JobCancelled on Stop."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stopped():
            raise JobCancelled
        time.sleep(min(LISTEN_S, left))
