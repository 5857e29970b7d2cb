"""A clip leads another one: the right frames, in the right size, through a real (tiny) ControlNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.media import ClipMeta, FrameChunk
from diffscaler.models.catalogue import text2video_folder
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.control_stage import ControlFrames, ControlFramesParams
from diffscaler.text2video.family import Control, Sampling
from diffscaler.text2video.load import load_pipeline
from tests.jobs.test_worker import finish, save_clip
from tests.text2video.test_frugal import Context, Plain
from tests.text2video.tiny_families import save_tiny


class Chunks:
    """A clip of numbered grey frames, 10 a second, in chunks of 3."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.meta = ClipMeta(kind="frames", width=40, height=20, num_frames=frames)

    def __iter__(self) -> Any:
        for start in range(0, self.frames, 3):
            index = np.arange(start, min(start + 3, self.frames))
            pictures = np.broadcast_to(index[:, None, None, None], (len(index), 20, 40, 3)).astype(np.uint8)
            yield FrameChunk(pictures, start, index / 10)


def led(frames: int, wanted: int, fps: str, kind: str = "none") -> tuple[np.ndarray, list[str]]:
    params = ControlFramesParams(kind=kind, width=16, height=16, num_frames=wanted, fps=fps)
    stage, context = ControlFrames(params, ()), Context(None)
    (chunk,) = stage.run((Chunks(frames),), context)
    assert stage.describe((Chunks(frames).meta,)).num_frames == len(chunk.frames) == wanted
    return chunk.frames, context.notes


def test_each_new_frame_is_led_by_what_was_on_the_screen_at_its_moment() -> None:
    frames, notes = led(20, 8, "5")
    assert frames.shape == (8, 16, 16, 3) and frames[:, 8, 8, 0].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert notes == []
    assert led(20, 6, "20")[0][:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_short_clips_last_frame_is_held_and_that_is_said() -> None:
    frames, notes = led(4, 8, "10")
    assert frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 3, 3, 3, 3]
    assert notes == ["The clip to follow is shorter: its last frame is held for 5 frames."]


def test_edges_are_white_on_black() -> None:
    frames, _ = led(4, 2, "10", kind="canny")
    assert set(np.unique(frames)) <= {0, 255}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffscaler import compat

    compat.install()
    import torch
    from diffusers import ControlNetModel

    root = tmp_path_factory.mktemp("control")
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", root / "models" / "motion")), Plain())
    config = model.pipeline.unet.config
    torch.manual_seed(3)
    net = ControlNetModel(
        block_out_channels=tuple(config.block_out_channels), layers_per_block=2, cross_attention_dim=24,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2), attention_head_dim=(2, 4, 8),
        transformer_layers_per_block=(1, 1, 2), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=64,
        conditioning_embedding_out_channels=(8, 8, 8, 8),
    )  # fmt: skip
    for part in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(part.weight, std=0.2)
    net.save_pretrained(root / "models" / "controlnets" / "edges")
    return root


def test_a_controlnet_changes_the_clip_in_its_part_of_the_steps_only(home: Path) -> None:
    from diffscaler.models.catalogue import controlnet_folder

    model = load_pipeline(text2video_folder(home / "models" / "motion"), Plain())
    spec = controlnet_folder(home / "models" / "controlnets" / "edges")
    net, text = spec.load(Plain()), model.encode_text("a dog", "")
    frames = np.random.default_rng(1).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)

    def draw(control: Control | None, **changes: Any) -> np.ndarray:
        sampling = Sampling(64, 64, 4, 4, 3.0, 1, control=control, **changes)
        return model.denoise(text, sampling, lambda *step: None)

    plain = draw(None)
    assert not np.allclose(plain, draw(Control(net, frames, 1.0)))
    assert np.array_equal(plain, draw(Control(net, frames, 1.0, start=0.9, end=1.0)))
    assert not np.allclose(draw(Control(net, frames, 1.0)), draw(Control(net, 255 - frames, 1.0)))
    long = np.concatenate([frames] * 3)
    sampling = Sampling(64, 64, 12, 2, 3.0, 1, window=4, overlap=1, control=Control(net, long, 1.0))
    assert np.isfinite(model.denoise(text, sampling, lambda *step: None)).all()


def test_a_clip_from_the_library_leads_one_through_the_queue(home: Path) -> None:
    studio = Studio(Settings(data_dir=home, worker_idle_s=2, device="cpu", threads=1))
    clip = studio.add_file(save_clip(home / "clip.mp4", 12)).key
    ask = {"prompt": "a dog", "model": "motion", "seed": 1, "control": clip}
    job = finish(studio, studio.submit(Text2VideoRequest(**ask, controlnet="edges")))
    assert job.state == "done", (job.sentence, job.trace)
    stages = [node.stage for node in studio.library.clip(job.result or "").node.inputs[0].inputs[0].inputs]
    assert stages == ["encode_text", "control_frames"]
    for wrong, said in (
        ({}, "needs a ControlNet"),
        ({"controlnet": "depth"}, "no model called 'depth'"),
        ({"model": "mini", "controlnet": "edges"}, "cannot follow"),
    ):
        with pytest.raises(DiffScalerError, match=said) as caught:
            studio.submit(Text2VideoRequest(**(ask | wrong)))
        assert caught.value.hint
    assert isinstance(caught.value, InvalidRequest)
