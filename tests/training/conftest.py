import numpy as np
import pytest

from diffscaler import compat

# Before any test module imports diffusers.
compat.install()


@pytest.fixture(scope="session")
def emoji_font():
    """Skips where the font the scenes are drawn with is not installed; CI installs it."""
    from training.scenes.glyphs import find_font

    try:
        return find_font()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def tiny_clip(rng, frames=4, size=32):
    """A square that moves over a plain ground: uint8 (F, size, size, 3)."""
    clip = np.full((frames, size, size, 3), rng.integers(40, 200, 3), np.uint8)
    colour = rng.integers(0, 255, 3)
    for i in range(frames):
        clip[i, 10:20, 2 + 3 * i : 12 + 3 * i] = colour
    return clip


@pytest.fixture
def clips_folder(tmp_path):
    """Three captioned clips of eight frames, as folders of pictures."""
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = tmp_path / "clips"
    for name in ("one", "two", "three"):
        (folder / name).mkdir(parents=True)
        for i, frame in enumerate(tiny_clip(rng, frames=8)):
            Image.fromarray(frame).save(folder / name / f"frame{i}.png")
        (folder / name / "prompt.txt").write_text(f"a square number {name} moves to the right")
    return folder
