"""Several faces at the same time: in order, stopped at once, and to the same pixels."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diffscaler.errors import JobCancelled
from diffscaler.faceswap import at_once as module
from diffscaler.faceswap.at_once import at_once, runs_at_once
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.models import device
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import Surroundings, frames_of, still

MODELS = tuple(ModelRef(name=name, revision="1") for name in ("centerface", "inswapper", "arcface"))


def test_results_come_in_order_whichever_is_ready_first() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert list(at_once(slow_at_first, range(5), 2)) == [0, 1, 4, 9, 16]
    assert list(at_once(slow_at_first, [], 2)) == []


def test_stop_is_noticed_while_a_face_is_drawn_and_the_rest_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    begun: list[int] = []
    asked: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.2)
        return number

    def stop(number: int) -> None:
        asked.append(number)
        if len(asked) == 3:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        list(at_once(work, range(20), 2, stop))
    assert len(begun) <= 4 and set(asked) == {0}


def test_a_card_gets_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "network_threads", lambda: 3)
    card, cpu = (
        SimpleNamespace(get_providers=lambda first=first: [first, "CPUExecutionProvider"])
        for first in ("CUDAExecutionProvider", "CPUExecutionProvider")
    )
    assert runs_at_once(card) == 1 and runs_at_once(cpu) == 3


def test_networks_whose_runs_go_side_by_side_take_one_thread_each(detector: Any, tmp_path: Any) -> None:
    """More would only wait for each other: as many runs go on as there are cores."""
    recognizer = load_recognizer(tiny_onnx.Spec(tiny_onnx.arcface(tmp_path / "w600k_r50.onnx")))
    swapper = load_swapper(tiny_onnx.Spec(tiny_onnx.swapper(tmp_path / "inswapper_128.onnx")))
    for network in (detector, recognizer, swapper):
        assert network.session.get_session_options().intra_op_num_threads == 1


def test_two_faces_at_once_are_the_two_faces_one_by_one(
    detector: Any, photo: Any, two_people: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapper = load_swapper(tiny_onnx.Spec(tiny_onnx.swapper(tmp_path / "inswapper_128.onnx")))
    arcface = load_recognizer(tiny_onnx.Spec(tiny_onnx.arcface(tmp_path / "w600k_r50.onnx")))
    around = Surroundings({"centerface": detector, "inswapper": swapper, "arcface": arcface}, photo)
    frames = still(two_people, 4)

    def made(threads: int) -> tuple[Any, Any]:
        monkeypatch.setattr(device, "network_threads", lambda: threads)
        found = around.detect(frames)
        return found, frames_of(around.swap(frames, found, models=MODELS, engine="inswapper"))

    found, swapped = made(3)
    alone, one_by_one = made(1)
    assert np.array_equal(swapped, one_by_one) and not np.array_equal(swapped, frames)
    for name, values in found[0].tensors.items():
        assert np.array_equal(values, alone[0].tensors[name]), name
