"""Tiny random IP-Adapters in the format they are published in, with an image encoder beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

#: Width of what the tiny image encoder sees, of the picture as a whole and of its patches.
SEEN = 32


def reading_layers(unet: Any) -> list[int]:
    """Channels of each layer of a UNetMotionModel that reads words, in the order adapters number them."""
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor") and "motion_modules" not in name]
    return [unet.get_submodule(name.removesuffix(".processor")).to_q.out_features for name in names]


def projection(kind: str, width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes in `image_proj`. kind: "plain", "plus" or "full"; width: of the words."""
    if kind == "plain":
        return {
            "proj.weight": (4 * width, SEEN),
            "proj.bias": (4 * width,),
            "norm.weight": (width,),
            "norm.bias": (width,),
        }
    if kind == "full":
        return {
            "proj.0.weight": (SEEN, SEEN), "proj.0.bias": (SEEN,), "proj.2.weight": (width, SEEN),
            "proj.2.bias": (width,), "proj.3.weight": (width,), "proj.3.bias": (width,),
        }  # fmt: skip
    inner = 64
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (1, 4, inner), "proj_in.weight": (inner, SEEN), "proj_in.bias": (inner,),
        "proj_out.weight": (width, inner), "proj_out.bias": (width,), "norm_out.weight": (width,),
        "norm_out.bias": (width,),
    }  # fmt: skip
    for i in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            shapes |= {f"layers.{i}.{norm}.{part}": (inner,) for part in ("weight", "bias")}
        shapes |= {f"layers.{i}.0.to_q.weight": (inner, inner), f"layers.{i}.0.to_kv.weight": (2 * inner, inner),
                   f"layers.{i}.0.to_out.weight": (inner, inner), f"layers.{i}.1.1.weight": (4 * inner, inner),
                   f"layers.{i}.1.3.weight": (inner, 4 * inner)}  # fmt: skip
    return shapes


def adapter_state(unet: Any, kind: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """An adapter for a U-Net, under the names of a published safetensors file."""
    generator = torch.Generator().manual_seed(seed)
    width = unet.config.cross_attention_dim
    shapes = {f"image_proj.{name}": shape for name, shape in projection(kind, width).items()}
    for i, channels in enumerate(reading_layers(unet)):
        shapes |= {f"ip_adapter.{2 * i + 1}.to_{part}_ip.weight": (channels, width) for part in "kv"}
    return {name: torch.randn(shape, generator=generator) * 0.5 for name, shape in shapes.items()}


def save_ip_adapter(folder: Path, unet: Any, name: str = "tiny", kind: str = "plain", seed: int = 0) -> Path:
    """Write <name>.safetensors and image_encoder/ into a folder."""
    from safetensors.torch import save_file

    from tests.text2video.tiny_encoders import image_encoder

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    image_encoder()["image_encoder"].save_pretrained(str(folder / "image_encoder"))
    save_file(adapter_state(unet, kind, seed), folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


def as_pickle(path: Path) -> Path:
    """A copy of an adapter's file as .bin, which holds its two parts one inside the other."""
    from safetensors.torch import load_file

    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in load_file(path).items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    torch.save(parts, path.with_suffix(".bin"))
    return path.with_suffix(".bin")
