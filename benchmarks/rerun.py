"""Changing only the last stage of a finished plan, beside the first run of the whole plan."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.local import Quiet, local_studio
from benchmarks.result import Result
from diffscaler.requests import Text2VideoRequest


def run(folder: Path) -> list[Result]:
    studio, engine = local_studio(folder)
    asked = Text2VideoRequest(prompt="a cat sleeping on a road", seed=1, scale=4)
    # A throw-away clip first: both runs then find the models loaded.
    engine.run(studio.recipe(asked.model_copy(update={"seed": 2})).root, Quiet())

    def seconds(request: Text2VideoRequest) -> float:
        root = studio.recipe(request).root
        began = time.perf_counter()
        engine.run(root, Quiet())
        return time.perf_counter() - began

    whole = seconds(asked)
    changed = seconds(asked.model_copy(update={"quality": 20}))
    return [Result("rerun", changed, "s", "first run: prompt to upscaled file", whole, "lower")]
