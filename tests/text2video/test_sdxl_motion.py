"""Hotshot-XL and AnimateDiff-SDXL as a person meets them: a folder goes in, a clip comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.catalogue import text2video_folder
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from tests.text2video.tiny_families import animatediff_sdxl, save_hotshot, save_tiny


class Float32:
    torch_name, dtype, name = "cpu", "float32", "CPU"


SAMPLING = Sampling(64, 64, 4, 2, 3.0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hotshot(tmp_path_factory.mktemp("models") / "hotshot")


@pytest.fixture(scope="module")
def hotshot(folder: Path) -> Any:
    return load_pipeline(text2video_folder(folder), Float32())


def mode(model: Any) -> str:
    from diffscaler.text2video.hotshot.norms import norm_mode

    return norm_mode(model.pipeline.unet)


def given_to(unet: Any) -> tuple[list[dict[str, Any]], Any]:
    """What the network is called with, and how to stop listening."""
    calls: list[dict[str, Any]] = []
    hook = unet.register_forward_pre_hook(lambda _, args, named: calls.append(named | {"args": args}), with_kwargs=True)
    return calls, hook


def denoise(model: Any, sampling: Sampling) -> np.ndarray:
    return model.denoise(model.encode_text("a dog", "rain"), sampling, lambda *step: None)


def test_a_published_folder_is_recognised_loaded_and_draws(folder: Path, hotshot: Any) -> None:
    spec = text2video_folder(folder)
    assert spec.family and spec.family.name == "sdxl_motion"
    assert mode(hotshot) == "hotshot"
    first = denoise(hotshot, SAMPLING)
    assert first.shape == (4, 4, 8, 8) and np.isfinite(first).all()
    assert np.array_equal(first, denoise(hotshot, SAMPLING))
    assert hotshot.decode(first).shape == (4, 64, 64, 3)


def test_hotshot_is_told_width_before_height_and_others_height_before_width(hotshot: Any, tmp_path: Path) -> None:
    calls, hook = given_to(hotshot.pipeline.unet)
    denoise(hotshot, Sampling(64, 32, 4, 1, 3.0, 1))
    hook.remove()
    assert calls[0]["added_cond_kwargs"]["time_ids"].tolist() == [[1920, 1080, 0, 0, 512, 512]] * 2
    other = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "other")), Float32())
    assert mode(other) == "per-frame"
    calls, hook = given_to(other.pipeline.unet)
    denoise(other, Sampling(64, 32, 4, 1, 3.0, 1))
    hook.remove()
    assert calls[0]["added_cond_kwargs"]["time_ids"].tolist() == [[32, 64, 0, 0, 32, 64]] * 2


def test_more_frames_than_positions_need_windows(hotshot: Any) -> None:
    with pytest.raises(InvalidRequest, match="24") as caught:
        denoise(hotshot, Sampling(64, 64, 25, 1, 3.0, 1))
    assert caught.value.hint
    assert denoise(hotshot, Sampling(64, 64, 25, 1, 3.0, 1, window=8, overlap=2)).shape[1] == 25


def test_a_window_that_holds_the_clip_changes_nothing(hotshot: Any) -> None:
    whole = denoise(hotshot, SAMPLING)
    assert np.array_equal(whole, denoise(hotshot, Sampling(64, 64, 4, 2, 3.0, 1, window=8, overlap=2)))


def test_one_frame_is_drawn_by_the_image_layers_alone(hotshot: Any) -> None:
    """With all temporal tensors set to nonsense, a single frame stays the same and a clip does not."""
    one, clip = denoise(hotshot, Sampling(64, 64, 1, 2, 3.0, 1)), denoise(hotshot, SAMPLING)
    temporal = [p for name, p in hotshot.pipeline.unet.named_parameters() if "motion_modules" in name]
    before = [p.clone() for p in temporal]
    with torch.no_grad():
        for p in temporal:
            p.mul_(-2)
    try:
        assert np.array_equal(one, denoise(hotshot, Sampling(64, 64, 1, 2, 3.0, 1)))
        assert not np.allclose(clip, denoise(hotshot, SAMPLING))
    finally:
        with torch.no_grad():
            for p, old in zip(temporal, before, strict=True):
                p.copy_(old)


def test_an_image_model_with_an_adapter_keeps_the_layers_that_read_sizes(tmp_path: Path) -> None:
    """The library's own loading leaves them random."""
    from diffusers import MotionAdapter, UNet2DConditionModel

    folder = save_tiny("animatediff-sdxl", tmp_path / "split")
    torch.manual_seed(5)
    motion = animatediff_sdxl().unet
    kept = {name: value for name, value in motion.state_dict().items() if "motion_modules" not in name}
    names = ("block_out_channels", "layers_per_block", "attention_head_dim", "cross_attention_dim", "sample_size",
             "transformer_layers_per_block", "use_linear_projection", "addition_embed_type",
             "addition_time_embed_dim", "projection_class_embeddings_input_dim")  # fmt: skip
    unet = UNet2DConditionModel(
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
        up_block_types=(*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
        **{name: motion.config.get(name) for name in names if motion.config.get(name) is not None}
        | {"attention_head_dim": (2, 4, 8)},
    )
    unet.load_state_dict(kept)
    import shutil

    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet")
    adapter = MotionAdapter(block_out_channels=(32, 64, 64), motion_layers_per_block=2, motion_num_attention_heads=8,
                            use_motion_mid_block=False)  # fmt: skip
    adapter.save_pretrained(folder / "motion_adapter")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index |= {"unet": ["diffusers", "UNet2DConditionModel"], "motion_adapter": ["diffusers", "MotionAdapter"]}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    model = load_pipeline(text2video_folder(folder), Float32())
    loaded = model.pipeline.unet.state_dict()
    embedding = [name for name in kept if name.startswith("add_embedding")]
    assert len(embedding) == 4
    assert all(torch.equal(loaded[name], kept[name]) for name in embedding)
    assert np.isfinite(denoise(model, SAMPLING)).all()


def test_another_base_takes_the_temporal_layers_of_the_model_beside_it(folder: Path, tmp_path: Path) -> None:
    import shutil

    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    from tests.text2video.tiny_encoders import sdxl_text
    from tests.text2video.tiny_families import sdxl_vae
    from tests.text2video.tiny_hotshot import tiny_unet2d

    shutil.copytree(folder, tmp_path / "hotshot-xl")
    other = tiny_unet2d(77).float()
    pipeline = StableDiffusionXLPipeline(**sdxl_text(), vae=sdxl_vae(), unet=other, scheduler=EulerDiscreteScheduler())
    pipeline.save_pretrained(tmp_path / "watercolour")
    about = tmp_path / "watercolour" / "model.toml"
    about.write_text('family = "sdxl_motion"\ntemporal = "hotshot-xl"\n', encoding="utf-8")
    model = load_pipeline(text2video_folder(tmp_path / "watercolour"), Float32())
    published = load_pipeline(text2video_folder(tmp_path / "hotshot-xl"), Float32()).pipeline.unet.state_dict()
    state = model.pipeline.unet.state_dict()
    assert mode(model) == "hotshot"
    assert all(torch.equal(state[name], value) for name, value in other.state_dict().items())
    temporal = [name for name in state if "motion_modules" in name]
    assert temporal and all(torch.equal(state[name], published[name]) for name in temporal)
    assert np.isfinite(denoise(model, SAMPLING)).all()
    for name in ("../hotshot-xl", "nowhere"):
        about.write_text(f'family = "sdxl_motion"\ntemporal = "{name}"\n', encoding="utf-8")
        with pytest.raises(ModelNotFound, match="not installed") as caught:
            load_pipeline(text2video_folder(tmp_path / "watercolour"), Float32())
        assert caught.value.hint


@pytest.mark.parametrize(("part", "damage"), [("unet", "cut"), ("vae", "cut"), ("text_encoder_2", "missing"),
                                              ("scheduler", "strange"), ("unet", "missing")])  # fmt: skip
def test_a_damaged_part_is_said_in_one_sentence(folder: Path, tmp_path: Path, part: str, damage: str) -> None:
    import shutil

    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    if damage == "strange":
        (broken / part / "scheduler_config.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    else:
        weights = next((broken / part).glob("*.safetensors"))
        data = weights.read_bytes()[:100]
        weights.unlink()
        if damage == "cut":
            weights.write_bytes(data)
    with pytest.raises(ModelNotFound) as caught:
        load_pipeline(text2video_folder(broken), Float32())
    assert "\n" not in str(caught.value) and caught.value.hint
