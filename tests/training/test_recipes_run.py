"""Recipes as a person meets them: presets, a configuration, a folder of clips, a model in the list."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import ROOT, Settings
from training.carry_out import export_checkpoint
from training.commands import run
from training.config import load_config
from training.events import RunError, StopSignal
from training.finetune.examples import read_example
from training.options import RunConfig
from training.recipes import RECIPES, clip_data
from training.recipes.clip_data import read_clips
from training.task import Place

OURS = ("unet3d", "dit", "inflate", "temporal-decoder", "distil")


@pytest.mark.parametrize("name", ["unet3d", "dit", "inflate", "temporal-decoder", "few-steps"])
def test_the_committed_presets_are_valid(name: str) -> None:
    config = load_config(ROOT / "presets" / "training" / f"{name}.toml")
    assert isinstance(config, RunConfig) and config.recipe == ("distil" if name == "few-steps" else name)


@pytest.mark.parametrize("name", OURS)
def test_every_option_says_what_it_is(name: str) -> None:
    for option, field in RECIPES[name].config_class().model_fields.items():
        assert option == "recipe" or field.title, option


def test_a_folder_of_clips_becomes_a_model_in_the_list(clips_folder: Path, tmp_path: Path, monkeypatch) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    output = settings.models_dir / "squares"
    file = tmp_path / "run.toml"
    file.write_text(
        f"""[run]
recipe = "unet3d"
output_dir = {json.dumps(str(output))}
data = {json.dumps(str(clips_folder))}
image_size = 8
num_frames = 4
dim = 8
dim_mults = [1, 2]
attn_heads = 2
attn_dim_head = 8
sample_steps = 2
max_train_steps = 3
validate_every_steps = 3
held_out = 1
report_to = "none"
device = "cpu"
threads = 1
""",
        encoding="utf-8",
    )
    assert run(load_config(file), StopSignal()) == output / "model"
    events = [json.loads(line) for line in (output / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [event["event"] for event in events]
    assert said.count("reading") and said[-1] == "done" and "sample" in said
    spec = Catalogue(settings).spec("squares", "text2video")
    assert spec.family and spec.family.name == "unet3d" and spec.title == "squares"
    assert spec.native["width"] == 8 and spec.native["num_frames"] == 4

    # Its checkpoint becomes the same model: all words are known, though no clip is read.
    opened: list[object] = []
    monkeypatch.setattr(clip_data, "read_example", lambda example: (opened.append(example), read_example(example))[1])
    (checkpoint,) = (output / "checkpoints").glob("step-*")
    export_checkpoint(checkpoint, tmp_path / "again")
    assert opened == []
    for file in ("model.safetensors", "text_encoder/model.safetensors"):
        again, finished = (load_file(folder / file) for folder in (tmp_path / "again", output / "model"))
        assert all(torch.equal(again[name], finished[name]) for name in finished)


def test_shorter_clips_keep_their_length_and_captions_may_be_missing_where_words_are_not_needed(
    clips_folder: Path, tmp_path: Path
) -> None:
    place = Place(torch.device("cpu"), tmp_path)
    for picture in sorted((clips_folder / "two").glob("frame*.png"))[1:]:
        picture.unlink()
    read = partial(read_clips, str(clips_folder), place, 0, 6, 8.0, 16, 1, 1.0)
    assert sorted(len(clip) for clip in read().frames) == [1, 6, 6]
    assert sorted(len(clip) for clip in read(lambda count: count if count > 1 else 0).frames) == [6, 6]
    (clips_folder / "one" / "prompt.txt").unlink()
    assert ("",) in [tuple(captions) for captions in read(captions_needed=False).captions]
    with pytest.raises(RunError, match="no caption"):
        read()
    (clips_folder / "one" / "prompt.txt").write_text("a square")
    with pytest.raises(RunError, match="long enough") as caught:
        read(lambda count: 0)
    assert caught.value.hint
