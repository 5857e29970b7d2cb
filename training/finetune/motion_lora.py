"""The recipe "motion-lora": a LoRA on the attention of the temporal layers. Hu et al. 2022; Guo et al. 2024
(AnimateDiff), section 4.3."""

from __future__ import annotations

import shutil
from pathlib import Path

from diffscaler.text2video.hotshot import keys
from training.finetune.motion_model import MotionModel
from training.finetune.options import MotionLoraConfig
from training.finetune.temporal import MotionTask
from training.task import Place

#: What is changed of each attention of a temporal layer.
PROJECTIONS = r".*\.motion_modules\..*\.attn[12]\.(to_q|to_k|to_v|to_out\.0)"

#: In the run's model folder; the catalogue looks for it there.
FILE_NAME = "lora.safetensors"


class MotionLoraTask(MotionTask):
    """The model's own weights stay; only the LoRA trains, in 32 bits."""

    config: MotionLoraConfig

    def __init__(self, config: MotionLoraConfig, place: Place) -> None:
        self.rank, self.alpha = config.rank, config.lora_alpha or config.rank
        super().__init__(config, place, MotionModel.open(config, place))

    def make_trainable(self) -> None:
        from peft import LoraConfig

        unet = self.model.unet
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=PROJECTIONS))
        for name, parameter in unet.named_parameters():
            parameter.requires_grad_("lora_" in name and keys.is_temporal(name))
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    def export(self, folder: Path) -> None:
        from peft.utils import get_peft_model_state_dict

        pipeline = self.model.family.pipeline
        part = folder / "part"
        state = {name: tensor.detach().cpu() for name, tensor in get_peft_model_state_dict(self.model.unet).items()}
        adapter = self.model.unet.peft_config["default"]
        pipeline.save_lora_weights(part, unet_lora_layers=state, unet_lora_adapter_metadata=adapter.to_dict())
        shutil.move(part / "pytorch_lora_weights.safetensors", folder / FILE_NAME)
        part.rmdir()
