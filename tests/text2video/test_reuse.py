"""Step caching: exact where nothing is reused, fewer blocks run where something is, nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler.models.catalogue import text2video_folder
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.reuse import INTERVALS, deep_features, last_rows
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny_families import FAMILIES, save_tiny

STEPS = 7
NAMES = ("animatediff-sdxl", "wan", "ltx", "cogvideox")


@pytest.fixture(scope="module", params=NAMES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    folder = save_tiny(request.param, tmp_path_factory.mktemp("reuse") / request.param)
    return request.param, load_pipeline(text2video_folder(folder), Plain())


def draw(model: Any, name: str, reuse: str, **changes: Any) -> np.ndarray:
    width, height, frames = FAMILIES[name][1]
    given = {"num_frames": frames, **changes}
    sampling = Sampling(width, height, num_inference_steps=STEPS, guidance_scale=3.0, seed=1, reuse=reuse, **given)
    return model.denoise(model.encode_text("a dog", "rain"), sampling, lambda *step: None)


def inner_block(model: Any) -> Any:
    """A block that step caching passes over."""
    pipeline = model.pipeline
    if hasattr(pipeline, "unet"):
        return pipeline.unet.mid_block
    transformer = pipeline.transformer
    return (transformer.blocks if hasattr(transformer, "blocks") else transformer.transformer_blocks)[-1]


def test_reuse_stays_near_and_leaves_nothing_behind(loaded: tuple[str, Any]) -> None:
    name, model = loaded
    exact = draw(model, name, "off")
    quick = draw(model, name, "much")
    assert np.isfinite(quick).all() and np.corrcoef(exact.ravel(), quick.ravel())[0, 1] > 0.9
    assert np.array_equal(exact, draw(model, name, "off"))
    assert np.array_equal(quick, draw(model, name, "much"))


@pytest.mark.parametrize("reuse", ["some", "much"])
def test_deep_blocks_run_once_in_so_many_steps(tmp_path: Path, reuse: str) -> None:
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "m")), Plain())
    calls = [0]
    block = inner_block(model).resnets[0]
    block.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    exact = draw(model, "animatediff-sdxl", "off")
    assert calls[0] == STEPS
    calls[0] = 0
    quick = draw(model, "animatediff-sdxl", reuse)
    assert calls[0] == -(-STEPS // INTERVALS[reuse]) and not np.array_equal(exact, quick)


def test_what_the_words_change_is_kept_with_the_rest(tmp_path: Path) -> None:
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "m")), Plain())
    rows: list[int] = []
    model.pipeline.unet.register_forward_pre_hook(lambda _, args, named: rows.append(len(args[0])), with_kwargs=True)
    name, interval = "animatediff-sdxl", INTERVALS["much"]
    guided = draw(model, name, "much")
    assert rows == [2 if step % interval == 0 else 1 for step in range(STEPS)]
    rows.clear()
    draw(model, name, "off")
    assert rows == [2] * STEPS
    # Windows keep their own; without guidance there is nothing to keep.
    rows.clear()
    draw(model, name, "much", num_frames=12, window=4, overlap=1)
    assert rows == [n for step in range(STEPS) for n in [2 if step % interval == 0 else 1] * (len(rows) // STEPS)]
    assert np.isfinite(guided).all()


def test_the_last_rows_of_whatever_a_block_returns() -> None:
    whole = torch.arange(8).view(4, 2)
    assert last_rows(whole, 2).tolist() == [[4, 5], [6, 7]]
    hidden, skips = last_rows((whole, (whole, None)), 2)
    assert hidden.tolist() == skips[0].tolist() == [[4, 5], [6, 7]] and skips[1] is None


def test_each_window_of_a_long_clip_keeps_its_own(tmp_path: Path) -> None:
    """Reusing another window's results would make frames of different windows alike where they were not."""
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "m")), Plain())
    seen: list[tuple[int, Any]] = []
    with deep_features(model.pipeline.unet, 2) as kept:
        run = kept.run
        for step in range(4):
            for part in (0, 3):
                kept.begin(step, part)
                given = torch.tensor([[step, part]])
                seen.append((part, run(0, lambda x: x, (given,), {})))
    assert [result.tolist() for part, result in seen] == [[[s - s % 2, p]] for s in range(4) for p in (0, 3)]
    long = {"num_frames": 12, "window": 4, "overlap": 1}
    assert np.isfinite(draw(model, "animatediff-sdxl", "some", **long)).all()


def test_an_interval_of_one_computes_every_step_whole(tmp_path: Path) -> None:
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "m")), Plain())
    before = model.pipeline.unet.mid_block.forward
    with deep_features(model.pipeline.unet, 1):
        assert model.pipeline.unet.mid_block.forward == before
    with pytest.raises(KeyError), deep_features(model.pipeline.unet, 2):
        assert model.pipeline.unet.mid_block.forward != before
        raise KeyError
    assert model.pipeline.unet.mid_block.forward == before
