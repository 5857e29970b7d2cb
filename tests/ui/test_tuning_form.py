"""What the Training form writes for recipes that tune an installed model, the trainer reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.settings import Settings
from training.config import load_config
from training.options import RunConfig
from ui.training_form import TrainRequest
from ui.training_table import TUNING, write_config


@pytest.mark.parametrize("recipe", TUNING)
def test_the_trainer_reads_it_and_what_nobody_set_comes_from_recipe_and_model(tmp_path: Path, recipe: str) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    request = TrainRequest(
        name="rain", recipe=recipe, folder=str(clips), base="mini", steps=40, sample_prompts="a cat; a dog"
    )  # type: ignore[arg-type]
    file, output = write_config(request, Settings(data_dir=tmp_path))
    config = load_config(file)
    assert isinstance(config, RunConfig) and config.recipe == recipe and Path(config.output_dir) == output
    own = type(config).model_fields["learning_rate"].default
    said = config.model_dump()
    assert (config.learning_rate, said["resolution"], said["num_frames"]) == (own, 128, 16)
    assert config.prompts == ("a cat", "a dog") and config.max_train_steps == 40


def test_without_clips_there_is_nothing_to_tune(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no clips to learn from"):
        write_config(TrainRequest(name="rain", recipe="temporal", base="mini"), Settings(data_dir=tmp_path))
