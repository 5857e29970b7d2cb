"""The training form, its text and its forecast, without a browser."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from training.config import load_config
from training.forecast import INDIFFERENT, forecast
from training.forms import forms
from training.launch import as_toml
from training.options import RunConfig
from training.recipes import RECIPES
from ui import recipe_forms as recipe_module
from ui import run_facts, run_outlook
from ui.curve import loss_curve
from ui.recipe_forms import Option, RecipeForm, recipe_forms
from ui.recipe_pane import RecipePane, asked
from ui.run_file import merged, read, unknown, written
from ui.run_outlook import outlook
from ui.training_events import read_run
from ui.training_form import TrainRequest
from ui.training_tab import TrainingTab, TrainingWatch, place_of
from ui.training_table import draft_of, table_of, write_config


@pytest.fixture(scope="module")
def known() -> dict[str, RecipeForm]:
    """The forms as the page asks for them, but in this process."""
    found = {}
    for row in json.loads(json.dumps(forms())):
        options = {field["name"]: Option(**field) for field in row.pop("fields")}
        found[row["name"]] = RecipeForm(**row, options=options)
    return found


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


def test_the_page_offers_every_recipe_of_the_trainer_and_every_option_of_each(known: dict[str, RecipeForm]) -> None:
    assert recipe_forms() == known
    assert set(RECIPES) | {"mini", "upscaler", "pair", "pair_tsr", "judge"} == set(known)
    for name, entry in RECIPES.items():
        assert set(known[name].options) == set(entry.config_class().model_fields) - {"recipe"}
    for form in known.values():
        assert all(option.title for option in form.options.values()) and form.about and form.needs


@pytest.mark.parametrize("recipe", [*RECIPES, "mini", "upscaler", "pair", "pair_tsr", "judge"])
def test_the_text_with_every_option_is_what_the_command_line_takes(
    recipe: str, known: dict[str, RecipeForm], clips: Path, tmp_path: Path
) -> None:
    form = known[recipe]
    request = TrainRequest(name="rain", recipe=recipe, folder=str(clips), base="mini", steps=40, seed=7)
    table = table_of(request, Settings(data_dir=tmp_path))
    text = written(form, table)
    assert read(text) == table
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    config = load_config(file)
    assert config.recipe == recipe and config.seed == 7
    for name in form.options:
        assert any(line.lstrip("#").startswith(f"{name} =") for line in text.splitlines()), name
    # Taking away every # says what was said without.
    bare = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") and not line.endswith("=") else line
        for line in text.splitlines()
    )
    file.write_text(bare, encoding="utf-8")
    if recipe != "distil":  # where restarts follow from the steps as long as nobody says otherwise
        assert load_config(file) == config


def test_only_what_a_recipe_asks_is_shown_with_its_own_value_as_a_hint(known: dict[str, RecipeForm]) -> None:
    assert asked(known["unet3d"], "size") == {"visible": True, "placeholder": "32"}
    assert asked(known["unet3d"], "steps")["placeholder"] == "10000"
    assert asked(known["mini"], "steps")["placeholder"] == "200"
    assert asked(known["judge"], "sample_prompts") == {"visible": False}
    assert asked(known["temporal"], "num_scenes") == {"visible": False}


def test_what_is_edited_in_the_text_stays_until_the_form_says_otherwise() -> None:
    before = {"a": 1, "b": 2, "c": 3}
    edited = {"a": 1, "b": 5, "d": 9}
    assert merged(before, before, edited) == {"a": 1, "b": 5, "d": 9}
    assert merged({**before, "b": 7}, before, edited) == {"a": 1, "b": 7, "d": 9}
    assert merged({**before, "c": 4}, before, edited) == {"a": 1, "b": 5, "c": 4, "d": 9}


TABLES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(form=TABLES, before=TABLES, edited=TABLES)
def test_an_edit_is_never_lost_and_an_untouched_text_changes_nothing(
    form: dict[str, int], before: dict[str, int], edited: dict[str, int]
) -> None:
    assert merged(form, before, before) == form
    assert merged(before, before, edited) == edited


@hypothesis.settings(max_examples=40)
@given(text=st.text(max_size=80))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        assert isinstance(read(text), dict)
    except InvalidRequest as error:
        assert error.message.endswith(".") and error.hint


def test_a_mistake_is_told_in_one_sentence_that_names_the_option(
    known: dict[str, RecipeForm], clips: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    request = TrainRequest(name="rain", recipe="unet3d", folder=str(clips))
    before = table_of(request, settings)
    text = written(known["unet3d"], before)
    wrong = {
        "image_size = 33000": "image_size",
        "held_uot = 3": "held_uot",
        "loss_type = huber": "loss_type",
        'output_dir = "/tmp"': "output_dir",
    }
    for line, name in wrong.items():
        with pytest.raises(InvalidRequest, match=name):
            kept = [row for row in text.splitlines() if not row.startswith(name)]
            write_config(request, settings, "\n".join([*kept, line]), before)
    assert not list((tmp_path / "training").rglob("*.toml"))
    assert unknown(known["unet3d"], {"held_uot": 3}) == ("There is no option held_uot.", "Did you mean held_out?")
    file, _ = write_config(request, settings, text.replace("#held_out = 4", "held_out = 2"), before)
    assert load_config(file).model_dump()["held_out"] == 2


def test_a_form_that_is_half_filled_in_is_drafted_without_what_is_missing_or_wrong(tmp_path: Path) -> None:
    values: dict[str, Any] = {"name": "", "recipe": "dit", "steps": "many", "size": 64, "folder": "/gone", "base": None}
    table = draft_of(values, Settings(data_dir=tmp_path))
    assert table == {"recipe": "dit", "resolution": 64, "device": table["device"], "threads": table["threads"]}


def test_the_model_a_recipe_begins_with_must_be_named(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="model to begin with"):
        table_of(TrainRequest(name="rain", recipe="dit", folder=str(clips)), Settings(data_dir=tmp_path))


def small(tmp_path: Path, **more: Any) -> RunConfig:
    file = tmp_path / "small.toml"
    rows = {"recipe": "unet3d", "output_dir": str(tmp_path / "models" / "b"), "data": "x", "dim": 8, **more}
    file.write_text("[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()))
    config = load_config(file)
    assert isinstance(config, RunConfig)
    return config


def test_time_and_memory_are_forecast_from_a_run_of_the_same_settings_and_never_invented(tmp_path: Path) -> None:
    config = small(tmp_path, max_train_steps=100)
    first = forecast(config)
    assert first["seconds"] is None and "Time: not known before the first steps." in first["words"]
    assert first["memory_is"] == "at least" and first["memory_bytes"] == first["trained"] * 20  # with its average
    speed = random.Random(3).uniform(1, 9)
    earlier = tmp_path / "models" / "a"
    earlier.mkdir(parents=True)
    (earlier / "run.toml").write_text(as_toml(config))
    events = [{"event": "step", "steps_per_second": speed, "peak_memory_bytes": n} for n in (7_000_000, 5_000_000)]
    (earlier / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    second = forecast(config)
    assert second["seconds"] == pytest.approx(100 / speed) and second["memory_bytes"] == 7_000_000
    assert "as a went" in second["words"]
    assert forecast(small(tmp_path, max_train_steps=100, num_frames=5))["seconds"] is None
    epochs = forecast(small(tmp_path, max_train_steps=100, num_train_epochs=2))
    assert epochs["seconds"] == second["seconds"] and "Time: at most" in epochs["words"]


def measured_run(folder: Path, config: RunConfig, events: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.toml").write_text(as_toml(config))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


STEP = {"event": "step", "steps_per_second": 2.0, "peak_memory_bytes": 9_000_000}


def test_a_run_of_an_earlier_version_forecasts_its_time_but_no_peak_of_memory(tmp_path: Path) -> None:
    config = small(tmp_path)
    old = {"event": "step", "steps_per_second": 2.0, "memory_bytes": 9_000_000}
    measured_run(tmp_path / "models" / "a", config, [old])
    found = forecast(config)
    assert found["seconds"] == config.max_train_steps / 2 and found["memory_is"] == "at least"


@pytest.mark.parametrize(
    "changed",
    [{"attn_heads": 4}, {"attn_dim_head": 16}, {"init_kernel_size": 5}, {"use_sparse_linear_attn": False},
     {"use_bert_text_cond": False}, {"image_share": 0.5}, {"validate_every_steps": 0},
     {"gradient_accumulation_steps": 2}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_a_run_that_differs_in_what_a_step_computes_forecasts_nothing(tmp_path: Path, changed: dict[str, Any]) -> None:
    measured_run(tmp_path / "models" / "a", small(tmp_path, **changed), [STEP])
    assert forecast(small(tmp_path))["earlier"] is None
    assert forecast(small(tmp_path, **changed))["earlier"] == "a"


def test_a_run_that_differs_in_numbers_and_names_forecasts(tmp_path: Path) -> None:
    rng = random.Random()
    changed = {"seed": rng.randrange(2**31), "learning_rate": rng.uniform(1e-6, 1e-2), "save_n_steps": 7, "data": "y"}
    changed |= {"validate_every_steps": rng.randrange(1, 99), "snr_gamma": 5.0, "max_train_steps": 3}
    print(changed)
    measured_run(tmp_path / "models" / "a", small(tmp_path, **changed), [STEP])
    assert forecast(small(tmp_path))["earlier"] == "a"


def test_every_option_a_forecast_passes_over_is_one_of_a_recipe() -> None:
    known = {name for entry in RECIPES.values() for name in entry.config_class().model_fields}
    assert known >= INDIFFERENT


def test_steps_of_other_options_or_of_several_processes_forecast_nothing(tmp_path: Path) -> None:
    config, run = small(tmp_path), tmp_path / "models" / "a"
    begun = {"event": "start", "processes": 1}
    measured_run(run, config, [begun, {**STEP, "peak_memory_bytes": 99_000_000, "steps_per_second": 1.0}, begun, STEP])
    assert forecast(config)["memory_bytes"] == 9_000_000 and forecast(config)["seconds"] == config.max_train_steps / 2
    measured_run(run, config, [begun, STEP, begun])
    assert forecast(config)["earlier"] is None
    measured_run(run, config, [{**begun, "processes": 2}, STEP])
    assert forecast(config)["earlier"] is None


def test_the_numbers_that_learn_are_those_the_network_has(tmp_path: Path) -> None:
    from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig

    config = small(tmp_path, use_bert_text_cond=False, dim_mults=[1, 2])
    network = Unet3D(Unet3DConfig(dim=8, dim_mults=(1, 2), cond_dim=None))
    learnt = sum(p.numel() for n, p in network.named_parameters() if not n.endswith("rotary_emb.freqs"))
    assert forecast(config)["trained"] == learnt


def test_the_page_waits_with_the_forecast_until_there_is_a_model(known: dict[str, RecipeForm], tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert "once it has a model" in outlook(draft_of({"recipe": "dit"}, settings), settings)


def test_the_page_asks_for_a_forecast_again_when_the_runs_it_rests_on_have_changed(
    known: dict[str, RecipeForm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks: list[str] = []

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        asks.append(arguments[0])
        return subprocess.CompletedProcess(arguments, 0, json.dumps({"words": f"Answer {len(asks)}."}), "")

    monkeypatch.setattr(run_outlook, "ask", ask)
    settings = Settings(data_dir=tmp_path)
    table = draft_of({"recipe": "unet3d", "steps": str(random.randrange(2, 10**6))}, settings)
    for name in ("one", "two"):
        measured_run(settings.models_dir / name, small(tmp_path), [STEP])
    first = outlook(table, settings)
    assert outlook(table, settings) == first and len(asks) == 1
    # Neither is the newest log touched, nor does any log grow.
    (settings.models_dir / "one" / "run.toml").write_text(as_toml(small(tmp_path, dim=16)))
    assert outlook(table, settings) != first and len(asks) == 2
    shutil.rmtree(settings.models_dir / "one")
    outlook(table, settings)
    assert len(asks) == 3


def test_a_trainer_that_does_not_answer_costs_its_pane_and_not_the_studio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "python"
    wrong.write_text("#!/bin/sh\necho 'No module named pydantic' >&2\nexit 1\n")
    wrong.chmod(0o755)
    studio = Studio(Settings(data_dir=tmp_path / "data"))
    recipe_module._asked.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(wrong))
        tab = TrainingTab(studio)
        with gr.Blocks() as page:
            tab.place()
            tab.wire(page)
        pane, values = tab.form, dict.fromkeys(tab.form.fields)
        assert "does not say what it can do" in pane.about.value and "No module named pydantic" in pane.about.value
        assert pane.on_load("", None, **values)[pane.about] == pane.trouble == pane.about.value
        assert pane.on_form("", None, **values) == {pane.wrong: pane.trouble}
        assert tab.on_outlook("", None, **values) == ""
        done = tab.on_train("", None, **{**values, "name": "rain", "recipe": "mini"})
        assert "does not say what it can do" in done[tab.watch.said]
        assert place_of(read_run(tmp_path)) == "its folder"
    again = pane.on_load("", None, **values)
    assert again[pane.fields["recipe"]].value == "mini" and "Needs" in again[pane.about]
    assert [name for _, name in again[pane.fields["recipe"]].choices] == list(pane.forms) != []
    assert read(again[pane.text])["recipe"] == "mini" and again[pane.wrong] == ""


def test_an_answer_that_is_no_list_of_recipes_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "python"
    odd.write_text("#!/bin/sh\necho 'a warning of a library'\n")
    odd.chmod(0o755)
    recipe_module._asked.cache_clear()
    monkeypatch.setattr(sys, "executable", str(odd))
    with pytest.raises(DiffScalerError, match="cannot be read") as caught:
        recipe_forms()
    assert "a warning of a library" in caught.value.hint


def test_a_run_shows_held_out_loss_figures_and_warnings_and_each_sample_once(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"event": "start", "recipe": "unet3d", "device": "cpu"}]
    for step in (10, 20, 30, 20, 30):
        rows.append({"event": "step", "step": step, "total": 40, "loss": 0.5, "stage": "unet3d", "lr": 1e-4,
                     "grad_norm": 0.7, "steps_per_second": 0.25, "peak_memory_bytes": 2e9, "seconds_left": 40,
                     "loading_share": 0.2})  # fmt: skip
        rows.append({"event": "held-out", "step": step, "loss": 0.6 - step / 100})
        rows.append({"event": "sample", "step": step, "path": str(tmp_path / f"s-{step}.png")})
    rows.append({"event": "warning", "step": 30, "message": "The loss runs away: 3 on <average>."})
    rows.append({"event": "resumed", "step": 30, "changed": ["seed"]})
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = read_run(tmp_path)
    assert [step for step, _ in run.held_out] == [10, 20, 30]
    assert "held-out loss 0.3000 at step 30" in loss_curve(run)
    line = run_facts.figures(run, running=True)
    for said in (
        "learning rate 0.0001",
        "gradient norm 0.7",
        "4 s a step",
        "2.0 GB of memory at its peak",
        "40 s left",
        "20% of it waiting",
    ):
        assert said in line, said
    assert "left" not in run_facts.figures(run, running=False)
    assert "&lt;average&gt;" in run_facts.warnings(run) and "other settings: seed" in run_facts.warnings(run)
    shown = run_facts.samples(run)
    assert shown.count("<figure>") == 3 and shown.index("step 30") < shown.index("step 10")


def test_a_run_of_an_earlier_version_shows_its_memory_without_calling_it_a_peak(tmp_path: Path) -> None:
    row = {"event": "step", "step": 1, "total": 4, "loss": 0.5, "memory_bytes": 2e9}
    (tmp_path / "events.jsonl").write_text(json.dumps(row) + "\n")
    line = run_facts.figures(read_run(tmp_path), running=False)
    assert "<span>2.0 GB of memory</span>" in line


def test_a_stopped_run_offers_to_resume_and_a_done_one_says_where_its_result_is(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data"))
    watch = TrainingWatch(studio, "training", "Train", "")
    for recipe, place in (
        ("unet3d", "the model list of Text to video"),
        ("motion-lora", "the LoRAs"),
        ("temporal-decoder", "its folder"),
        ("judge", "its folder, for the bench"),
    ):
        output = studio.settings.models_dir / recipe
        output.mkdir(parents=True)
        (output / "events.jsonl").write_text(json.dumps({"event": "start", "recipe": recipe}) + "\n")
        job = studio.queue.submit_training("Train", tmp_path / "config.toml", output)
        studio.queue.end(job.id, "stopped")
        html = watch.of_job(studio.queue.get(job.id))
        assert f'data-do="retry" data-key="{job.id}"' in html and "Resume" in html
        studio.queue.end(job.id, "done", result=str(output))
        assert place in watch.of_job(studio.queue.get(job.id))


def test_choosing_a_recipe_shows_its_questions_and_writes_its_text(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data"))
    pane = RecipePane(studio)
    with gr.Blocks():
        pane.place_recipe(gr.Textbox())
        pane.place_folder()
        pane.place_rest()
    values: dict[str, Any] = dict.fromkeys(pane.fields) | {
        "name": "rain",
        "recipe": "temporal",
        "steps": "30",
    }
    updates = pane.on_recipe(None, None, **values)
    assert not updates[pane.fields["start"]].visible and updates[pane.fields["base"]].value == "hotshot-xl"
    assert not updates[pane.fields["num_scenes"]].visible
    text, before = updates[pane.text], updates[pane.before]
    assert read(text)["max_train_steps"] == 30
    edited = text.replace("#snr_gamma = 0.0", "snr_gamma = 5.0")
    again = pane.on_form(edited, before, **{**values, "base": "hotshot-xl", "steps": "50"})
    assert (read(again[pane.text])["snr_gamma"], read(again[pane.text])["max_train_steps"]) == (5.0, 50)
    assert "snr_gamma" in pane.on_text(edited.replace("snr_gamma = 5.0", "snr_gamma = five"))
    values |= {"base": "hotshot-xl", "steps": "50"}
    answer = pane.on_change(edited, before, **values)[pane.answer]
    assert answer == {"of": edited, "text": again[pane.text], "before": again[pane.before]}
    assert pane.on_change("[run\n", before, **values)[pane.answer] is None
    broken = pane.on_form("[run\n", before, **values)
    assert pane.text not in broken and "say" in broken[pane.wrong], "what cannot be read is not overwritten"


def test_a_finished_run_can_be_drawn_with_and_deleted_whole(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data"))
    output = studio.settings.models_dir / "rain"
    shutil.copytree(studio.settings.assets_dir / "models" / "mini", output / "model")
    (output / "events.jsonl").write_text(json.dumps({"event": "start", "recipe": "mini"}) + "\n")
    job = studio.queue.submit_training("Train rain", tmp_path / "config.toml", output)
    with pytest.raises(InvalidRequest, match="in the queue already"):
        studio.remove_run(job)
    studio.queue.end(job.id, "done", result=str(output / "model"))
    watch = TrainingWatch(studio, "training", "Train", "")
    shown = watch.of_job(studio.queue.get(job.id))
    assert 'data-do="draw" data-key="rain"' in shown and f'data-do="erase" data-key="{job.id}"' in shown
    assert "its checkpoints" in shown and str(output / "model") in shown
    config = tmp_path / "again.toml"
    config.write_text('[run]\nrecipe = "motion-lora"\npretrained_model_name_or_path = "rain"\n')
    waiting = studio.queue.submit_training("Train more", config, studio.settings.models_dir / "more")
    with pytest.raises(InvalidRequest, match="needs that model"):
        studio.remove_run(studio.queue.get(job.id))
    studio.queue.end(waiting.id, "stopped")
    studio.remove_run(studio.queue.get(job.id))
    assert [path.name for path in studio.settings.models_dir.iterdir() if not path.name.startswith(".")] == []
    assert not list((studio.settings.models_dir / ".incoming").iterdir())
    assert "rain was deleted" in watch.of_job(studio.queue.get(job.id))
    later = studio.queue.submit_training("Train rain", tmp_path / "config.toml", output)
    studio.queue.end(later.id, "done")
    output.mkdir()
    assert "trained again" in watch.of_job(studio.queue.get(job.id))
    with pytest.raises(InvalidRequest, match="later training"):
        studio.remove_run(studio.queue.get(job.id))
    elsewhere = studio.queue.submit_training("Train far", tmp_path / "config.toml", tmp_path / "far")
    studio.queue.end(elsewhere.id, "done")
    with pytest.raises(InvalidRequest, match="no training of this studio"):
        studio.remove_run(studio.queue.get(elsewhere.id))
