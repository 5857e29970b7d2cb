"""The pair as an upscaler one can pick: planned by its own stage, resumed to the same frames, refused if too large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler.engine import Engine
from diffscaler.errors import JobCancelled, ModelNotFound, NotEnoughRoom
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node, nodes
from diffscaler.predict import check_room
from diffscaler.requests import Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.upscale.pair.load import load_pair
from diffscaler.upscale.pair.stage import DRAWN_LEVEL, PairParams, UpscalePair
from diffscaler.upscale.pair.tiles import LoadedPair
from tests.fakes import FakeClip, FakeClipParams, FakeLender, FakeWatcher, frames_of
from tests.upscale.pair.tiny import tiny
from tests.video.make import numbered, video
from training.pair.recipe import save_pair

REF = ModelRef(name="diffscaler", revision="0")


class PairLender(FakeLender):
    @contextmanager
    def acquire(self, ref: ModelRef) -> Iterator[Any]:
        yield LoadedPair(tiny(), torch.device("cpu"), torch.float32)


def larger(**clip: Any) -> Node:
    return node(UpscalePair(PairParams(scale=2), (REF,)), node(FakeClip(FakeClipParams(**clip))))


def test_a_stopped_run_goes_on_to_the_same_frames(engine: Engine) -> None:
    engine = Engine(engine.library, PairLender())
    whole = larger(frames=19, chunk=3, width=8, height=6)
    engine.run(whole, FakeWatcher())
    expected = frames_of(engine.library, whole)
    assert expected.shape == (19, 12, 16, 3)
    engine.library.remove(whole.key)
    with pytest.raises(JobCancelled):
        engine.run(whole, FakeWatcher(stop_after=5))
    engine.run(whole, FakeWatcher())
    assert np.array_equal(frames_of(engine.library, whole), expected)
    assert engine.library.clip(whole.key).notes[-1].startswith("diffusion pair, 1 step for each frame")


def upscale_of(studio: Studio, request: Any) -> Node:
    (found,) = [at for at in nodes(studio.recipe(request).root) if at.stage.startswith("upscale")]
    return found


def test_the_pair_is_picked_by_its_name_for_clips_filmed_and_drawn(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data", device="cpu", threads=1))
    clip = studio.add_file(video(tmp_path / "clip.mp4", numbered(3))).key
    filmed = upscale_of(studio, UpscaleRequest(clip=clip, scale=2, upscaler="diffscaler", tile=128))
    assert filmed.stage == "upscale_pair" and filmed.params["noise_level"] == 0
    assert (filmed.params["scale"], filmed.params["tile"], filmed.params["window"]) == (2, 128, 8)
    drawn = upscale_of(studio, Text2VideoRequest(prompt="a cat", scale=4, upscaler="diffscaler", seed=1))
    assert drawn.stage == "upscale_pair" and drawn.params["noise_level"] == DRAWN_LEVEL
    assert upscale_of(studio, UpscaleRequest(clip=clip, scale=2)).stage == "upscale"
    assert studio.estimate(studio.recipe(UpscaleRequest(clip=clip, upscaler="diffscaler")))["seconds"] > 0


def test_a_network_trained_here_is_listed_and_what_is_none_is_not(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    for name in ("mine", "broken"):
        (settings.models_dir / name / "model").mkdir(parents=True)
    save_pair(tiny(window=4), settings.models_dir / "mine" / "model" / "ssr.safetensors")
    (settings.models_dir / "broken" / "model" / "ssr.safetensors").write_bytes(b"\xff" * 40)
    catalogue = Catalogue(settings)
    spec = catalogue.spec("mine", "upscaler")
    assert spec.native == {"window": 4, "overlap": 2, "num_inference_steps": 1} and spec.scale == 4
    assert load_pair(spec, pick_device("cpu")).network.config.window == 4
    assert "broken" not in {spec.name for spec in catalogue.specs()}


def test_a_window_of_large_frames_is_refused_where_it_does_not_fit(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr("diffscaler.predict.free_main_memory", lambda: 2 * 10**9)
    check_room(engine.library, [larger(width=640, height=360)])
    with pytest.raises(NotEnoughRoom, match="memory"):
        check_room(engine.library, [larger(width=1920, height=1080)])


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ssr.safetensors").write_bytes(b"\0" * 50)
    spec = ModelSpec(name="pair", title="Pair", kind="upscaler", loader="", path=tmp_path / "ssr.safetensors")
    with pytest.raises(ModelNotFound, match="cannot be loaded"):
        load_pair(spec, pick_device("cpu"))
