"""Which frames, sizes and batches a fine-tuning run sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.cache import TensorCache
from training.data.manifest import Item
from training.events import RunError
from training.finetune.examples import SHAPES, Example, bucket_size, examples_of, read_example
from training.finetune.order import BatchOrder
from training.finetune.sources import data_hash, held_out_of, read_shots


def shot(
    frames: int,
    fps: float = 24.0,
    size: tuple[int, int] = (1920, 1080),
    key: str = "a:0",
    start: int = 0,
    content: str = "a",
) -> Item:
    return Item(Path("clip.mp4"), start, start + frames, ("a dog",), fps, *size, key, content)


@given(st.integers(1, 400), st.floats(1, 120), st.integers(1, 24), st.integers(1, 16))
def test_windows_keep_time_lie_inside_the_shot_and_do_not_repeat_a_frame(frames, fps, wanted, most):
    found = examples_of(shot(frames, fps), wanted, 8.0, most, 512, 0.0, 8)
    assert 1 <= len(found) <= most
    for example in found:
        assert example.frames == tuple(sorted(set(example.frames))) and len(example.frames) <= wanted
        assert example.frames[0] >= 0 and example.frames[-1] < frames
        if fps >= 8 and len(example.frames) > 1:  # eight frames a second, to half a frame of the file
            seconds = (example.frames[-1] - example.frames[0]) / fps
            assert abs(seconds - (len(example.frames) - 1) / 8) <= 1 / fps + 1e-9
    lengths = {len(example.frames) for example in found}
    assert len(lengths) == 1 and (len(found) == 1 or lengths == {wanted})


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_the_bucket_is_the_shape_whose_aspect_is_nearest(width, height):
    found = bucket_size(width, height, 512, 0.0, 8)
    assert found in SHAPES
    off = [abs(np.log(w / h * height / width)) for w, h in SHAPES]
    assert off[SHAPES.index(found)] == min(off)
    doubled = bucket_size(width, height, 1024, 0.0, 8)
    assert doubled == (2 * found[0], 2 * found[1])


def test_a_frame_fills_its_bucket_and_its_crop_is_known(tmp_path):
    left = np.zeros((60, 120, 3), np.uint8)
    left[:, 60:] = 255  # the middle of the picture is the border
    Image.fromarray(left).save(tmp_path / "frame.png")
    item = Item(tmp_path, 0, 1, ("half",), 8.0, 120, 60, "k:0", "k")
    cropped = read_example(Example(item, (0,), 32, 32))
    assert cropped.frames.shape == (1, 32, 32, 3)
    assert (cropped.size, cropped.corner) == ((120, 60), (16, 0))
    assert cropped.frames[0, :, :12].max() < 30 and cropped.frames[0, :, 20:].min() > 225
    assert read_example(Example(item, (0,), 32, 32), (0.0, 0.0)).corner == (0, 0)


def test_frames_of_a_folder_come_in_natural_order(tmp_path):
    for i in range(12):
        Image.fromarray(np.full((16, 16, 3), 20 * i, np.uint8)).save(tmp_path / f"frame_{i}.png")
    (tmp_path / "prompt.txt").write_text("it gets brighter")
    (found,) = read_shots(str(tmp_path), 8.0)
    frames = read_example(Example(found, tuple(range(12)), 16, 16)).frames
    assert [int(value) for value in frames[:, 0, 0, 0]] == [20 * i for i in range(12)]


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99)
)
def test_every_clip_is_seen_once_an_epoch_and_batches_keep_to_a_bucket(buckets, batch, processes, seed):
    order = BatchOrder(buckets, batch, processes, seed)
    again = BatchOrder(buckets, batch, processes, seed)
    for epoch in range(2):
        seen: list[int] = []
        for index in range(epoch * order.per_epoch, (epoch + 1) * order.per_epoch):
            parts = [order.clips(index, process) for process in range(processes)]
            assert all(len(part) == batch for part in parts)
            assert len({buckets[clip] for part in parts for clip in part}) == 1
            seen += [clip for part in parts for clip in part]
        assert set(seen) == set(range(len(buckets)))
    index = 2 * order.per_epoch - 1  # asked for out of order, it is the same batch
    assert again.clips(index, 0) == order.clips(index, 0)
    assert set(order.first(10**6)) == set(range(len(buckets)))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 8))
def test_no_file_is_both_learnt_and_held_out_and_more_data_moves_nothing_back(files, wanted):
    # Keys as both kinds of data make them: a plain folder's, and a prepared data set's.
    for mark in (":", "-"):
        shots = [shot(8, key=f"file{number}{mark}{i}", content=f"file{number}") for i, number in enumerate(files)]
        learnt, apart = held_out_of(shots, wanted)
        assert {s.content for s in learnt}.isdisjoint(s.content for s in apart)
        assert len(learnt) + len(apart) == len(shots) and learnt
        held = wanted if len(set(files)) >= 2 * wanted else 0
        assert len({s.content for s in apart}) == held
        assert [s.content for s in held_out_of(shots[::-1], wanted)[1]] == [s.content for s in apart[::-1]]


def test_a_missing_caption_and_a_missing_folder_are_named(tmp_path):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "still.png")
    with pytest.raises(RunError, match=r"still\.png has no caption"):
        read_shots(str(tmp_path), 8.0)
    with pytest.raises(RunError, match="There is no folder"):
        read_shots(str(tmp_path / "gone"), 8.0)


def test_a_changed_caption_is_other_data():
    one, two = shot(8), Item(Path("clip.mp4"), 0, 8, ("a cat",), 24.0, 1920, 1080, "a:0", "a")
    assert data_hash([one]) != data_hash([two]) == data_hash([two])


def test_a_damaged_cache_file_is_made_again(tmp_path):
    import torch

    made = []

    def make():
        made.append(1)
        return {"x": torch.arange(3.0)}

    cache = TensorCache(tmp_path)
    assert torch.equal(cache.get(["a", 1], make)["x"], cache.get(["a", 1], make)["x"]) and len(made) == 1
    cache.path(["a", 1]).write_bytes(b"half of")
    assert cache.get(["a", 1], make)["x"].tolist() == [0, 1, 2] and len(made) == 2
    assert cache.get(["a", 2], make) and len(made) == 3


def test_what_the_disk_does_not_take_is_kept_in_memory_as_far_as_that_goes_and_said_once(tmp_path):
    import torch

    (tmp_path / "file").write_text("in the way of a folder")
    said: list[str] = []
    cache = TensorCache(tmp_path / "file", said.append, memory_bytes=2 * 12)
    made: list[int] = []

    def get(number: int) -> list[float]:
        return cache.get(["a", number], lambda: (made.append(number), {"x": torch.full((3,), float(number))})[1])[
            "x"
        ].tolist()

    assert [get(number) for number in (0, 1, 0, 1)] == [[0.0] * 3, [1.0] * 3, [0.0] * 3, [1.0] * 3]
    assert made == [0, 1] and cache.keeps_all and len(said) == 1
    assert [get(2), get(2)] == [[2.0] * 3] * 2 and made == [0, 1, 2, 2] and not cache.keeps_all
    assert len(said) == 1 and "cannot be written" in said[0]
