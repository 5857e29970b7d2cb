"""A tiny random CLIP and heads for it, saved as their owners save the real ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diffscaler import compat
from tests.text2video.tiny_encoders import clip

WIDTH = 24


def clip_folder(path: Path, width: int = WIDTH, seed: int = 0, logit_scale: float = 100.0) -> Path:
    """A CLIPModel with its CLIPProcessor: two layers a tower, pictures of 32 pixels."""
    compat.install()
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = clip()["tokenizer"]
    tower: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
        "projection_dim": width,
    }  # fmt: skip
    text = tower | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1,
                    "pad_token_id": 1}  # fmt: skip
    config = CLIPConfig(
        text_config=text,
        vision_config=tower | {"image_size": 32, "patch_size": 8},
        projection_dim=width,
        logit_scale_init_value=math.log(logit_scale),
    )
    torch.manual_seed(seed)
    CLIPModel(config).save_pretrained(path)
    CLIPProcessor(CLIPImageProcessor(size=32, crop_size=32), tokenizer).save_pretrained(path)
    return path


class Improved(nn.Module):
    """The network of improved-aesthetic-predictor's files, for vectors of any width."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 1024), nn.Dropout(0.2), nn.Linear(1024, 128), nn.Dropout(0.2), nn.Linear(128, 64),
            nn.Dropout(0.1), nn.Linear(64, 16), nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def head_file(path: Path, width: int = WIDTH, single: bool = False, seed: int = 0) -> nn.Module:
    """Save a head as its state dict, and return it, in eval mode."""
    torch.manual_seed(seed)
    head = (nn.Linear(width, 1) if single else Improved(width)).eval()
    with torch.no_grad():
        (head if single else head.layers[-1]).bias.fill_(5.0)  # type: ignore[union-attr, operator]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(head.state_dict(), path)
    else:
        torch.save(head.state_dict(), path)
    return head
