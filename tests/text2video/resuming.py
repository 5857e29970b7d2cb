"""How a stop in the middle of sampling is tried, with any family."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from diffscaler.text2video.bypass import replaced_forward
from diffscaler.text2video.tape import Tape, networks, taped

Draw = Callable[[Callable[..., None]], np.ndarray]


class Stopped(Exception):
    """Stop was pressed."""


@contextmanager
def counted(model: Any) -> Any:
    """Inside, a list that gets one entry for each time that a network of the model is asked."""
    calls: list[int] = []

    def counting(index: int, forward: Any) -> Any:
        def run(*args: Any, **named: Any) -> Any:
            calls.append(index)
            return forward(*args, **named)

        return run

    with replaced_forward(networks(model), counting):
        yield calls


def check_resumes(model: Any, draw: Draw, folder: Path, stop_at: int, controlnet: Any = None) -> None:
    """Drawing that is stopped after `stop_at` steps and begun again ends as if undisturbed, and asks nothing twice.

    draw: draw(on_step) -> latents
    """
    with counted(model) as undisturbed:
        whole = draw(lambda *step: None)
    steps: list[int] = []

    def stop(done: int, *_: Any) -> None:
        if done == stop_at:
            raise Stopped

    with counted(model) as calls:
        try:
            with taped(Tape(folder), model, controlnet):
                draw(stop)
            raise AssertionError("nobody stopped")
        except Stopped:
            pass
        before = len(calls)
        tape = Tape(folder)
        with taped(tape, model, controlnet):
            again = draw(lambda done, *_: steps.append(done))
    assert 0 < before < len(undisturbed) and len(calls) == len(undisturbed)
    assert (tape.replayed, tape.asked) == (before, len(undisturbed) - before)
    assert np.array_equal(whole, again)
    assert steps == list(range(1, len(steps) + 1)), "progress is told from the beginning"
