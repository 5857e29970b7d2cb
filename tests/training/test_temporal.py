"""The recipe "temporal" on tiny real checkpoints: what trains, what stays, and what the studio makes of the result."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.settings import Settings
from diffscaler.text2video.bypass import bypass_temporal
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny import save_tiny_animatediff
from tests.text2video.tiny_families import save_hotshot, save_tiny
from tests.training.tuning import FRAMES, certain_vae, write_clip
from training.carry_out import carry_out
from training.events import RunError, StopSignal
from training.finetune.motion_model import only_temporal, time_ids
from training.finetune.options import TemporalConfig
from training.finetune.temporal import TemporalTask
from training.task import Place
from training.validation import held_out_loss


def config(root: Path, model: Path, **options) -> TemporalConfig:
    defaults = {
        "output_dir": str(root / "models" / "tuned"), "data": str(root / "clips"), "resolution": 32,
        "pretrained_model_name_or_path": str(model), "num_frames": FRAMES, "cache_dir": str(root / "cache"),
        "report_to": "none", "validate_every_steps": 0, "threads": 1, "device": "cpu", "noise_offset": 0.0,
        "validation_steps": 2, "save_n_steps": 1000,
    }  # fmt: skip
    return TemporalConfig(**{**defaults, **options})


def events(folder: Path, kind: str) -> list[dict]:
    return [e for e in map(json.loads, (folder / "events.jsonl").read_text().splitlines()) if e["event"] == kind]


@pytest.fixture(scope="module")
def overfit(tmp_path_factory):
    """(folder, base model, configuration) of a run that has learnt one clip."""
    root = tmp_path_factory.mktemp("temporal")
    base = certain_vae(save_tiny_animatediff(root / "base"))
    write_clip(root / "clips" / "one")
    made = config(root, base, max_train_steps=160, learning_rate=1e-2, caption_dropout=0.0, validate_every_steps=160)
    assert carry_out(made, StopSignal()) == root / "models" / "tuned" / "model"
    return root, base, made


def test_it_learns_a_clip_with_its_temporal_layers_alone(overfit):
    root, base, made = overfit
    losses = {}
    for name, folder in (("before", base), ("after", root / "models" / "tuned" / "model")):
        options = made.model_dump() | {"pretrained_model_name_or_path": str(folder)}
        task = TemporalTask(TemporalConfig(**options), Place(torch.device("cpu"), root))
        batches = [task.batch(i) for i in range(4)]
        losses[name] = held_out_loss(task, batches, 7)
        with bypass_temporal(task.unet):
            losses[f"{name}, without them"] = held_out_loss(task, batches, 7)
    print(losses)
    # What the image layers alone can do has not changed; with the temporal ones the error is less than half of it.
    assert losses["after, without them"] == pytest.approx(losses["before, without them"], rel=1e-3)
    assert losses["after"] < 0.5 * losses["after, without them"] < losses["before"]


def test_spatial_weights_are_the_originals_bit_for_bit(overfit):
    root, base, _ = overfit
    before, after = (
        load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
        for folder in (base, root / "models" / "tuned" / "model")
    )
    temporal = {name for name in before if ".motion_modules." in name}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert set(before) == set(after) and changed < temporal and len(changed) == 182


def test_the_result_is_in_the_model_list_and_draws(overfit):
    root, _, _ = overfit
    spec = Catalogue(Settings(data_dir=root)).spec("tuned", "text2video")
    assert spec.native["width"] == 32 and spec.native["num_frames"] == FRAMES
    family = spec.load(Plain())
    from diffscaler.text2video.family import native_sampling

    latents = family.denoise(family.encode_text("a square", ""), native_sampling(spec.native, 1), lambda *_: None)
    assert family.decode(latents[:, :2]).shape == (2, 32, 32, 3)
    assert Path(events(root / "models" / "tuned", "sample")[0]["path"]).is_file()


def test_a_second_run_encodes_nothing_again_and_learns_the_same(overfit):
    root, base, _ = overfit
    before = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")}
    made = config(root, base, output_dir=str(root / "again"), max_train_steps=2)
    task = TemporalTask(made, Place(torch.device("cpu"), root))
    assert task.encoder.cache.made == 0 and task.encoder.cache.found >= 3
    assert {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")} == before
    fresh = TemporalTask(made.model_copy(update={"use_cache": False}), Place(torch.device("cpu"), root))
    for index in range(2):
        losses = [t.loss(t.batch(index), torch.Generator().manual_seed(index)).item() for t in (task, fresh)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("memory", [0, 2**30])
def test_a_cache_that_cannot_be_written_costs_time_and_not_the_run(overfit, tmp_path, monkeypatch, memory):
    from training.finetune import clip_task

    root, base, _ = overfit
    (tmp_path / "cache").write_text("in the way of a folder")
    monkeypatch.setattr(clip_task, "TensorCache", partial(clip_task.TensorCache, memory_bytes=memory))
    made = config(root, base, output_dir=str(tmp_path / "run"), cache_dir=str(tmp_path / "cache"), max_train_steps=2)
    assert carry_out(made, StopSignal()) is not None
    (warning,) = events(tmp_path / "run", "warning")
    assert "cache of encoded clips cannot be written" in warning["message"]


def test_a_checkpoint_becomes_a_model_without_its_clips_being_encoded_again(overfit, tmp_path, monkeypatch):
    from training.carry_out import export_checkpoint
    from training.finetune.encode import Encoder

    root, base, made = overfit
    made = config(root, base, output_dir=str(tmp_path / "run"), cache_dir=str(tmp_path / "cache"), max_train_steps=2)
    carry_out(made, StopSignal())
    shutil.rmtree(tmp_path / "cache")
    encoded = []
    monkeypatch.setattr(Encoder, "_encode", lambda *given: encoded.append(given))
    monkeypatch.setattr(Encoder, "_read", lambda *given: encoded.append(given))
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    export_checkpoint(checkpoint, tmp_path / "out")
    assert encoded == []
    again, finished = (
        load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
        for folder in (tmp_path / "out", tmp_path / "run" / "model")
    )
    assert all(torch.equal(again[name], finished[name]) for name in finished)


def test_caption_dropout_takes_the_words_that_guidance_takes_for_none(overfit):
    root, base, _ = overfit
    task = TemporalTask(config(root, base, caption_dropout=1.0), Place(torch.device("cpu"), root))
    from diffscaler.text2video.load import load_pipeline

    family = load_pipeline(text2video_folder(base), Plain())
    nothing = family.encode_text("anything", "")["negative_prompt_embeds"]
    assert np.abs(task.batch(0)["text"].numpy() - nothing).max() < 1e-6


@pytest.mark.proof
def test_compiled_blocks_learn_what_the_others_do_and_samples_are_drawn_without(overfit, tmp_path):
    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        pytest.skip("no C++ compiler here")
    root, base, _ = overfit
    (tmp_path / "clips").symlink_to(root / "clips")
    unet = Path("unet") / "diffusion_pytorch_model.safetensors"
    learnt = []
    for compiled in (False, True):
        made = config(
            tmp_path, base, output_dir=str(tmp_path / f"compiled-{compiled}"), compile=compiled, max_train_steps=3,
            learning_rate=1e-2, validate_every_steps=3, held_out=0, save_n_steps=3,
        )  # fmt: skip
        folder = carry_out(made, StopSignal())
        assert events(Path(made.output_dir), "sample")
        learnt.append({k: v.float() for k, v in load_file(folder / unet).items()})
    before = {k: v.float() for k, v in load_file(base / unet).items()}
    assert learnt[0].keys() == learnt[1].keys() == before.keys()
    went, apart = (sum((learnt[0][k] - other[k]).abs().sum().item() for k in before) for other in (before, learnt[1]))
    print("learnt apart, of the way they went:", apart / went)
    assert 0 < apart < 1e-3 * went


def test_a_run_is_not_compiled_without_a_compiler(overfit, tmp_path, monkeypatch):
    root, base, _ = overfit
    monkeypatch.setattr("training.compute.shutil.which", lambda name: None)
    with pytest.raises(RunError, match="no C\\+\\+ compiler"):
        carry_out(config(root, base, output_dir=str(tmp_path), compile=True), StopSignal())


def test_single_frames_train_as_clips_of_one_and_varied_crops_are_never_kept(overfit, tmp_path):
    root, base, _ = overfit
    single = TemporalTask(config(root, base, image_share=1.0), Place(torch.device("cpu"), root))
    batch = single.batch(0)
    assert batch["mean"].shape[2] == 1
    single.loss(batch, torch.Generator().manual_seed(0)).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for _, p in single.trainable())

    cache = tmp_path / "cache"
    varied = TemporalTask(
        config(root, base, augment=True, aspect_ratio=0.42, cache_dir=str(cache)), Place(torch.device("cpu"), root)
    )
    kept = len(list(cache.rglob("*.safetensors")))
    corners = {tuple(varied.batch(i)["facts"][0, 2:4].tolist()) for i in range(4)}
    assert len(corners) > 1 and len(list(cache.rglob("*.safetensors"))) == kept == 2  # the caption, and no words


@pytest.mark.parametrize("kind", ["animatediff-sdxl", "hotshot"])
def test_both_kinds_of_sdxl_train_are_told_sizes_and_keep_their_format(tmp_path, kind):
    base = save_hotshot(tmp_path / "base") if kind == "hotshot" else save_tiny(kind, tmp_path / "base")
    for i, colour in enumerate([(230, 60, 40), (40, 200, 60)]):
        write_clip(tmp_path / "clips" / str(i), colour=colour)
    made = config(
        tmp_path, base, max_train_steps=1, resolution=64, num_frames=2, snr_gamma=5.0, learning_rate=1e-2, held_out=1,
        validate_every_steps=1, validation_steps=1, mixed_precision="bf16" if kind == "animatediff-sdxl" else "no",
    )  # fmt: skip
    model = carry_out(made, StopSignal())
    assert events(tmp_path / "models" / "tuned", "held-out")[0]["loss"] > 0
    assert events(tmp_path / "models" / "tuned", "start")[0]["trained"]["tensors"] == 390
    spec = text2video_folder(model)
    assert spec.family.name == "sdxl_motion" and spec.family.title
    from diffscaler.text2video.export import motion_unet
    from diffscaler.text2video.hotshot.norms import norm_mode

    before, after = motion_unet(base), motion_unet(model)
    assert norm_mode(before) == norm_mode(after) == ("hotshot" if kind == "hotshot" else "per-frame")
    same = {name: torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items()}
    assert all(same[name] for name in same if ".motion_modules." not in name) and not all(same.values())
    spec.load(Plain())  # as the studio does


def test_sizes_are_told_in_the_order_each_model_was_taught():
    facts = torch.tensor([[1920, 1080, 30, 4, 672, 384]])
    assert time_ids(facts, width_first=True).tolist() == [[1920, 1080, 30, 4, 672, 384]]
    assert time_ids(facts, width_first=False).tolist() == [[1080, 1920, 4, 30, 384, 672]]


def test_at_sdxls_size_390_tensors_with_236_779_200_parameters_train():
    from diffscaler.text2video.hotshot.config import empty_unet

    sdxl = {
        "block_out_channels": (320, 640, 1280), "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    }  # fmt: skip
    adapter = {
        "block_out_channels": (320, 640, 1280), "motion_layers_per_block": 2, "motion_num_attention_heads": 8,
        "motion_max_seq_length": 24, "use_motion_mid_block": False,
    }  # fmt: skip
    unet = empty_unet(sdxl, adapter)
    only_temporal(unet)
    training = [p.numel() for p in unet.parameters() if p.requires_grad]
    assert (len(training), sum(training)) == (390, 236_779_200)


def test_a_model_without_temporal_layers_is_refused_in_a_sentence(tmp_path):
    base = save_tiny("modelscope", tmp_path / "base")
    write_clip(tmp_path / "clips" / "one")
    with pytest.raises(RunError, match="no temporal layers that can be trained"):
        carry_out(config(tmp_path, base), StopSignal())
