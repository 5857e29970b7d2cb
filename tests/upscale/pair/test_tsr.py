"""The pair's frame rate: what was there stays, nothing crosses a cut; chunks, tiles and resuming leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diffscaler.engine import Engine
from diffscaler.errors import JobCancelled
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.plan import node, nodes
from diffscaler.requests import Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.upscale.flow import between
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from diffscaler.upscale.pair.network import PairUNet
from diffscaler.upscale.pair.tiles import LoadedPair, Sampler
from diffscaler.upscale.pair.tsr import between_all, condition_channels, guess_of
from diffscaler.upscale.pair.tsr_stage import InterpolatePair, InterpolatePairParams
from tests.fakes import FakeClip, FakeClipParams, FakeLender, FakeWatcher, frames_of
from tests.upscale.pair.tiny import tiny
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for, numbered, video
from training.pair.recipe import save_pair

REF = ModelRef(name="tsr", revision="0")


def network(temporal: bool = True) -> PairUNet:
    return tiny(temporal, condition_channels=condition_channels(4), window=5)


def loaded(network: PairUNet) -> LoadedPair:
    return LoadedPair(network, torch.device("cpu"), torch.float32)


PAIR = loaded(network())


def clip(count: int, height: int = 18, width: int = 21, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 160, (count, height, width, 3), dtype=np.uint8)


def faster(frames: np.ndarray, chunk: int = 3, start: int = 0, **params: Any) -> tuple[np.ndarray, np.ndarray]:
    stage = InterpolatePair(InterpolatePairParams.model_validate({"pairs": 2, **params}), (REF,))
    chunks = [part.since(stage.reads_from(start)) for part in in_chunks(frames, chunk)]
    source = Stream(meta_for(frames), [part for part in chunks if len(part.frames)])
    made = list(stage.run((source,), context(start, acquire=lambda _: nullcontext(PAIR))))
    assert made[0].start == start and stage.describe((source.meta,)).num_frames == start + sum(
        len(p.frames) for p in made
    )
    return np.concatenate([part.frames for part in made]), np.concatenate([part.times for part in made])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_what_was_there_stays_bit_by_bit_and_times_are_those_of_the_flow(count: int) -> None:
    frames = clip(count)
    made, times = faster(frames)
    assert np.array_equal(made[::2], frames) and np.array_equal(made[-1], frames[-1])
    flow = Interpolate(InterpolateParams(times=2), ())
    source = Stream(meta_for(frames), list(in_chunks(frames, 2)))
    expected = np.concatenate([part.times for part in flow.run((source,), context())])
    assert np.allclose(times, expected)


@given(chunk=st.integers(1, 7), start=st.integers(0, 13))
@hypothesis_settings(deadline=None, max_examples=10)
def test_neither_chunks_nor_where_it_goes_on_show(chunk: int, start: int) -> None:
    frames = clip(7)
    whole, times = faster(frames, 7)
    part, part_times = faster(frames, chunk, start)
    assert np.array_equal(part, whole[start:]) and np.array_equal(part_times, times[start:])


def test_tiles_leave_no_seam() -> None:
    frames = clip(2, 100, 230)
    whole, tiled = (between_all(PAIR, frames, Sampler(1, 0.0, 0, tile)).astype(int) for tile in (256, 8))
    assert np.abs(whole - tiled).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (33, 17)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    assert faster(clip(2, *size))[0].shape == (4, *size, 3)


def test_nothing_crosses_a_cut_where_the_earlier_frame_is_repeated() -> None:
    red, blue = np.full((3, 24, 24, 3), (210, 30, 20), np.uint8), np.full((3, 24, 24, 3), (10, 60, 220), np.uint8)
    for i in range(3):
        red[i, 2:9, 2 + i : 9 + i] += 30
    both, _ = faster(np.concatenate([red, blue]), pairs=4)
    alone, _ = faster(red, pairs=4)
    assert np.array_equal(both[:6], alone) and (both[6:] == blue[0]).all()


def test_a_still_clip_stays_still_bit_by_bit() -> None:
    made, _ = faster(np.repeat(clip(1), 6, 0))
    assert (made == made[0]).all()


def test_a_network_that_says_nothing_gives_what_the_flow_gives() -> None:
    silent = network()
    for weight in (silent.conv_out.weight, silent.conv_out.bias):
        weight.zero_()
    frames = clip(3)
    made = between_all(loaded(silent), frames, Sampler(1, 0.0, 0, 256))
    for a, b, drawn in zip(frames, frames[1:], made, strict=False):
        (expected,) = between(a, b, [0.5])
        assert np.abs(drawn.astype(int) - expected).max() <= 1


def test_a_fresh_network_draws_each_moment_as_its_image_network_and_a_taught_one_looks_around() -> None:
    told = guess_of(clip(3, 16, 16)).told(4)[None]
    z, time, level = torch.randn(1, 5, 48, 4, 4), torch.full((1,), 1.0), torch.zeros(1)
    for temporal, bound in ((False, True), (True, False)):
        net = network(temporal)
        whole = net(z, told, time, level)
        alone = torch.cat([net(z[:, [i]], told[:, [i]], time, level) for i in range(5)], dim=1)
        assert (float((whole - alone).abs().max()) <= 1e-5) is bound


def test_the_condition_says_which_frames_are_known() -> None:
    frames = clip(3, 16, 8)
    guess = guess_of(frames)
    told = guess.told(4)
    assert told.shape == (5, condition_channels(4), 4, 2)
    assert told[:, -1].amax((1, 2)).tolist() == [1, 0, 1, 0, 1] == told[:, -1].amin((1, 2)).tolist()
    assert not guess.gap[::2].any() and not guess.share[::2].any()
    assert torch.allclose(guess.base[::2], torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1)


class PairLender(FakeLender):
    @contextmanager
    def acquire(self, ref: ModelRef) -> Iterator[Any]:
        yield PAIR


def test_a_stopped_run_goes_on_to_the_same_frames(engine: Engine) -> None:
    engine = Engine(engine.library, PairLender())
    params = InterpolatePairParams(pairs=2)
    once = node(InterpolatePair(params, (REF,)), node(FakeClip(FakeClipParams(frames=7, chunk=3))))
    whole = node(InterpolatePair(params, (REF,)), once)
    engine.run(whole, FakeWatcher())
    expected = frames_of(engine.library, whole)
    assert len(expected) == 28
    engine.library.remove(whole.key)
    with pytest.raises(JobCancelled):
        engine.run(whole, FakeWatcher(stop_after=4))
    engine.run(whole, FakeWatcher())
    assert np.array_equal(frames_of(engine.library, whole), expected)
    assert engine.library.clip(whole.key).notes[-1].startswith("frames between by the diffusion pair, 1 step")


def test_clips_filmed_and_drawn_get_it_by_its_name_and_four_times_the_rate_is_twice_twice(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data", device="cpu", threads=1))
    key = studio.add_file(video(tmp_path / "clip.mp4", numbered(3))).key
    for request, expected in (
        (UpscaleRequest(clip=key, scale=1, fps_times=4, interpolator="tsr"), ["interpolate_pair"] * 2),
        (UpscaleRequest(clip=key, scale=1, fps_times=2), ["interpolate"]),
        (Text2VideoRequest(prompt="a cat", scale=4, fps_times=2, interpolator="tsr", seed=1),
         ["decode", "upscale", "interpolate_pair"]),
    ):  # fmt: skip
        recipe = studio.recipe(request)
        stages = [at.stage for at in nodes(recipe.root)]
        assert [
            stage for stage in stages if stage in {"decode", "upscale", "interpolate", "interpolate_pair"}
        ] == expected
        assert recipe.root.inputs[0].stage == expected[-1] and studio.estimate(recipe)["seconds"] > 0


def test_one_trained_here_is_listed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    folder = settings.models_dir / "mine" / "model"
    folder.mkdir(parents=True)
    save_pair(network(), folder / "tsr.safetensors")
    assert Catalogue(settings).spec("mine", "interpolator").native == {"pairs": 2, "num_inference_steps": 1}
