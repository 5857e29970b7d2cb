"""A few throw-away steps tell what a run will take, leave nothing else behind, and serve later forecasts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from diffscaler.jobs.throwaway import PREFIX
from tests.training.tiny_runs import RECIPE_NAMES, tiny_run
from training.config import load_config
from training.forecast import STOPPED, UNKNOWN, forecast, main, measured
from training.launch import as_toml
from training.options import RunConfig
from training.rehearsal import ROOM, SCENES, STEPS, shortened

REPOSITORY = Path(__file__).resolve().parents[2]

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


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_every_recipe_can_be_tried(recipe: str, tmp_path: Path, capsys: Any, request: Any) -> None:
    if recipe == "judge":
        request.getfixturevalue("emoji_font")
    config = tiny_run(recipe, tmp_path)
    file = tmp_path / "run.toml"
    file.write_text(as_toml(config), encoding="utf-8")
    assert main([str(file), "--measure", "--json", "--events", str(tmp_path / "told.jsonl")]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["seconds"] > 0 and found["memory_is"] == "measured" and found["disk_bytes"] > 0
    assert " of " in said.err and ": step " in said.err
    assert [path.name.startswith(PREFIX) for path in (tmp_path / "models").iterdir()] == [True]
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert told[-1]["event"] == "measured" and told[-1]["words"] == found["words"]
    steps = [event for event in told if event["event"] == "measuring" and event["total"]]
    assert steps and steps[-1]["done"] == steps[-1]["total"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Ctrl-C for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_in_the_middle_of_what_it_does_and_leaves_nothing(number: int, tmp_path: Path) -> None:
    # Samples of a thousand steps: somebody stops while one is drawn.
    config = tiny_run("unet3d", tmp_path, validate_every_steps=1, timesteps=1000, sample_steps=1000)
    file = tmp_path / "run.toml"
    file.write_text(as_toml(config), encoding="utf-8")
    command = [sys.executable, "-m", "training", "forecast", str(file), "--measure"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None and child.stdout is not None
        seen = []
        for line in child.stderr:
            seen.append(line)
            if f"step {STEPS} of {STEPS}" in line:
                break
        assert list((tmp_path / "models").iterdir()), "the steps were somewhere"
        time.sleep(0.5)
        began = time.monotonic()
        child.send_signal(number)
        rest, out = child.stderr.read(), child.stdout.read()
        assert child.wait(60) == STOPPED
    print(f"ended {time.monotonic() - began:.2f} s later")
    assert "Traceback" not in rest and "Stopped. Nothing is left behind." in rest and out == ""
    assert list((tmp_path / "models").iterdir()) == []


def test_a_recipe_that_draws_its_scenes_is_tried_with_few_and_forecast_with_all(tmp_path: Path) -> None:
    config = tiny_run("mini", tmp_path, data="scenes", num_scenes=2000, size=64)
    assert shortened(config, tmp_path / "short").num_scenes == SCENES  # type: ignore[union-attr]
    kept = tmp_path / "models" / f"{PREFIX}one"
    kept.mkdir(parents=True)
    (kept / "run.toml").write_text(as_toml(config), encoding="utf-8")
    stages = ("vae", "image", "motion", "decoder", "distil")
    rows = [{"event": "step", "stage": s, "stage_step": n, "seconds": 0.5 * n} for s in stages for n in (1, 3)]
    (kept / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    room = {"peak_memory_bytes": 10**8, "checkpoint_bytes": 7, "model_bytes": 5, "scenes": SCENES}
    (kept / ROOM).write_text(json.dumps(room))
    pictures = 2000 * config.num_frames * 3 * 64 * 64
    found = forecast(config)
    assert found["memory_bytes"] > 10**8 + pictures * (2000 - SCENES) / 2000
    assert found["disk_bytes"] > pictures and found["seconds"] == pytest.approx(0.5 * 9)


@pytest.mark.parametrize(
    "noted",
    [
        '{"memory_bytes": 100, "checkpoint_bytes": 7, "model_bytes": 5}',
        '{"peak_memory_bytes": 1',
        "[]",
        "null",
        "",
        "\xff",
    ],
    ids=["of an earlier version", "cut short", "a list", "nothing", "empty", "not UTF-8"],
)
def test_what_an_earlier_version_or_a_full_disk_left_is_measured_anew(noted: str, tmp_path: Path) -> None:
    config = tiny_run("unet3d", tmp_path)
    kept = tmp_path / "models" / f"{PREFIX}one"
    kept.mkdir(parents=True)
    (kept / "run.toml").write_text(as_toml(config), encoding="utf-8")
    step = {"event": "step", "steps_per_second": 2.0, "peak_memory_bytes": 9}
    (kept / "events.jsonl").write_text(json.dumps(step) + "\n")
    (kept / ROOM).write_text(json.dumps(dict.fromkeys(ROOM_SAID, 1)))
    assert measured(config) is not None
    (kept / ROOM).write_bytes(noted.encode("latin-1"))
    assert measured(config) is None
    assert forecast(config)["seconds"] is None


#: What a rehearsal notes besides its events.
ROOM_SAID = ("peak_memory_bytes", "checkpoint_bytes", "model_bytes", "scenes")
#: What names the steps of a run begin with.
STAGES = ("max", "vae", "image", "motion")


def test_a_run_that_cannot_begin_says_why_and_leaves_nothing(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "run.toml"
    rows = {"recipe": "unet3d", "output_dir": str(tmp_path / "models" / "new"), "data": str(tmp_path / "nowhere")}
    file.write_text("[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()))
    assert main([str(file), "--measure"]) == 1
    assert "nowhere" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "models").glob("*"))
