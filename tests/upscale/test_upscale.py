"""Tiles are invisible, users' files load without running their code, and a frame depends on itself alone."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diffscaler.errors import ModelNotFound
from diffscaler.models.catalogue import Catalogue, upscaler_file
from diffscaler.settings import Settings
from diffscaler.upscale.load import load_file
from diffscaler.upscale.tile import Upscaler, upscale_frame
from tests.devices import exact_cpu
from tests.upscale.tiny import save_compact


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = save_compact(tmp_path_factory.mktemp("up") / "tiny-x2.pth", scale=2)
    return load_file(upscaler_file(path), exact_cpu())


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (40, 64), (65, 33)])
def test_tiled_equals_whole(compact: Upscaler, size: tuple[int, int]) -> None:
    frame = picture(*size)
    whole = upscale_frame(compact, frame, 2)
    tiled = upscale_frame(compact, frame, 2, 16)
    assert whole.shape == (size[0] * 2, size[1] * 2, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_network_of_another_factor_still_gives_the_factor_asked_for(compact: Upscaler) -> None:
    assert upscale_frame(compact, picture(9, 7), 4, 64).shape == (36, 28, 3)


def test_the_answer_equals_the_network_run_by_hand(compact: Upscaler) -> None:
    frame = picture(20, 24)
    with torch.inference_mode():
        by_hand = compact.network(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255)[0].clamp(0, 1)
    expected = (by_hand * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(upscale_frame(compact, frame, 2, 64), expected)


def test_rrdbnet_files_load_too(tmp_path: Path) -> None:
    from diffscaler import compat

    compat.install()
    from basicsr.archs.rrdbnet_arch import RRDBNet

    net = RRDBNet(3, 3, scale=4, num_feat=16, num_block=1, num_grow_ch=32)
    torch.save({"params_ema": net.state_dict()}, tmp_path / "rrdb.pth")
    upscaler = load_file(upscaler_file(tmp_path / "rrdb.pth"), exact_cpu())
    assert upscaler.scale == 4 and upscale_frame(upscaler, picture(8, 8), 4, 64).shape == (32, 32, 3)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_built_in_networks_draw_the_same_in_bfloat16(scale: int, tmp_path: Path) -> None:
    """Processors that multiply it faster take it by default."""
    spec = Catalogue(Settings(data_dir=tmp_path)).spec(f"builtin-x{scale}", "upscaler")
    exact, narrow = (spec.load(replace(exact_cpu(), dtype=dtype)) for dtype in ("float32", "bfloat16"))
    smooth = np.linspace(0, 255, 40 * 36 * 3).reshape(40, 36, 3).astype(np.uint8)
    for frame in (smooth, np.full((20, 20, 3), 201, np.uint8)):
        wanted, made = (upscale_frame(network, frame, scale).astype(float) for network in (exact, narrow))
        assert np.abs(wanted - made).max() <= 2 and np.abs(wanted - made).mean() < 0.1


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"echo owned > {self.target}",)


def test_a_pickle_payload_is_refused_and_never_executed(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    torch.save({"params": Evil(target)}, tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(target)))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(ModelNotFound) as error:
            load_file(upscaler_file(tmp_path / name), exact_cpu())
        assert "refused" in error.value.message
        assert not target.exists()


@given(st.binary(max_size=300))
@hypothesis_settings(deadline=None, max_examples=15)
def test_any_bytes_as_a_file_give_a_sentence(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".pth", ".safetensors"):
            path = Path(folder) / f"x{suffix}"
            path.write_bytes(data)
            with pytest.raises(ModelNotFound):
                load_file(upscaler_file(path), exact_cpu())
