import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from training.commands import run
from training.config import TrainingConfig


class StopAfter:
    """Stands in for StopSignal: False for so many looks, then True."""

    def __init__(self, looks):
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks < 0


NEVER = StopAfter(10**9)


@pytest.fixture
def config(clips_folder, tmp_path):
    def make(name, **changes):
        return TrainingConfig(
            **{
                "output_dir": str(tmp_path / name),
                "init": "",
                "data_dir": str(clips_folder),
                "size": 32,
                "num_frames": 8,
                "frames_per_step": 4,
                "full_length_share": 0.3,
                "vae_steps": 2,
                "image_steps": 2,
                "motion_steps": 3,
                "decoder_steps": 1,
                "distil_steps": 2,
                "vae_batch": 2,
                "image_batch": 2,
                "motion_batch": 2,
                "learning_rate": 1e-3,
                "vae_widths": (8, 8, 8, 8),
                "unet_widths": (16, 32),
                "text_width": 16,
                "checkpoint_every": 2,
                "sample_every": 0,
                "threads": 1,
            }
            | changes
        )

    return make


def events_of(config):
    lines = Path(config.output_dir, "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def weights_of(model):
    return {
        f"{part}.{key}": value
        for part in ("unet", "vae", "text_encoder")
        for path in sorted((model / part).glob("*.safetensors"))
        for key, value in load_file(path).items()
    }


def test_a_run_from_scratch_makes_a_folder_that_animatediff_loads_and_draws_with(config):
    from diffusers import AnimateDiffPipeline

    settings = config("scratch")
    model = run(settings, NEVER)
    pipeline = AnimateDiffPipeline.from_pretrained(
        model, motion_adapter=None, local_files_only=True, torch_dtype=torch.float32
    )
    assert type(pipeline.unet).__name__ == "UNetMotionModel"
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    frames = pipeline("a square", num_frames=8, num_inference_steps=2, output_type="np").frames
    assert frames.shape == (1, 8, 32, 32, 3) and np.isfinite(frames).all()
    events = [e["event"] for e in events_of(settings)]
    assert events[0] == "start" and events[-1] == "done" and "checkpoint" in events


@pytest.mark.parametrize("stop_after", [1, 3, 6, 9])
def test_a_stopped_run_goes_on_to_the_same_weights(config, stop_after):
    whole = weights_of(run(config("whole"), NEVER))
    settings = config("stopped")
    assert run(settings, StopAfter(stop_after)) is None
    assert events_of(settings)[-1]["event"] == "stopped"
    assert (tuple_of_parts(settings)) == {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}
    resumed = weights_of(run(settings, NEVER))
    assert "resumed" in [e["event"] for e in events_of(settings)]
    assert whole.keys() == resumed.keys()
    # The last bit of float16: sums are taken in another order where the memory layout differs.
    assert all(torch.allclose(whole[k].float(), resumed[k].float(), rtol=2e-3, atol=1e-5) for k in whole)


def tuple_of_parts(config):
    return {p.name for p in (Path(config.output_dir) / "model").iterdir() if p.is_dir()}


def test_fine_tuning_leaves_the_vae_alone_and_moves_the_rest(config):
    base = run(config("base"), NEVER)
    tuned = run(config("tuned", init=str(base), vae_steps=0, image_steps=0, decoder_steps=0), NEVER)
    before, after = weights_of(base), weights_of(tuned)
    assert all(torch.equal(before[k], after[k]) for k in before if k.startswith("vae."))
    assert any(not torch.equal(before[k], after[k]) for k in before if "motion_modules" in k)


def test_steps_on_single_frames_leave_the_temporal_layers_as_they_are(config):
    from training.mini.bundle import Bundle
    from training.mini.denoise_stage import DenoiseStage
    from training.mini.unet import is_motion_parameter

    settings = config("joint", motion_steps=40, distil_steps=0, decoder_steps=0, image_share=0.5, full_length_share=0.1)
    assert run(settings, NEVER)
    bundle = Bundle.load(Path(settings.output_dir) / "model")
    latents, masks = np.random.default_rng(3).normal(size=(4, 8, 4, 4, 4)), np.zeros((4, 8, 4, 4), np.uint8)
    stage = DenoiseStage(
        bundle, latents.astype(np.float16), masks, [["a square"]] * 4, 40, 2, 1e-3, 0, 4, 0.1, ["a square"],
        image_batch=3, image_share=0.5,
    )  # fmt: skip
    moved = {"single": [], "clip": []}
    for index in range(40):
        before = {n: p.detach().clone() for n, p in stage.unet.named_parameters()}
        stage.step(index)
        changed = {n for n, p in stage.unet.named_parameters() if not torch.equal(p, before[n])}
        moved["clip" if any(is_motion_parameter(n) for n in changed) else "single"].append(index)
        assert any(not is_motion_parameter(n) for n in changed)
    assert 8 < len(moved["single"]) < 28
    # The last steps see whole clips, all of them.
    assert {36, 37, 38, 39} <= set(moved["clip"])


@pytest.mark.slow
@pytest.mark.skipif("DIFFSCALER_TEST_COMPILE" not in os.environ, reason="minutes: set DIFFSCALER_TEST_COMPILE=1")
def test_compiled_steps_are_the_same_steps_on_clips_and_on_single_frames(config):
    import shutil

    from training.compute import Compute
    from training.mini.bundle import Bundle
    from training.mini.denoise_stage import DenoiseStage

    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        pytest.skip("no C++ compiler here")
    model = run(config("base"), NEVER)
    latents, masks = np.random.default_rng(3).normal(size=(4, 8, 4, 4, 4)), np.zeros((4, 8, 4, 4), np.uint8)
    losses = []
    for compiles in (False, True):
        stage = DenoiseStage(
            Bundle.load(model), latents.astype(np.float16), masks, [["a square"]] * 4, 8, 2, 1e-3, 0, 4, 0.1,
            ["a square"], Compute(torch.device("cpu"), compiles=compiles), image_batch=3, image_share=0.5,
        )  # fmt: skip
        losses.append([stage.step(index)[0] for index in range(6)])
    assert np.allclose(*losses, rtol=1e-4), losses


def test_a_network_is_not_compiled_without_a_compiler(config, monkeypatch):
    from training.compute import Compute
    from training.events import RunError

    monkeypatch.setattr("training.compute.shutil.which", lambda name: None)
    with pytest.raises(RunError, match="no C\\+\\+ compiler"):
        Compute.choose("cpu", compiles=True)


def test_what_frames_share_of_the_noise_is_kept_when_a_run_stops_and_when_it_is_tuned(config):
    from diffscaler.text2video.noise import read_shared_noise

    settings = config("base", shared_noise=0.5)
    assert run(settings, StopAfter(6)) is None
    base = run(settings.model_copy(update={"shared_noise": None}), NEVER)
    # And no path of this machine goes out with a model.
    assert not any("_name_or_path" in file.read_text(encoding="utf-8") for file in base.rglob("*.json"))
    own = config("tuned", init=str(base), vae_steps=0, image_steps=0, decoder_steps=0, distil_steps=0)
    other = own.model_copy(update={"output_dir": own.output_dir + "2", "shared_noise": 0.2})
    assert read_shared_noise(base) == 0.5 == read_shared_noise(run(own, NEVER))
    assert read_shared_noise(run(other, NEVER)) == 0.2


def test_the_studio_can_list_and_load_what_a_run_made(config):
    from diffscaler.models.catalogue import text2video_folder
    from diffscaler.models.device import pick_device
    from diffscaler.text2video.load import load_pipeline

    spec = text2video_folder(run(config("squares"), NEVER))
    assert (spec.name, spec.title) == ("squares", "squares") and "Apache-2.0" in spec.licence
    assert {"width": 32, "height": 32, "num_frames": 8, "fps": 8, "max_frames": 32}.items() <= spec.native.items()
    family = load_pipeline(spec, pick_device("cpu"))
    reading = family.read("a square moves over a giraffe")
    assert reading.ignored == ("giraffe",) and reading.heard == "a square moves over a"


def test_only_a_distilled_model_is_said_to_need_few_steps(config):
    from diffscaler.models.catalogue import text2video_folder

    stopped = config("early")
    assert run(stopped, StopAfter(3)) is None
    first = text2video_folder(Path(stopped.output_dir) / "model")
    last = text2video_folder(run(config("done"), NEVER))
    assert last.traits.guided and not first.traits.guided
    tuned = config("tuned", init=str(last.path), vae_steps=0, image_steps=0, decoder_steps=0, distil_steps=0)
    again = text2video_folder(run(tuned, NEVER))
    assert again.traits.guided and (again.native["num_inference_steps"], again.native["guidance_scale"]) == (8, 1.0)
    early, done = first.native, last.native
    assert (early["num_inference_steps"], early["guidance_scale"]) == (16, 4.0)
    assert (done["num_inference_steps"], done["guidance_scale"]) == (4, 1.0)


def test_the_teacher_survives_a_stop(config, monkeypatch):
    from training.mini.distil_stage import DistilStage

    stages = []
    load = DistilStage.load
    monkeypatch.setattr(DistilStage, "load", lambda self, folder: (load(self, folder), stages.append(self))[0])
    settings = config("stopped", distil_steps=4)
    assert run(settings, StopAfter(10)) is None
    kept = load_file(Path(settings.output_dir) / "checkpoint" / "teacher.safetensors")
    run(settings, NEVER)
    teacher, student = stages[0].teacher.state_dict(), stages[0].unet.state_dict()
    assert all(torch.equal(value, teacher[name].contiguous()) for name, value in kept.items())
    assert any(not torch.equal(value, student[name].contiguous()) for name, value in kept.items())


def test_new_temporal_layers_change_nothing():
    from training.mini.unet import add_motion, build_unet

    torch.manual_seed(0)
    unet = build_unet((16, 32), 16, 4).eval()
    x, text, t = torch.randn(2, 4, 3, 4, 4), torch.randn(6, 5, 16), torch.tensor([3, 700])
    with torch.no_grad():
        images = unet(x.transpose(1, 2).flatten(0, 1), t.repeat_interleave(3), text).sample
        clip = add_motion(unet).eval()(x, t, text).sample
    assert torch.allclose(clip.transpose(1, 2).flatten(0, 1), images, atol=1e-5)


def test_temporal_layers_are_told_which_frames_they_see():
    from training.mini.unet import add_motion, build_unet, frame_positions

    torch.manual_seed(0)
    unet = add_motion(build_unet((16, 32), 16, 4)).eval()
    for name, p in unet.named_parameters():
        if "proj_out" in name:
            torch.nn.init.normal_(p, std=0.1)
    x, text, t = torch.randn(1, 4, 3, 4, 4), torch.randn(3, 5, 16), torch.tensor([300])
    with torch.no_grad():
        plain = unet(x, t, text).sample
        with frame_positions(unet, [0, 1, 2]):
            same = unet(x, t, text).sample
        with frame_positions(unet, [0, 2, 4]):
            spread = unet(x, t, text).sample
        assert torch.equal(plain, same) and not torch.allclose(plain, spread)
        assert torch.equal(plain, unet(x, t, text).sample)


def test_muon_makes_updates_of_nearly_orthogonal_rows():
    from training.mini.muon import orthogonalise

    torch.manual_seed(0)
    for shape in ((3, 8, 20), (2, 20, 8)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape), steps=5))
        assert values.min() > 0.5 and values.max() < 1.4


def test_folding_keeps_what_the_vae_draws_and_makes_latents_standard():
    from training.mini.vae import build_vae, fold_statistics

    torch.manual_seed(0)
    vae = build_vae((8, 8, 8, 8), 32).eval()
    images = torch.rand(32, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before = vae.decode(vae.encode(images).latent_dist.mean).sample
        fold_statistics(vae, images)
        latents = vae.encode(images).latent_dist.mean
        assert torch.allclose(vae.decode(latents).sample, before, atol=1e-3)
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-2)
    assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-2)
