"""The ladder of memory: predicted from the heads of files, comfortable first."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from diffscaler.errors import NotEnoughRoom
from diffscaler.models.fit import LADDERS, Fit, Room, fit_model, needed_bytes
from diffscaler.models.residency import Residency
from diffscaler.models.sizes import count_in, tensors_in, weight_counts
from diffscaler.models.spec import ModelSpec
from diffscaler.models.traits import Traits

COUNTS = {"text_encoder": 5_000_000_000, "transformer": 1_300_000_000, "vae": 120_000_000}
SIZE = (832, 480, 81)


@dataclass(frozen=True)
class Card:
    kind: str = "cuda"
    dtype: str = "bfloat16"
    torch_name: str = "cuda:0"
    rungs: tuple[str, ...] = ()


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    """A folder of 30 million weights: 20 that read words, 9 that draw, 1 of the VAE."""
    for part, millions in (("text_encoder", 20), ("transformer", 9), ("vae", 1)):
        (tmp_path / part).mkdir()
        save_file({"w": np.zeros((millions, 1_000_000), np.float16)}, tmp_path / part / "model.safetensors")
    return ModelSpec(
        name="m", title="M", kind="text2video", loader="tests.models.test_fit:load", path=tmp_path,
        working_bytes=10**12, native={"width": 64, "height": 64, "num_frames": 8},
    )  # fmt: skip


def load(spec: ModelSpec, device: Card) -> Card:
    return device


def test_weights_are_counted_without_loading_and_two_formats_of_one_are_one(spec: ModelSpec) -> None:
    assert spec.path
    expected = {"text_encoder": 20_000_000, "transformer": 9_000_000, "vae": 1_000_000}
    assert weight_counts(spec.path) == expected
    save_file({"w": np.zeros((9, 1_000_000), np.float16)}, spec.path / "transformer" / "model.fp16.safetensors")
    assert weight_counts(spec.path) == expected


def test_the_tensors_of_a_file_are_told_with_the_bytes_they_take(tmp_path: Path) -> None:
    given = {"a": np.zeros((3, 5), np.float16), "b": np.zeros(7, np.int8), "c": np.zeros((), np.float64)}
    save_file(given, tmp_path / "x.safetensors", metadata={"format": "np"})
    found = tensors_in(tmp_path / "x.safetensors")
    assert {name: (held.shape, held.size_bytes, held.count) for name, held in found.items()} == {
        name: (array.shape, array.nbytes, array.size) for name, array in given.items()
    }


@given(st.binary(max_size=200))
def test_a_damaged_file_counts_as_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("cut") / "x.safetensors"
    file.write_bytes(data)
    assert count_in(file) >= 0


def test_what_only_reads_words_waits_aside() -> None:
    """LTX-2's connectors are read with its encoder, once and before drawing."""
    counts = {"text_encoder": 12_000_000_000, "connectors": 1_400_000_000, "transformer": 19_000_000_000}
    without = {name: count for name, count in counts.items() if name == "transformer"}
    aside = needed_bytes(counts, ("encoders aside",), SIZE, 2)
    assert aside == needed_bytes(without, (), SIZE, 2) < needed_bytes(counts, (), SIZE, 2)


@pytest.mark.parametrize("kind", LADDERS)
def test_each_rung_needs_no_more_than_the_one_above(kind: str) -> None:
    ladder = LADDERS[kind]
    needs = [needed_bytes(COUNTS, ladder[:n], SIZE, 2) for n in range(len(ladder) + 1)]
    assert needs == sorted(needs, reverse=True) and needs[-1] < needs[0]


@given(
    st.dictionaries(st.sampled_from(["text_encoder", "unet", "vae", "transformer"]), st.integers(0, 10**10)),
    st.tuples(st.integers(64, 2048), st.integers(64, 2048), st.integers(1, 257)),
    st.sampled_from([2, 4]),
    st.sampled_from(sorted(LADDERS)),
)
def test_the_ladder_never_goes_up(counts: dict[str, int], size: tuple[int, int, int], weight: int, kind: str) -> None:
    ladder = LADDERS[kind]
    needs = [needed_bytes(counts, ladder[:n], size, weight) for n in range(len(ladder) + 1)]
    assert all(after <= before for before, after in itertools.pairwise(needs))


def test_a_model_that_fits_is_left_alone_and_one_that_does_not_goes_down_as_far_as_it_must(spec: ModelSpec) -> None:
    roomy = replace_bytes(spec, 1)
    assert fit_model(roomy, Card(), 10**9) == Fit((), 1)
    taken = [fit_model(spec, Card(), budget).rungs for budget in (10**12 - 1, 380 * 10**6, 10**6)]
    assert taken[0] == () and taken[1] and len(taken[2]) > len(taken[1])
    assert all(taken[2][: len(rungs)] == rungs for rungs in taken)
    # Not even the last rung fits: that is said with its size, when the model is asked for.
    assert fit_model(spec, Card(), 10**6).needed_bytes > 10**6


def test_a_larger_or_longer_clip_needs_more_and_a_smaller_one_less(spec: ModelSpec) -> None:
    room = Room("cpu", "float32", 10**12)
    sizes = [(64, 64, 4), (64, 64, 8), (64, 64, 16), (128, 128, 16)]
    needs = [fit_model(spec, room, room.budget_bytes, size).needed_bytes for size in sizes]
    assert needs == sorted(set(needs))


def test_what_a_model_took_when_it_was_loaded_stays_taken_for_a_small_clip(spec: ModelSpec) -> None:
    room = Room("cuda", "bfloat16", 360 * 10**6)
    loaded = fit_model(spec, room, room.budget_bytes)
    assert loaded.rungs
    small = fit_model(spec, room, room.budget_bytes, (8, 8, 1))
    assert small.rungs[: len(loaded.rungs)] == loaded.rungs and small.needed_bytes <= loaded.needed_bytes


def test_only_a_model_that_draws_in_windows_is_given_shorter_ones(spec: ModelSpec) -> None:
    room, long = Room("cuda", "bfloat16", 200 * 10**6), (512, 512, 64)
    in_windows = spec.model_copy(update={"traits": Traits(windows=True)})
    assert "short windows" in fit_model(in_windows, room, room.budget_bytes, long).rungs
    assert "short windows" not in fit_model(spec, room, room.budget_bytes, long).rungs
    # A model is loaded before anyone knows how long a clip will be.
    assert "short windows" not in fit_model(in_windows, room, 1).rungs


def replace_bytes(spec: ModelSpec, working_bytes: int) -> ModelSpec:
    return spec.model_copy(update={"working_bytes": working_bytes})


def test_an_upscaler_has_no_ladder(spec: ModelSpec) -> None:
    other = spec.model_copy(update={"kind": "upscaler"})
    assert fit_model(other, Card(), 1).rungs == ()


def test_the_loader_is_told_the_rungs_and_memory_counts_what_they_need(spec: ModelSpec) -> None:
    moves = []
    residency = Residency(Card(), 365 * 10**6, moves.append, lambda s, room: fit_model(s, Card(), room))
    with residency.acquire(spec, "1") as device:
        assert device.rungs == fit_model(spec, Card(), 365 * 10**6).rungs != ()
        assert residency.used_bytes == fit_model(spec, Card(), 365 * 10**6).needed_bytes
    assert "main memory" in moves[0].reason
    tight = Residency(Card(), 10**6, fit=lambda s, room: fit_model(s, Card(), room))
    with pytest.raises(NotEnoughRoom, match="needs"), tight.acquire(spec, "1"):
        pass
    assert replace(Card(), rungs=("x",)).rungs == ("x",)
