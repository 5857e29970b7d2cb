"""PSNR on benchmark pairs, the way papers report it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from diffscaler.upscale.network import PreviewUpscaler


def load_upscaler(path: Path) -> PreviewUpscaler:
    """Read a network and its construction from one safetensors file."""
    with safe_open(path, framework="pt") as file:
        network = PreviewUpscaler(**json.loads(file.metadata()["config"]))
        network.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})  # noqa: SIM118
    return network.eval()


def luma(image: np.ndarray) -> np.ndarray:
    """MATLAB's rgb2ycbcr, Y only: uint8 RGB (H, W, 3) -> float64 (H, W), 16..235."""
    return image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr_y(image: np.ndarray, truth: np.ndarray, border: int) -> float:
    """PSNR in dB between the Y of two uint8 RGB images, `border` pixels cut on every side."""
    cut = np.s_[border:-border, border:-border]
    error = np.mean((luma(image)[cut] - luma(truth)[cut]) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """MATLAB's imresize(..., "bicubic"), antialiased when it makes smaller. uint8 RGB in and out."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].double()
    out = F.interpolate(tensor, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return out[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def enlarge(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """Apply a network to a uint8 RGB image."""
    tensor: Tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        out = network(tensor)[0]
    return (out * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def measure(pairs: Path, scale: int, method: Callable[[np.ndarray], np.ndarray]) -> list[tuple[str, float]]:
    """(name, PSNR) of each pair NAME_x{scale}_HR.png, NAME_x{scale}_LR.png in a folder."""
    rows = []
    for high in sorted(pairs.glob(f"*_x{scale}_HR.png")):
        low = high.with_name(high.name.replace("_HR.png", "_LR.png"))
        truth, small = (np.asarray(Image.open(p).convert("RGB")) for p in (high, low))
        rows.append((re.sub(r"_x\d_HR$", "", high.stem), psnr_y(method(small), truth, scale)))
    return rows


def main(arguments: list[str]) -> int:
    """Print a table for each scale of which the folder has pairs."""
    parser = argparse.ArgumentParser(prog="python -m training evaluate-upscaler")
    parser.add_argument("--pairs", type=Path, required=True, action="append", help="folder of _HR/_LR pairs")
    parser.add_argument("--models", type=Path, default=Path("assets/models/upscaler"))
    options = parser.parse_args(arguments)
    print(f"{'pairs':<10}{'scale':>6}{'images':>8}{'bicubic':>10}{'network':>10}{'gain':>8}   (PSNR of Y, dB)")
    for pairs in options.pairs:
        for scale in (2, 4):
            path = options.models / f"x{scale}.safetensors"
            bicubic = measure(pairs, scale, lambda im, s=scale: resize(im, im.shape[0] * s, im.shape[1] * s))
            if not bicubic or not path.exists():
                continue
            network = load_upscaler(path)
            ours = measure(pairs, scale, lambda im, n=network: enlarge(n, im))
            a, b = (float(np.mean([v for _, v in rows])) for rows in (bicubic, ours))
            print(f"{pairs.name:<10}{f'x{scale}':>6}{len(ours):>8}{a:>10.2f}{b:>10.2f}{b - a:>+8.2f}")
    return 0
