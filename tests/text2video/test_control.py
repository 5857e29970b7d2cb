"""A clip leads another one: the right frames, in the right size, through a real (tiny) ControlNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffscaler.errors import DiffScalerError, InvalidRequest, ModelNotFound
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


def test_depth_and_poses_are_read_by_installed_models_and_the_file_tells_which(home: Path) -> None:
    from diffscaler.engine import missing
    from diffscaler.models.fit import Room
    from diffscaler.plan import nodes
    from diffscaler.predict import fit_of
    from diffscaler.video.probe import probe
    from tests.text2video.tiny_annotators import save_depth_anything, save_rt_detr, save_vitpose

    studio = Studio(Settings(data_dir=home, worker_idle_s=5, device="cpu", threads=1))
    clip = studio.add_file(save_clip(home / "follow.mp4", 12)).key
    ask = {"prompt": "a dog", "model": "motion", "seed": 1, "control": clip, "controlnet": "edges"}
    for kind, name in (("depth", "depth-anything-v2-small"), ("pose", "vitpose-base")):
        with pytest.raises(ModelNotFound, match=r"No model that .* is installed") as caught:
            studio.submit(Text2VideoRequest(**ask, control_kind=kind))
        assert f"models get {name}`" in caught.value.hint
    save_depth_anything(home / "models" / "depth-anything-v2-small")
    save_vitpose(home / "models" / "stance")
    with pytest.raises(ModelNotFound, match="no model called 'stance' here that measures depth"):
        studio.submit(Text2VideoRequest(**ask, control_kind="depth", annotator="stance"))

    wanted = {"depth": ["depth-anything-v2-small"], "pose": ["stance", "people"]}
    told = {
        "depth": ("Depth Anything V2 Small, on CPU", "Depth Anything V2 Small: licence Apache-2.0"),
        "pose": ("stance, on CPU", "stance: licence unknown"),
    }
    for kind, names in wanted.items():
        if kind == "pose":
            save_rt_detr(home / "models" / "people")
        recipe = studio.recipe(Text2VideoRequest(**ask, control_kind=kind))
        (led,) = [at for at in nodes(recipe.root) if at.stage == f"control_{kind}"]
        assert [model.name for model in led.models] == names
        fit = fit_of(studio.catalogue, [led], Room("cpu", "float32", 10**12))
        assert fit and fit.needed_bytes == max(studio.catalogue.spec(name).working_bytes for name in names)
        job = finish(studio, studio.submit_recipe(recipe))
        assert job.state == "done", (job.sentence, job.trace)
        notes = (probe(studio.library.path(job.result or "")).manifest or {})["notes"]
        assert all(any(note.startswith(words) for note in notes) for words in told[kind]), notes
        frames = np.concatenate([chunk.frames for chunk in studio.library.read(led.key)])
        assert frames.shape == (*(led.params[name] for name in ("num_frames", "height", "width")), 3)
        assert kind == "pose" or (frames.min(), frames.max()) == (0, 255)
        again = studio.recipe(Text2VideoRequest(**(ask | {"seed": 2}), control_kind=kind))
        assert led not in missing(studio.library, again.root), "what the ControlNet reads is kept"
