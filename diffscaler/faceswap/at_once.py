"""Several faces worked on at the same time, their results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

ON_CPU = 2  # runs of a network; each of them takes `sessions.CPU_THREADS` threads
TICK_S = 0.5  # Stop must be noticed while a slow network works


def runs_at_once(session: Any) -> int:
    """How many runs of an onnxruntime session go on at once.

    One on a card: it is busy with one already, and keeps memory for every thread that asks it.
    """
    return ON_CPU if session.get_providers()[0] == "CPUExecutionProvider" else 1


def at_once(
    work: Callable[[Item], Made],
    items: Sequence[Item],
    threads: int,
    tick: Callable[[Item], None] = lambda _: None,
) -> Iterator[Made]:
    """`work` of every item, in their order.

    tick: called in the caller's thread, at least every TICK_S while an item is waited for; when it raises, what has
    begun is finished and the rest left
    """
    if threads == 1 or len(items) == 1:
        for item in items:
            tick(item)
            yield work(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            for item, future in zip(items, begun, strict=True):
                tick(item)
                while not wait([future], TICK_S).done:
                    tick(item)
                yield future.result()
        finally:
            for future in begun:
                future.cancel()
