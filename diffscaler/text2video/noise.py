"""The noise a clip is drawn from. Frames may share a part of it: what they share, they draw alike.

Ge et al. 2023, "Preserve Your Own Correlation", section 4.1, "mixed noise": eps_i = sqrt(s) shared + sqrt(1 - s) own_i.
A small model that was trained on such noise need not agree on every outline by attention alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

#: In a model's folder: {"shared": 0.5}. Without it every frame has noise of its own.
FILE_NAME = "noise.json"


def mixed_noise(shape: tuple[int, ...], shared: float, generator: torch.Generator) -> torch.Tensor:
    """Standard normal noise, float32 on the CPU, of `shape` (B, C, F, h, w).

    shared: 0..1, the share of its variance that all frames of a clip have in common. The same generator state gives
    the same noise of their own to the frames, whatever `shared` is.
    """
    own = torch.randn(shape, generator=generator)
    if not shared:
        return own
    common = torch.randn((*shape[:2], 1, *shape[3:]), generator=generator)
    return shared**0.5 * common + (1 - shared) ** 0.5 * own


def rescheduled(noise: torch.Tensor, window: int, generator: torch.Generator) -> torch.Tensor:
    """Noise for a clip of several windows: what follows the first window is that window's noise, shuffled in time.

    Qiu et al. 2023, "FreeNoise", section 3.2: windows that are drawn from the same noise show the same scene.
    noise: (B, C, F, h, w); a clip that fits into one window keeps its own
    """
    frames = noise.shape[2]
    if window <= 0 or frames <= window:
        return noise
    parts = [noise[:, :, :window]]
    while sum(part.shape[2] for part in parts) < frames:
        parts.append(parts[0][:, :, torch.randperm(window, generator=generator)])
    return torch.cat(parts, dim=2)[:, :, :frames]


def read_shared_noise(folder: Path) -> float:
    """What a model's folder says its frames share, 0 where it says nothing. Raises ValueError for a damaged file."""
    try:
        shared = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))["shared"]
    except FileNotFoundError:
        return 0.0
    except (KeyError, TypeError) as error:
        raise ValueError(f"{FILE_NAME} does not say what is shared") from error
    if isinstance(shared, bool) or not isinstance(shared, int | float) or not 0 <= shared <= 1:
        raise ValueError(f"{FILE_NAME} must share between 0 and 1")
    return float(shared)


def write_shared_noise(folder: Path, shared: float) -> None:
    """Write the file into a model's folder; none where nothing is shared."""
    if shared:
        (folder / FILE_NAME).write_text(json.dumps({"shared": shared}) + "\n", encoding="utf-8")
