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


@pytest.fixture(scope="session")
def overfit(tmp_path_factory):
    """(folder, clip, losses): a pixel U-Net that has learnt one clip by heart, as the recipe exports it.

    SEEDS 5: dim 16, mults (1, 2), 4 x 8 x 8, v target, Adam 2e-3, B = 4; 300 steps do where 500 are allowed.
    """
    from pathlib import Path

    import torch

    from training.recipes.clip_data import ClipData
    from training.recipes.unet3d.options import Unet3DRun
    from training.recipes.unet3d.task import Unet3DTask
    from training.task import Place

    torch.set_num_threads(1)
    output: Path = tmp_path_factory.mktemp("overfit") / "one-clip"
    config = Unet3DRun(
        recipe="unet3d", output_dir=str(output), image_size=8, num_frames=4, dim=16, dim_mults=(1, 2), attn_heads=2,
        attn_dim_head=16, init_kernel_size=3, loss_type="l2", use_bert_text_cond=False, train_batch_size=4,
        learning_rate=2e-3, held_out=0,
    )  # fmt: skip
    clip = np.full((4, 8, 8, 3), 60, np.uint8)
    for i in range(4):
        clip[i, 2:5, 1 + i : 4 + i] = (230, 120, 40)
    task = Unet3DTask(config, Place(torch.device("cpu"), output), ClipData([clip], [["a square"]]))
    optimizer = torch.optim.Adam([p for _, p in task.trainable()], lr=config.learning_rate)
    losses = []
    for index in range(300):
        loss = task.loss(task.batch(index), torch.Generator().manual_seed(index))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    task.export(output / "model")
    return output / "model", clip, losses
