"""A tiny random upscaler in the real on-disk format of Real-ESRGAN's small models."""

from __future__ import annotations

from pathlib import Path


def save_compact(path: Path, scale: int = 2, seed: int = 0, num_feat: int = 16, num_conv: int = 4) -> Path:
    from diffscaler import compat

    compat.install()
    import torch
    from basicsr.archs.srvgg_arch import SRVGGNetCompact

    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    net = SRVGGNetCompact(3, 3, num_feat, num_conv, scale)
    torch.save({"params": net.state_dict()}, path)
    return path
