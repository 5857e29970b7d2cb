"""The recipe "temporal": the temporal layers of a model go on learning, its pictures stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from training.finetune.clip_task import ClipTask
from training.finetune.export import write_model
from training.finetune.motion_model import MotionModel, only_temporal, temporal_in_32_bits
from training.finetune.options import FineTuneConfig, TemporalConfig
from training.task import Batch, Place


class MotionTask(ClipTask):
    """What "temporal" and "motion-lora" share: the model, its samples, its words."""

    def __init__(self, config: FineTuneConfig, place: Place, model: MotionModel) -> None:
        self.model = model
        # A LoRA goes into the network before the words of samples are read, which drops the text encoders.
        self.make_trainable()
        super().__init__(config, place, model.family.pipeline, model.unet, model.sdxl)
        self.texts: dict[str, Any] = {}
        if config.validate_every_steps and place.process == 0:
            self.texts = {p: model.family.encode_text(p, "") for p in config.prompts or self.prompts()}
        self.first_pass()

    def make_trainable(self) -> None:
        """Set up what trains."""

    def predict(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        return self.model.predict(noisy, timesteps, batch)

    def shared_noise(self) -> float:
        return self.model.family.shared_noise

    def sample(self, prompt: str, seed: int) -> np.ndarray | None:
        size = self.examples[0].width, self.examples[0].height
        return self.model.draw(self.texts[prompt], self.config, size, seed, self.place)


class TemporalTask(MotionTask):
    """Hotshot-XL's own fine-tuning, for every model with temporal layers."""

    config: TemporalConfig

    def __init__(self, config: TemporalConfig, place: Place) -> None:
        self.start = config.unet_resume_path
        super().__init__(config, place, MotionModel.open(config, place))

    def make_trainable(self) -> None:
        unet = self.model.unet
        if self.start:
            self.model.load_temporal(Path(self.start).expanduser())
        temporal_in_32_bits(unet)
        only_temporal(unet)

    def export(self, folder: Path) -> None:
        write_model(self.model, self.config, folder)
