"""A few throw-away steps tell what a run will take, leave nothing else behind, and serve later forecasts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.config import load_config
from training.forecast import UNKNOWN, forecast, main
from training.options import RunConfig
from training.rehearsal import PREFIX, ROOM

TINY: dict[str, dict[str, Any]] = {
    "unet3d": {
        "image_size": 8, "num_frames": 3, "dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8,
        "init_kernel_size": 3, "timesteps": 20, "sample_steps": 2, "train_batch_size": 1, "max_train_steps": 5000,
        "validate_every_steps": 500, "save_n_steps": 500, "keep_checkpoints": 2,
    },
    "mini": {
        "init": "", "data": "folder", "size": 32, "num_frames": 4, "frames_per_step": 2, "vae_widths": [8, 8, 8, 8],
        "unet_widths": [16, 32], "text_width": 16, "vae_steps": 40, "image_steps": 70, "motion_steps": 90,
        "vae_batch": 2, "image_batch": 2, "motion_batch": 1, "sample_every": 0,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TINY)
def test_what_was_tried_is_what_is_forecast(recipe: str, clips_folder: Path, tmp_path: Path, capsys: Any) -> None:
    models, file = tmp_path / "models", tmp_path / "run.toml"
    data = "data" if recipe == "unet3d" else "data_dir"
    rows = {
        "recipe": recipe, "output_dir": str(models / "new"), data: str(clips_folder), "device": "cpu", "threads": 1,
        **TINY[recipe],
    }  # fmt: skip
    file.write_text("[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()))
    config = load_config(file)
    assert forecast(config)["seconds"] is None and UNKNOWN in forecast(config)["words"]
    assert main([str(file), "--measure"]) == 0
    assert "measured in a few steps here" in capsys.readouterr().out
    kept = list(models.iterdir())
    assert len(kept) == 1 and kept[0].name.startswith(PREFIX)
    assert sum(path.stat().st_size for path in kept[0].iterdir()) < 20_000
    found, room = forecast(config), json.loads((kept[0] / ROOM).read_text())
    assert found["memory_bytes"] > 50_000_000 and found["memory_is"] == "measured"
    checkpoints = 4 if isinstance(config, RunConfig) else 2
    assert room["model_bytes"] > 10_000 and room["checkpoint_bytes"] > 10_000
    assert found["disk_bytes"] == checkpoints * room["checkpoint_bytes"] + room["model_bytes"]
    # The same settings for twice the steps take twice as long, and are not tried again.
    steps = {
        name: 2 * value for name, value in rows.items() if name.endswith("_steps") and name.split("_")[0] in STAGES
    }
    file.write_text("[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in (rows | steps).items()))
    assert main([str(file), "--measure", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == pytest.approx(2 * found["seconds"])
    assert list(models.iterdir()) == kept


#: What names the steps of a run begin with.
STAGES = ("max", "vae", "image", "motion")


def test_a_run_that_cannot_begin_says_why_and_leaves_nothing(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "run.toml"
    rows = {"recipe": "unet3d", "output_dir": str(tmp_path / "models" / "new"), "data": str(tmp_path / "nowhere")}
    file.write_text("[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()))
    assert main([str(file), "--measure"]) == 1
    assert "nowhere" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "models").glob("*"))
