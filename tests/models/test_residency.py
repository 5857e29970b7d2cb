"""Models stay until their room is needed; a lent model never moves."""

from __future__ import annotations

import pytest

from diffscaler.errors import NotEnoughRoom
from diffscaler.models.residency import Move, Residency
from diffscaler.models.spec import ModelSpec


def spec(name: str, size: int = 4) -> ModelSpec:
    loader = "tests.models.test_residency:load"
    return ModelSpec(name=name, title=name, kind="upscaler", loader=loader, working_bytes=size)


def load(spec: ModelSpec, device: object) -> str:
    return f"{spec.name} on {device}"


def test_the_least_recently_used_leaves_first_and_says_why() -> None:
    moves: list[Move] = []
    residency = Residency("cpu", 8, moves.append)
    for name in ("a", "b", "a", "c"):
        with residency.acquire(spec(name), "1") as model:
            assert model == f"{name} on cpu"
    assert residency.resident == ["a", "c"]
    assert [(m.action, m.model, m.reason) for m in moves] == [
        ("loaded", "a", "asked for"),
        ("loaded", "b", "asked for"),
        ("unloaded", "b", "room for c"),
        ("loaded", "c", "asked for"),
    ]


def test_a_lent_model_never_moves() -> None:
    residency = Residency("cpu", 8)
    with residency.acquire(spec("a", 5), "1"):
        with pytest.raises(NotEnoughRoom, match="needs"), residency.acquire(spec("b", 5), "1"):
            pass
        residency.clear("test")
        assert residency.resident == ["a"]
    residency.clear("test")
    assert residency.resident == []


def test_another_revision_is_another_model() -> None:
    loads: list[Move] = []
    residency = Residency("cpu", 100, loads.append)
    for revision in ("1", "1", "2"):
        with residency.acquire(spec("a"), revision):
            pass
    assert len(loads) == 2
