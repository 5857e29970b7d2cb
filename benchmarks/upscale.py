"""Our tiled upscaling beside RealESRGANer per frame, same weights, same tile, both in float32 on a CPU."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from benchmarks.result import Result, median_seconds, picture

FRAMES, HEIGHT, WIDTH, TILE = 2, 135, 240, 128


def run(folder: Path) -> list[Result]:
    from diffscaler import compat

    compat.install()
    import torch
    from basicsr.archs.srvgg_arch import SRVGGNetCompact
    from realesrgan import RealESRGANer

    from diffscaler.models.catalogue import upscaler_file
    from diffscaler.models.device import pick_device
    from diffscaler.upscale.load import load_file
    from diffscaler.upscale.tile import upscale_frame

    torch.manual_seed(0)
    network = SRVGGNetCompact(3, 3, 64, 16, 4)
    path = folder / "compact-x4.pth"
    torch.save({"params": network.state_dict()}, path)
    device = pick_device(None)
    ours = load_file(upscaler_file(path), device)
    half = device.kind == "cuda"
    theirs = RealESRGANer(
        4,
        str(path),
        model=SRVGGNetCompact(3, 3, 64, 16, 4),
        tile=TILE,
        half=half,
        device=torch.device(device.torch_name),
    )
    frames = [picture(HEIGHT, WIDTH, seed) for seed in range(FRAMES)]

    def run_theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints every tile
            for frame in frames:
                theirs.enhance(frame[..., ::-1], outscale=4)

    def run_ours() -> None:
        for frame in frames:
            upscale_frame(ours, frame, 4, TILE)

    baseline = FRAMES / median_seconds(run_theirs)
    return [
        Result(
            "upscale", FRAMES / median_seconds(run_ours), "frames/s", "RealESRGANer, same weights", baseline, "higher"
        )
    ]
