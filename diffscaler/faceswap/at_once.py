"""Several faces worked on at the same time, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

TICK_S = 0.5  # Stop must be noticed while a slow network works


def runs_at_once(session: Any) -> int:
    """How many runs of an onnxruntime session go on at once.

    One on a card: it is busy with one already, and keeps memory for every thread that asks it. On a CPU as many as
    there are threads, each run on its own: they never wait for each other.
    """
    from diffscaler.models import device

    return device.network_threads() if session.get_providers()[0] == "CPUExecutionProvider" else 1


def in_order(
    work: Callable[[Item], Made],
    items: Iterable[Item],
    threads: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Made]:
    """`work` of every item, in their order, while the next items are being fetched.

    items: asked for in the caller's thread, at most `threads` of them ahead; work may wait for what earlier items began
    tick: called in the caller's thread at least every TICK_S of waiting; when it raises, what has begun is finished
    """
    begun: deque[Future[Made]] = deque()

    def oldest() -> Made:
        while not wait([begun[0]], TICK_S).done:
            tick()
        return begun.popleft().result()

    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                while len(begun) > threads:
                    yield oldest()
            while begun:
                yield oldest()
        finally:
            for future in begun:
                future.cancel()


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
