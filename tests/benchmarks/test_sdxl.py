"""`bench sdxl`: every row is there with a very small network, and without a card nobody waits for hours by mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import sdxl
from diffscaler import compat
from diffscaler.errors import DiffScalerError
from diffscaler.models.device import pick_device
from diffscaler.models.fit import LADDERS

compat.install()  # before the first import of diffusers

TIMES = ["loop", "batched", "layout", "norms", "some", "much", "fused", "region"]


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DEVICE", "cpu")


def test_the_tiny_run_has_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdxl, "REPEATS", 1)
    monkeypatch.setattr("sys.argv", ["bench", "sdxl", "--tiny", "--json", str(tmp_path / "rows.json")])
    # Tracing the blocks takes longer than all else; the wrapped blocks run as they are.
    with torch.compiler.set_stance("force_eager"):
        assert bench.main() == 0
    said, rows = capsys.readouterr().out, json.loads((tmp_path / "rows.json").read_text())
    ladder = LADDERS["cpu"]
    # Called tiny everywhere: none of its figures can be taken for those of the real size.
    assert [row["case"] for row in rows] == [
        f"tiny {name}" for name in [*TIMES, "peak", *["memory"] * (1 + len(ladder))]
    ]
    assert all(math.isfinite(row["ratio"]) and row["value"] > 0 and row["baseline_value"] > 0 for row in rows)
    told = [row["baseline"] for row in rows if row["case"] == "tiny memory"]
    assert told == ["forecast: no rung taken", *(f"forecast: + {rung}" for rung in ladder)]
    assert "random weights" in said and pick_device("cpu").dtype in said and "on CPU" in said
    assert "not measured" not in said
    apart = float(said.split("latents differ from the library's by ")[1].split()[0])
    assert apart < (1e-4 if pick_device("cpu").dtype == "float32" else 0.5), "both loops draw the same clip"


def test_without_a_card_it_refuses_with_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "sdxl"])
    assert bench.main() == 1
    out, err = capsys.readouterr()
    assert out == "" and "needs a graphics card" in err and "--tiny" in err


@pytest.mark.parametrize("wrong", [{"frames": 25}, {"size": 500}, {"steps": 0}])
def test_sizes_it_cannot_draw_are_named(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DiffScalerError, match="cannot draw"):
        next(iter(sdxl.run(tmp_path, tiny=True, **wrong)))


def test_the_real_size_is_that_of_the_real_networks() -> None:
    from types import SimpleNamespace

    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    from benchmarks import sdxl_network as network

    nowhere = SimpleNamespace(torch_name="meta", torch_dtype=torch.bfloat16)
    makes = {
        # SDXL's own weights and Hotshot-XL's temporal layers.
        lambda: network.unet(network.SDXL): 2_567_463_684 + 236_779_200,
        lambda: CLIPTextModel(network.encoder_config(network.SDXL, 0)): 123_060_480,
        lambda: CLIPTextModelWithProjection(network.encoder_config(network.SDXL, 1)): 694_659_840,
        lambda: network.vae(network.SDXL): 83_653_863,
    }
    for make, weights in makes.items():
        made = network.made_on(nowhere, make)  # type: ignore[arg-type]
        assert sum(parameter.numel() for parameter in made.parameters()) == weights and made.dtype == torch.bfloat16


def test_a_variant_draws_the_same_clip_and_leaves_nothing_behind(tmp_path: Path) -> None:
    from dataclasses import replace

    import numpy as np

    from benchmarks.sdxl_variants import contiguous, fused_projections, halves_apart

    bench = sdxl.Bench(tmp_path, replace(pick_device("cpu"), dtype="float32"), 2, 64, 2, tiny=True)
    plain, weights = bench.ours(2), sum(parameter.numel() for parameter in bench.unet.parameters())
    for variant in (contiguous(bench.unet), halves_apart(bench.family), fused_projections(bench.unet)):
        with variant:
            assert np.abs(bench.ours(2) - plain).max() < 1e-3 * np.abs(plain).max()
    assert np.array_equal(bench.ours(2), plain)
    assert sum(parameter.numel() for parameter in bench.unet.parameters()) == weights
