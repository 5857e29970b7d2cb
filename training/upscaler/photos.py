"""Pictures to learn enlarging from: scikit-image's photos, free pictures and films, drawn scenes, print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.scenes.render import render_clip
from training.scenes.spec import draw_spec

#: In scikit-image's wheel, CC0 or public domain.
PHOTOS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "hubble_deep_field.jpg",
    "camera.png",
    "brick.png",
    "grass.png",
    "gravel.png",
)

#: Photos and films hold no detail at the finest scale (sensor, compression); made smaller they do.
SHRINK = (1.0, 0.7, 0.5)
NUM_SCENES = NUM_PAGES = 24


def training_pictures(data_dir: Path | None) -> list[np.ndarray]:
    """uint8 RGB pictures (H, W, 3). `data_dir`: a folder of pictures, and of clips to take frames from, or None."""
    pictures = [shrunk for photo in _photos() for factor in SHRINK for shrunk in (_shrink(photo, factor),)]
    if data_dir is not None:
        pictures += _stills(data_dir)
        pictures += [_shrink(frame, 0.5) for frame in _film_frames(data_dir)]
    pictures += [render_clip(draw_spec(900_000 + i), size=256, num_frames=1)[0][0] for i in range(NUM_SCENES)]
    pictures += [_page(np.random.default_rng([7, i])) for i in range(NUM_PAGES)]
    return [p for p in pictures if min(p.shape[:2]) >= 128]


def _stills(folder: Path) -> list[np.ndarray]:
    suffixes = (".png", ".jpg", ".jpeg", ".webp")
    return [np.array(Image.open(p).convert("RGB")) for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes]


def _page(rng: np.random.Generator, side: int = 256) -> np.ndarray:
    """Letters and rules in two colours: edges as sharp as print's, which photos hardly have."""
    paper, ink = (rng.integers(*bounds, size=3) for bounds in rng.permutation([(150, 256), (0, 110)]))
    page = Image.new("RGB", (4 * side, 4 * side), tuple(paper.tolist()))
    draw, y = ImageDraw.Draw(page), 16
    while y < 4 * side:
        size = int(rng.choice([36, 48, 64, 96, 160]))
        words = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,-   "), 60))
        draw.text((16, y), words, fill=tuple(ink.tolist()), font=ImageFont.load_default(size))
        if rng.random() < 0.3:
            draw.line((0, y, 4 * side, y + int(rng.integers(-size, size))), fill=tuple(ink.tolist()), width=size // 8)
        y += size + 12
    return np.array(page.resize((side, side), Image.Resampling.BICUBIC))


def _photos() -> list[np.ndarray]:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    # Only a few files ship in every wheel; the rest would be downloaded.
    return [np.array(Image.open(folder / name).convert("RGB")) for name in PHOTOS if (folder / name).exists()]


def _shrink(picture: np.ndarray, factor: float) -> np.ndarray:
    if factor == 1.0:
        return picture
    height, width = picture.shape[:2]
    size = (int(width * factor), int(height * factor))
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _film_frames(folder: Path, every: int = 24, most: int = 24) -> list[np.ndarray]:
    """Frames of every film in a folder, far enough apart to differ."""
    import av

    frames = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".mp4", ".mkv", ".gif", ".mov", ".webm"):
            continue
        with av.open(str(path)) as container:
            kept = 0
            for i, frame in enumerate(container.decode(video=0)):
                if i % every == 0:
                    frames.append(frame.to_ndarray(format="rgb24"))
                    kept += 1
                if kept == most:
                    break
    return frames
