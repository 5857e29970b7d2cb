"""Training from the queue: a real trainer, stopped and continued, and its model drawing in the same studio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.jobs.test_worker import finish, wait_for

CONFIG = """
[run]
recipe = "mini"
init = ""
output_dir = {output!r}
data_dir = {clips!r}
size = 32
num_frames = 8
frames_per_step = 4
vae_steps = 3
image_steps = 3
motion_steps = {steps}
decoder_steps = 1
vae_batch = 2
image_batch = 2
motion_batch = 2
vae_widths = [8, 8, 8, 8]
unet_widths = [16, 32]
text_width = 16
checkpoint_every = 2
sample_every = 0
threads = 1
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two moving squares with captions."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, colour in (("red", (220, 30, 30)), ("blue", (30, 30, 220))):
        frames = []
        for step in range(8):
            picture = np.full((32, 32, 3), 240, np.uint8)
            picture[8:20, 2 + step : 14 + step] = colour
            frames.append(Image.fromarray(picture))
        frames[0].save(folder / f"{name}.gif", save_all=True, append_images=frames[1:], duration=125, loop=0)
        (folder / f"{name}.txt").write_text(f"a {name} square moving right")
    return folder


def test_a_run_is_stopped_continued_and_its_model_draws(tmp_path: Path, clips: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=10, device="cpu", threads=1))
    output = studio.settings.models_dir / "squares"
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(output=output.as_posix(), clips=clips.as_posix(), steps=4000))
    job = studio.queue.submit_training("squares", config, output)
    studio.keeper.ensure()
    wait_for(lambda: studio.queue.get(job.id).progress.get("done", 0) > 12 or studio.queue.get(job.id).ended, 120)
    running = studio.queue.get(job.id)
    assert running.state == "running" and np.isfinite(running.progress["loss"]), running
    studio.queue.stop(job.id)
    assert finish(studio, job).state == "stopped"

    reached = running.progress["done"]
    config.write_text(CONFIG.format(output=output.as_posix(), clips=clips.as_posix(), steps=max(20, reached + 20)))
    studio.queue.retry(job.id)
    job = finish(studio, job)
    assert job.state == "done", (job.sentence, job.hint)
    assert job.progress["done"] > reached, "the second run continued and did not start over"

    spec = studio.catalogue.spec("squares", "text2video")
    assert (spec.native["width"], spec.native["num_frames"]) == (32, 8)
    request = Text2VideoRequest(
        prompt="a red square", model="squares", num_inference_steps=2, seed=1, width=64, height=64
    )
    assert finish(studio, studio.submit(request)).state == "done"


def test_a_folder_without_clips_fails_with_the_trainers_own_sentence(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=2, device="cpu", threads=1))
    (tmp_path / "nothing").mkdir()
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(output=str(tmp_path / "out"), clips=str(tmp_path / "nothing"), steps=5))
    job = studio.queue.submit_training("nothing", config, tmp_path / "out")
    job = finish(studio, job)
    assert job.state == "failed" and "clip" in job.sentence.lower() and job.hint, job
