"""The judge: pictures and their changes through a small convolutional network, one answer per factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from training.judge.factors import FACTORS

#: What it looks at: this many frames, spread over the clip, at this size.
NUM_FRAMES, SIZE = 8, 64


class Judge(nn.Module):
    """Clips to logits. forward: float32 (B, NUM_FRAMES, 3, SIZE, SIZE) in [-1, 1] -> {factor: (B, classes)}."""

    def __init__(self, factors: Mapping[str, Sequence[str]] = FACTORS, width: int = 32) -> None:
        super().__init__()
        self.config = {"factors": {name: list(classes) for name, classes in factors.items()}, "width": width}
        w = width
        self.frame = nn.Sequential(
            # Changes since the frame before come in as three more channels: motion is what actions differ in.
            *_block(6, w, 2),
            *_block(w, 2 * w, 2),
            *_block(2 * w, 2 * w, 1),
            *_block(2 * w, 3 * w, 2),
            *_block(3 * w, 3 * w, 1),
        )
        self.time = nn.Sequential(nn.Conv3d(3 * w, 3 * w, (3, 1, 1), padding=(1, 0, 0)), nn.SiLU())
        self.narrow = nn.Sequential(*_block(3 * w, 4 * w, 2))
        self.join = nn.Sequential(nn.Linear(4 * w * (SIZE // 16) ** 2, 128), nn.SiLU())
        self.clip = nn.Sequential(nn.Dropout(0.1), nn.Linear(128 * NUM_FRAMES, 256), nn.SiLU(), nn.Dropout(0.1))
        #: Share of right answers per factor on new renders, as it was measured after training.
        self.accuracy: dict[str, float] = {}
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(classes)) for name, classes in factors.items()})

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        batch, frames = clips.shape[:2]
        change = torch.diff(clips, dim=1, prepend=clips[:, :1])
        x = self.frame(torch.cat([clips, 2 * change], dim=2).flatten(0, 1))
        x = x.unflatten(0, (batch, frames)).transpose(1, 2)
        x = (x + self.time(x)).transpose(1, 2).flatten(0, 1)
        x = self.join(self.narrow(x).flatten(1)).view(batch, -1)
        x = self.clip(x)
        return {name: head(x) for name, head in self.heads.items()}


def _block(given: int, made: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.GroupNorm(8, made), nn.SiLU()]


def seen(clip: np.ndarray) -> np.ndarray:
    """What the judge sees of a clip: uint8 RGB (F, H, W, 3) -> uint8 (NUM_FRAMES, SIZE, SIZE, 3)."""
    picks = np.linspace(0, len(clip) - 1, NUM_FRAMES).round().astype(int)
    return np.stack([cv2.resize(clip[i], (SIZE, SIZE), interpolation=cv2.INTER_AREA) for i in picks])


def to_input(clips: np.ndarray) -> Tensor:
    """uint8 (B, F, H, W, 3) as `seen` gives them -> float32 (B, F, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 1, 4, 2, 3).float().div_(127.5).sub_(1)
