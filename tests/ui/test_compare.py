"""A tuned model beside the one it was tuned from, without a browser."""

from __future__ import annotations

import json
import random
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from diffscaler.errors import InvalidRequest
from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from tests.text2video.tiny import save_tiny_animatediff
from ui.compare_pane import ComparePane
from ui.pictures import media_url
from ui.tuned import tuned_model, tuned_models

MINI = ROOT / "assets" / "models" / "mini"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    made = Studio(Settings(data_dir=tmp_path / "data"))
    monkeypatch.setattr(made.keeper, "ensure", lambda: None)  # nobody takes the jobs
    return made


def note(file: Path, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    file.write_text(f"[run]\n{rows}", encoding="utf-8")


def tune_mini(studio: Studio, name: str = "rain", init: str = MINI.as_posix()) -> None:
    """As the page leaves a model that went on from the built-in one."""
    model = studio.settings.models_dir / name / "model"
    shutil.copytree(MINI, model)
    rows = (model / "model.toml").read_text(encoding="utf-8")
    (model / "model.toml").write_text(rows.replace('title = "mini"', f'title = "{name}"'), encoding="utf-8")
    note(studio.settings.data_dir / "training" / name / "config.toml", recipe="mini", init=init)


@pytest.fixture
def pane(studio: Studio) -> ComparePane:
    with gr.Blocks() as page:
        pane = ComparePane(studio)
        with gr.Tabs(), gr.Tab("Training") as tab:
            pane.place()
        pane.wire(page, tab)
    return pane


def test_what_was_trained_here_is_told_with_what_it_began_with(studio: Studio, tmp_path: Path) -> None:
    assert tuned_models(studio) == []
    tune_mini(studio)
    tune_mini(studio, "scratch", init="")
    tune_mini(studio, "orphan", init=str(tmp_path / "gone"))
    models = studio.settings.models_dir
    base = save_tiny_animatediff(models / "base")
    shutil.copytree(base, models / "glide" / "model")
    note(models / "glide" / "run.toml", recipe="temporal", pretrained_model_name_or_path="base")
    (models / "lean" / "model").mkdir(parents=True)
    (models / "lean" / "model" / "lora.safetensors").write_bytes(b"")
    note(models / "lean" / "run.toml", recipe="motion-lora", pretrained_model_name_or_path=str(base))
    found = {tuned.made.name: tuned.base.name for tuned in tuned_models(studio)}
    assert found == {"rain": "mini", "glide": "base", "lean": "base"}
    # The last start counts: it may have begun with another model than the page first said.
    note(models / "rain" / "run.toml", recipe="temporal", pretrained_model_name_or_path="base")
    assert tuned_model(studio, "rain").base.name == "base"
    with pytest.raises(InvalidRequest, match="not here any more"):
        tuned_model(studio, "scratch")


def test_both_draw_the_same_shots(studio: Studio) -> None:
    tune_mini(studio)
    seed, count = random.randrange(2**31), random.randrange(1, 5)
    print("seed", seed, "count", count)
    pairs = tuned_model(studio, "rain").requests("a cat on a road", seed, count)
    assert (
        [before.seed for before, _ in pairs] == [after.seed for _, after in pairs] == [seed + i for i in range(count)]
    )
    for before, after in pairs:
        assert (before.model, after.model) == ("mini", "rain")
        assert before.model_copy(update={"model": "rain"}) == after
    unknown = tuned_model(studio, "rain").requests("a cat", None, 2)
    assert all(before.seed is not None and before.seed == after.seed for before, after in unknown)


def test_a_model_tuned_for_another_size_is_compared_at_that_size(studio: Studio) -> None:
    tune_mini(studio)
    card = studio.settings.models_dir / "rain" / "model" / "model.toml"
    rows = card.read_text(encoding="utf-8")
    for name, value in (("width", 96), ("height", 64), ("num_frames", 6)):
        rows, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", rows, flags=re.MULTILINE)
        assert found == 1
    card.write_text(rows, encoding="utf-8")
    ((before, after),) = tuned_model(studio, "rain").requests("a cat", 1, 1)
    for request in (before, after):
        assert (request.width, request.height, request.num_frames) == (96, 64, 6)


def test_a_lora_is_laid_over_the_model_it_was_trained_on(studio: Studio) -> None:
    models = studio.settings.models_dir
    base = save_tiny_animatediff(models / "base")
    (models / "lean" / "model").mkdir(parents=True)
    (models / "lean" / "model" / "lora.safetensors").write_bytes(b"")
    note(models / "lean" / "run.toml", recipe="motion-lora", pretrained_model_name_or_path=str(base))
    ((before, after),) = tuned_model(studio, "lean").requests("a cat", 3, 1)
    assert (before.model, before.loras, after.model, after.loras) == ("base", "", "base", "lean:1")


def test_the_pane_follows_its_jobs_and_shows_each_seeds_clips_side_by_side(
    studio: Studio, pane: ComparePane, tmp_path: Path
) -> None:
    assert not pane.refresh()[pane.column].visible
    tune_mini(studio)
    there = pane.refresh()
    assert there[pane.column].visible and there[pane.model].value == "rain"
    wrong = pane.on_compare("rain", "", "1", 1)
    assert "The prompt is empty." in wrong[pane.said] and not studio.queue.list()
    assert "not here any more" in pane.on_compare("gone", "a cat", "1", 1)[pane.said]

    shown = pane.on_compare("rain", "a cat on a road", "7", 2)
    jobs = studio.queue.list(ended=False)
    assert len(jobs) == 4 and shown[pane.timer].active and not shown[pane.go].visible and shown[pane.stop].visible
    assert "seed 7" in shown[pane.clips] and "seed 8" in shown[pane.clips] and 'role="status"' in shown[pane.clips]
    state = shown[pane.state]
    assert {job.id for job in jobs} == {job_id for pair in state["jobs"] for job_id in pair}
    keys = []
    for number, job_id in enumerate(state["jobs"][0]):
        picture = tmp_path / f"{number}.png"
        Image.new("RGB", (32, 24), (90 * number, 40, 90)).save(picture)
        keys.append(studio.add_file(picture).key)
        studio.queue.end(job_id, "done", result=keys[-1])
    half = pane.look(state)[pane.clips]
    assert half.count('class="pair synced"') == 1 and "<figcaption>rain</figcaption>" in half
    before, after = (half.index(escape(str(media_url(studio, studio.library.clip(key))))) for key in keys)
    assert half.index('class="before"') < before < half.index('class="after"') < after

    stopped = pane.on_stop(state)
    assert stopped[pane.go].visible and not stopped[pane.timer].active and "Stopped." in stopped[pane.clips]
    studio.library.remove(keys[0])
    assert 'class="pair synced"' not in pane.look(state)[pane.clips]
    studio.queue.forget(state["jobs"][1][0])
    assert "seed 8" not in pane.look(state)[pane.clips]
    assert pane.look(None)[pane.clips] == ""
