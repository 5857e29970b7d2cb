"""Peak memory of long clips beside 50 frames of the same: swap and upscale over 1,000, 4K pictures made of 1080p.

4K: `--frames 5000` needs some ten gigabytes of disk, for frames between stages are kept without loss, and an hour or
two on two cores. The upscaler is as small as its file format allows: what would grow is not its memory.

Two cores, other work beside: 606 MiB over 1,000 frames where 50 take 594; at 4K 2,176 MiB over 150 where 50 take 2,224.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Result, make_clip, run_child

FEW, MANY, MANY_4K = 50, 1000, 200

# Each runs in a process of its own: peak memory never goes down again.
CHILD = """
import sys
from pathlib import Path
from benchmarks.local import Quiet, local_studio
from benchmarks.result import peak_mib
from diffscaler.requests import FaceSwapRequest, UpscaleRequest

folder, clip, photo = map(Path, sys.argv[1:4])
studio, engine = local_studio(folder)
key, face = studio.add_file(clip).key, studio.add_file(photo).key
engine.run(studio.recipe(FaceSwapRequest(clip=key, faces=(face,))).root, Quiet())
engine.run(studio.recipe(UpscaleRequest(clip=key, scale=2)).root, Quiet())
print(peak_mib())
"""

CHILD_4K = """
import sys
from pathlib import Path
from benchmarks.local import Quiet, local_studio
from benchmarks.result import peak_mib
from diffscaler.requests import UpscaleRequest

folder, clip, weights = map(Path, sys.argv[1:4])
studio, engine = local_studio(folder)
place = studio.settings.models_dir / "upscalers"
place.mkdir(parents=True)
(place / weights.name).write_bytes(weights.read_bytes())
request = UpscaleRequest(clip=studio.add_file(clip).key, scale=2, upscaler=weights.stem)
engine.run(studio.recipe(request).root, Quiet())
print(peak_mib())
"""

WIDTH, HEIGHT = 192, 108


def run(folder: Path, frames: int | None = None) -> Iterator[Result]:
    """frames: of the longer 4K clip"""
    from PIL import Image
    from skimage import data

    photo = folder / "face.png"
    Image.fromarray(data.astronaut()).save(photo)
    peaks = {}
    for count in (FEW, MANY):
        clip = make_clip(folder / f"{count}.mp4", count, WIDTH, HEIGHT)
        peaks[count] = float(run_child(CHILD, str(folder / f"data{count}"), str(clip), str(photo)))
    yield Result("memory", peaks[MANY], "MiB peak", f"{FEW} frames of the same clip", peaks[FEW], "lower")

    weights, many = save_tiny(folder / "tiny-x2.pth"), frames or MANY_4K
    for count in (FEW, many):
        clip = make_clip(folder / f"hd{count}.mp4", count, 1920, 1080, noise=0)
        peaks[count] = float(run_child(CHILD_4K, str(folder / f"4k{count}"), str(clip), str(weights)))
    yield Result(f"memory 4K, {many}", peaks[many], "MiB peak", f"{FEW} frames of the same clip", peaks[FEW], "lower")


def save_tiny(path: Path) -> Path:
    """A Real-ESRGAN file of the least size: SRVGGNetCompact x2 of 8 channels."""
    from diffscaler import compat

    compat.install()
    import torch
    from basicsr.archs.srvgg_arch import SRVGGNetCompact

    torch.manual_seed(0)
    torch.save({"params": SRVGGNetCompact(3, 3, 8, 1, 2).state_dict()}, path)
    return path
