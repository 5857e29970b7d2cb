"""A checkpoint becomes the model its run made, when the clips it learnt from have gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny_runs import tiny_run
from training.carry_out import export_checkpoint
from training.checkpoints import MANIFEST
from training.commands import export, run
from training.events import StopSignal
from training.recipes import RECIPES


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file.relative_to(folder)}:{name}": tensor
        for file in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_model_is_made_of_a_checkpoint_without_its_clips(recipe: str, tmp_path: Path) -> None:
    made = run(tiny_run(recipe, tmp_path), StopSignal())
    assert made is not None
    (checkpoint,) = (tmp_path / "models" / "new" / "checkpoints").glob("step-*")
    shutil.rmtree(tmp_path / "clips")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert export([str(checkpoint), str(tmp_path / "again")]) == 0
    again, finished = weights(tmp_path / "again"), weights(made)
    assert again.keys() == finished.keys() and len(again) > 1
    for name, tensor in finished.items():
        assert torch.allclose(again[name].float(), tensor.float(), atol=1e-5), name
    for file in made.rglob("model.toml"):
        assert (tmp_path / "again" / file.relative_to(made)).read_text() == file.read_text()


def test_a_checkpoint_of_an_older_version_reads_its_clips(tmp_path: Path) -> None:
    import json

    made = run(tiny_run("unet3d", tmp_path), StopSignal())
    assert made is not None
    (checkpoint,) = (tmp_path / "models" / "new" / "checkpoints").glob("step-*")
    manifest = json.loads((checkpoint / MANIFEST).read_text())
    del manifest["files"]["known.json"]
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    (checkpoint / "known.json").unlink()
    export_checkpoint(checkpoint, tmp_path / "again")
    assert weights(tmp_path / "again").keys() == weights(made).keys()


def test_what_cannot_be_exported_alone_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tiny_run("upscaler", tmp_path), StopSignal())
    assert export([str(tmp_path / "models" / "new" / "checkpoint"), str(tmp_path / "again")]) == 1
    assert "Start its run again" in capsys.readouterr().err and not (tmp_path / "again").exists()
