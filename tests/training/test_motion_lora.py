"""The recipe "motion-lora": a small file that the studio lays over the model it was made for."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import load_file

from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.settings import Settings
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.lora import adapted
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny import save_tiny_animatediff
from tests.text2video.tiny_families import save_hotshot
from tests.training.tuning import write_clip
from training.carry_out import carry_out
from training.events import StopSignal
from training.finetune.options import MotionLoraConfig


@pytest.mark.parametrize("kind", ["animatediff", "hotshot"])
def test_the_lora_changes_motion_alone_is_listed_and_loads_over_its_model(tmp_path, kind):
    size = 32 if kind == "animatediff" else 64
    base = (save_tiny_animatediff if kind == "animatediff" else save_hotshot)(tmp_path / "models" / "base")
    write_clip(tmp_path / "clips" / "one")
    made = MotionLoraConfig(
        output_dir=str(tmp_path / "models" / "glide"), data=str(tmp_path / "clips"), resolution=size, num_frames=2,
        pretrained_model_name_or_path=str(base), cache_dir=str(tmp_path / "cache"), report_to="none", device="cpu",
        threads=1, max_train_steps=2, learning_rate=1e-2, rank=2, validation_steps=1, validate_every_steps=2,
    )  # fmt: skip
    assert carry_out(made, StopSignal()) is not None

    spec = Catalogue(Settings(data_dir=tmp_path)).spec("glide", "lora")
    tensors = load_file(spec.path)
    assert tensors and all(".motion_modules." in name and "lora" in name for name in tensors)
    family = text2video_folder(base).load(Plain())
    text = family.encode_text("a square", "")

    def draw(*loras) -> np.ndarray:
        with adapted(family.pipeline, loras):
            return family.denoise(text, Sampling(size, size, 2, 1, 1.0, 3), lambda *_: None)

    plain = draw()
    assert np.abs(draw(spec.load(Plain())) - plain).max() > 1e-5
    assert np.array_equal(draw(), plain)
