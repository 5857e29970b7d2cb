"""RRDB networks in bfloat16 draw what they draw in float32."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.upscale.stage import Upscale, UpscaleParams
from diffscaler.upscale.trunk import Block, DenseBlock, with_float32_trunk
from tests.devices import exact_cpu
from tests.upscale.run import context
from tests.upscale.tiny import rrdb_network
from tests.video.make import in_chunks, meta_for, numbered


def spandrels(scale: int, blocks: int, seed: int) -> Any:
    weights = rrdb_network(scale, seed, num_block=blocks).state_dict()  # it makes spandrel's imports possible, too
    from spandrel import ModelLoader

    return ModelLoader(device="cpu").load_from_state_dict({"params": weights}).model.float().eval()


@pytest.mark.parametrize("scale", [2, 4])
def test_the_same_network_comes_out(scale: int) -> None:
    network = spandrels(scale, 2, seed=1)
    picture = torch.rand(1, 3, 20, 24)
    with torch.inference_mode():
        before = network(picture)
        after = with_float32_trunk(network)(picture)
    assert sum(isinstance(module, Block) for module in network.modules()) == 2
    assert sum(isinstance(module, DenseBlock) for module in network.modules()) == 6
    assert torch.allclose(before, after, atol=1e-6)


def test_its_sums_stay_in_float32_when_it_runs_narrower() -> None:
    """Large features that many small steps are added to: the case that bfloat16's eight bits lose."""
    network = spandrels(4, 12, seed=2)
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(3))
    narrow = copy.deepcopy(network).bfloat16()
    mended = with_float32_trunk(copy.deepcopy(network)).bfloat16()
    with torch.inference_mode():
        wanted = network(picture)
        plain, ours = (
            float((wanted - net(picture.bfloat16()).float()).square().mean().sqrt()) for net in (narrow, mended)
        )
    assert ours < 0.75 * plain, (ours, plain)


@pytest.mark.parametrize(("dtype", "told"), [("float32", []), ("bfloat16", ["builtin-x2 computed in bfloat16."])])
def test_a_clip_made_in_a_narrower_format_says_so(dtype: Any, told: list[str], tmp_path: Path) -> None:
    spec = Catalogue(Settings(data_dir=tmp_path)).spec("builtin-x2", "upscaler")
    network, notes = spec.load(replace(exact_cpu(), dtype=dtype)), []
    frames = numbered(2, 20, 24)
    stage = Upscale(UpscaleParams(scale=2), (ModelRef(name="builtin-x2", revision="0"),))
    ctx = context(acquire=lambda _: nullcontext(network), note=notes.append)
    assert sum(len(chunk.frames) for chunk in stage.run((Stream(meta_for(frames), in_chunks(frames, 2)),), ctx)) == 2
    assert notes == told


def test_other_networks_are_left_as_they_are() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3))
    assert with_float32_trunk(network) is network
