"""Where runs are reported to beside their own log."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.text2video.tiny import save_tiny_animatediff
from tests.training.test_temporal import config
from tests.training.tuning import certain_vae, write_clip
from training.carry_out import carry_out
from training.events import StopSignal


@pytest.mark.parametrize("reporter", ["tensorboard", "wandb", "trackio"])
def test_what_others_are_told_is_kept_in_the_runs_folder(tmp_path, monkeypatch, reporter):
    if find_spec(reporter) is None:  # trackio settles where it writes as it is imported, so that is not done here
        pytest.skip(f"{reporter} is not installed")
    started_in = tmp_path / "started-in"
    started_in.mkdir()
    monkeypatch.chdir(started_in)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    base = certain_vae(save_tiny_animatediff(tmp_path / "base"))
    write_clip(tmp_path / "clips" / "one")
    made = config(tmp_path, base, max_train_steps=2, held_out=0, report_to=reporter)
    assert carry_out(made, StopSignal()) is not None
    logs = tmp_path / "models" / "tuned" / "logs"
    assert any(file.is_file() and file.stat().st_size for file in logs.rglob("*"))
    assert not any(started_in.iterdir())
    assert not [path for path in (tmp_path / "home").rglob("*") if reporter in path.name]
