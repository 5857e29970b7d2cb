"""Peak memory of swap and upscale over 1,000 frames, beside 50 frames of the same clip."""

from __future__ import annotations

from pathlib import Path

from benchmarks.result import Result, make_clip, run_child

# Runs in a process of its own: peak memory never goes down again.
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

WIDTH, HEIGHT = 192, 108


def run(folder: Path) -> list[Result]:
    from PIL import Image
    from skimage import data

    photo = folder / "face.png"
    Image.fromarray(data.astronaut()).save(photo)
    peaks = {}
    for frames in (50, 1000):
        clip = make_clip(folder / f"{frames}.mp4", frames, WIDTH, HEIGHT)
        peaks[frames] = float(run_child(CHILD, str(folder / f"data{frames}"), str(clip), str(photo)))
    return [Result("memory", peaks[1000], "MiB peak", "50 frames of the same clip", peaks[50], "lower")]
