import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.text2video.noise import FILE_NAME, mixed_noise, read_shared_noise, rescheduled, write_shared_noise


def drawn(shared, seed=3, shape=(2, 4, 6, 32, 32)):
    return mixed_noise(shape, shared, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_frames_share_as_much_as_asked_and_every_frame_is_standard_normal(shared):
    noise = drawn(shared)
    assert abs(noise.std() - 1) < 0.02 and abs(noise.mean()) < 0.02
    first, last = noise[:, :, 0].flatten(), noise[:, :, -1].flatten()
    assert abs((first * last).mean() - shared) < 0.05
    # Clips and channels share nothing.
    assert abs((noise[0, 0, 0] * noise[1, 0, 0]).mean()) < 0.1


def test_sharing_nothing_is_plain_noise():
    plain = torch.randn(2, 4, 6, 32, 32, generator=torch.Generator().manual_seed(3))
    assert torch.equal(drawn(0.0), plain)


@given(st.integers(1, 40), st.integers(0, 20))
def test_a_long_clips_noise_is_its_first_windows_shuffled(frames, window):
    noise = torch.randn(1, 2, frames, 2, 2, generator=torch.Generator().manual_seed(1))
    long = rescheduled(noise, window, torch.Generator().manual_seed(2))
    assert long.shape == noise.shape
    if window == 0 or frames <= window:
        assert long is noise
        return
    first = [tuple(frame.flatten().tolist()) for frame in noise[0, :, :window].transpose(0, 1)]
    every = [tuple(frame.flatten().tolist()) for frame in long[0].transpose(0, 1)]
    for start in range(0, frames - window + 1, window):
        assert sorted(every[start : start + window]) == sorted(first)
    assert set(every) <= set(first)


def test_what_is_shared_travels_with_the_model_and_nothing_is_written_for_none(tmp_path):
    assert read_shared_noise(tmp_path) == 0
    write_shared_noise(tmp_path, 0.0)
    assert not list(tmp_path.iterdir())
    write_shared_noise(tmp_path, 0.5)
    assert read_shared_noise(tmp_path) == 0.5


@given(st.one_of(st.text(), st.sampled_from(["{}", "[]", '{"shared": true}', '{"shared": 2}', '{"shared": "1"}'])))
def test_a_damaged_file_is_a_value_error(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("model")
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    try:
        shared = read_shared_noise(folder)
    except ValueError:
        return
    assert json.loads(text) == {"shared": shared}
