"""The free pictures that the x4 upscaler learnt from, gathered from Debian packages into a folder for `data_dir`.

    apt-get install lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds stellarium-data \\
        tuxpaint-stamps-default plasma-workspace-wallpapers
    python -m training gather-pictures FOLDER

Each package's copyright file names authors and licences (CC BY, CC BY-SA, CC0, GPL-2+, LGPL-3).
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

#: What stands behind stamps and panoramas that are cut out.
SKY = (120, 150, 190)

#: Folders of stamps that are photographs for the most part.
STAMPS = (
    "animals fruit vegetables nuts flowers trees houses monuments vehicles music easter dishes tools planets money"
).split()

#: Wallpapers of Plasma with detail in them; the others are smooth shapes.
PLASMA = (
    "Autumn BytheWater ColdRipple ColorfulCups EveningGlow FallenLeaf Grey Kite OneStandsOut Path SafeLanding Volna"
).split()


def files_of(package: str) -> list[Path]:
    """The pictures of an installed package. Raises FileNotFoundError where there is no dpkg, SystemExit without it."""
    done = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{package} is not installed. apt-get install {package}")
    paths = [Path(line) for line in done.stdout.splitlines() if line.lower().endswith((".jpg", ".png"))]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """(name, picture) of all packages, shrunk so that they are sharp at their finest scale."""
    for package in ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04"):
        for path in files_of(package):
            if not any(drawn in path.name for drawn in ("warty", "Painting", "Infinite")):
                yield f"lomiri-{path.stem}", shrunk(on(path, SKY), 1400)
    for path in files_of("mate-backgrounds"):
        if "nature" in path.parts:
            yield f"mate-{path.stem}", shrunk(on(path, SKY), 1000)
    for path in files_of("stellarium-data"):
        earthly = "landscapes" in path.parts and not any(at in str(path) for at in ("mars", "moon"))
        if earthly and path.suffix == ".png" and path.stat().st_size > 90_000:
            yield f"stellarium-{path.stem}", shrunk(on(path, SKY), 1000)
    for name, path in sorted(largest_of(files_of("plasma-workspace-wallpapers")).items()):
        yield f"plasma-{name}", shrunk(on(path, SKY), 1400)
    for path in files_of("tuxpaint-stamps-default"):
        if set(STAMPS) & set(path.parts) and "cartoon" not in str(path):
            colour = np.random.default_rng(len(path.name)).integers(60, 220, 3)
            stamp = on(path, (int(colour[0]), int(colour[1]), int(colour[2])))
            if min(stamp.size) >= 200:
                yield f"tux-{path.stem}", shrunk(stamp, max(160, max(stamp.size) // 1.5))


def largest_of(files: list[Path]) -> dict[str, Path]:
    """The largest file of each wallpaper that is wanted; each lies in a folder of its name, in several sizes."""
    wanted = ((name, path) for path in files for name in PLASMA if name in path.parts and "images" in path.parts)
    return dict(sorted(wanted, key=lambda item: item[1].stat().st_size))


def on(path: Path, colour: tuple[int, int, int]) -> Image.Image:
    """A picture, RGB, where it is see-through the colour."""
    with Image.open(path) as picture:
        layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*colour, 255))
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def shrunk(picture: Image.Image, side: float) -> Image.Image:
    """No longer than `side` pixels."""
    factor = min(1.0, side / max(picture.size))
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture if factor == 1 else picture.resize(size, Image.Resampling.BICUBIC)


def main(arguments: list[str]) -> int:
    """Write them as PNG."""
    parser = argparse.ArgumentParser(prog="python -m training gather-pictures", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, picture in pictures():
        picture.save(folder / f"{name}.png", compress_level=1)
        count += 1
    print(f"{count} pictures in {folder}")
    return 0
