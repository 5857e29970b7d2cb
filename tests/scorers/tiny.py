"""A tiny random CLIP and heads for it, saved as their owners save the real ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diffscaler import compat
from tests.text2video.tiny_encoders import clip

WIDTH = 24


#: How OpenAI's own folders say what a picture is made of, but for the size.
PUBLISHED = {
    "crop_size": 32, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 32,
}  # fmt: skip


def clip_folder(path: Path, width: int = WIDTH, seed: int = 0, published: bool = False) -> Path:
    """A CLIPModel with its CLIPProcessor: two layers a tower, pictures of 32 pixels.

    published: in the files that OpenAI's folders have, which are older than the library's own of today
    """
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
        logit_scale_init_value=math.log(100),
    )
    torch.manual_seed(seed)
    CLIPModel(config).save_pretrained(path)
    CLIPProcessor(CLIPImageProcessor(size=32, crop_size=32), tokenizer).save_pretrained(path)
    if published:
        for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
            (path / name).unlink(missing_ok=True)
        texts = {
            "preprocessor_config.json": PUBLISHED,
            "vocab.json": tokenizer.get_vocab(),
            "tokenizer_config.json": {
                "tokenizer_class": "CLIPTokenizer", "model_max_length": 16, "unk_token": "<|endoftext|>",
                "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
            },
        }  # fmt: skip
        for name, row in texts.items():
            (path / name).write_text(json.dumps(row), encoding="utf-8")
        (path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
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
