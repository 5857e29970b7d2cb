"""Tiny random upscalers in the real on-disk format of Real-ESRGAN's models."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def compact_network(scale: int = 2, seed: int = 0, num_feat: int = 16, num_conv: int = 4) -> Any:
    """An SRVGGNetCompact."""
    from diffscaler import compat

    compat.install()
    import torch
    from basicsr.archs.srvgg_arch import SRVGGNetCompact

    torch.manual_seed(seed)
    return SRVGGNetCompact(3, 3, num_feat, num_conv, scale)


def rrdb_network(scale: int = 4, seed: int = 0, num_feat: int = 32, num_block: int = 2) -> Any:
    """An RRDBNet."""
    from diffscaler import compat

    compat.install()
    import torch
    from basicsr.archs.rrdbnet_arch import RRDBNet

    torch.manual_seed(seed)
    return RRDBNet(3, 3, scale=scale, num_feat=num_feat, num_block=num_block, num_grow_ch=32)


def save_compact(path: Path, scale: int = 2, seed: int = 0, num_feat: int = 16, num_conv: int = 4) -> Path:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": compact_network(scale, seed, num_feat, num_conv).state_dict()}, path)
    return path
