"""The recipe "one-shot" (Tune-A-Video), and the way back from a clip to its noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from diffscaler.text2video.family import native_sampling
from diffscaler.text2video.inversion import Walk, inverted, redrawn
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny_encoders import sdxl_text
from tests.text2video.tiny_families import sdxl_vae
from tests.training.image_model import GROUND, SIZE, picture, save_image_model
from tests.training.tuning import write_clip
from training.carry_out import carry_out
from training.events import StopSignal
from training.finetune.options import OneShotConfig


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_way_back_from_noise_is_the_way_there(kind):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=kind, clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    walk, generator = Walk.of(scheduler, 50), torch.Generator().manual_seed(3)
    latents = torch.randn(1, 4, 3, 8, 8, generator=generator)
    said = torch.randn(latents.shape, generator=generator)
    noise = inverted(latents, walk, lambda x, t: said, corrections=0 if kind == "epsilon" else 8)
    assert (redrawn(noise, walk, lambda x, t: said) - latents).abs().max() < 1e-4

    # A network whose answer depends on what it sees: the original's way back misses, the corrected one does not.
    def network(x, t):
        return torch.tanh(x.roll(1, -1)) + said

    off = [
        (redrawn(inverted(latents, walk, network, n), walk, network) - latents).abs().mean().item() for n in (0, 2, 6)
    ]
    print("mean error after 0, 2, 6 corrections:", off)
    assert off[2] < off[1] < 0.2 * off[0]

    # DDIM as the library does it, from the same noise.
    scheduler.set_timesteps(50)
    x = noise
    for timestep in scheduler.timesteps:
        x = scheduler.step(said, timestep, x).prev_sample
    assert (redrawn(noise, walk, lambda x, t: said) - x).abs().max() < 1e-4


def one_shot(folder, base, **options) -> OneShotConfig:
    defaults = {
        "output_dir": str(folder / "models" / "clip"), "data": str(folder / "clip"), "device": "cpu", "threads": 1,
        "pretrained_model_name_or_path": str(base), "cache_dir": str(folder / "cache"), "report_to": "none",
        "validate_every_steps": 0, "aspect_ratio": 1.0,
    }  # fmt: skip
    return OneShotConfig(**{**defaults, **options})


def save_sdxl_image(folder):
    """A tiny StableDiffusionXLPipeline."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), layers_per_block=1,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4), cross_attention_dim=24,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8, sample_size=8,
        projection_class_embeddings_input_dim=64,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    StableDiffusionXLPipeline(**sdxl_text(), vae=sdxl_vae(), unet=unet, scheduler=scheduler).save_pretrained(folder)
    return folder


def test_it_trains_the_queries_and_the_tails_of_an_sdxl_model_and_the_studio_draws_with_the_result(tmp_path):
    write_clip(tmp_path / "clip")
    made = one_shot(
        tmp_path, save_sdxl_image(tmp_path / "base"), resolution=64, num_frames=3, max_train_steps=2,
        validation_steps=2, gradient_checkpointing=True, learning_rate=1e-3,
    )  # fmt: skip
    assert carry_out(made, StopSignal()) is not None
    from safetensors.torch import load_file

    tuned = load_file(tmp_path / "models" / "clip" / "model" / "one_shot.safetensors")
    assert tuned.pop("inverted").shape == (4, 3, 8, 8)
    ends = {".".join(name.split(".")[-3:-1]) for name in tuned}
    assert ends == {
        "attn1.to_q", "attn2.to_q", "attn_temp.to_q", "attn_temp.to_k", "attn_temp.to_v", "to_out.0",
    }  # fmt: skip
    assert not any("norm_temp" in name for name in tuned)
    tails = [tensor for name, tensor in tuned.items() if name.endswith("attn_temp.to_out.0.weight")]
    assert tails and all(tensor.abs().max() > 0 for tensor in tails)  # they began at zero
    spec = Catalogue(Settings(data_dir=tmp_path)).spec("clip", "text2video")
    family = spec.load(Plain())
    text = family.encode_text("a green square", "")
    latents = family.denoise(text, native_sampling(spec.native, 0), lambda *_: None)
    assert family.decode(latents).shape == (3, 64, 64, 3)


def test_the_way_back_is_looked_for_once_for_each_state_of_the_weights(tmp_path, monkeypatch):
    from training.finetune import one_shot as module

    write_clip(tmp_path / "clip")
    ways: list[torch.Tensor] = []
    monkeypatch.setattr(module, "inverted", lambda *given: (ways.append(inverted(*given)), ways[-1])[1])
    made = one_shot(
        tmp_path, save_sdxl_image(tmp_path / "base"), resolution=64, num_frames=2, max_train_steps=2, ema=True,
        validation_steps=2, validate_every_steps=1, test_prompts="a green square | a blue square", learning_rate=1e-2,
    )  # fmt: skip
    assert carry_out(made, StopSignal()) is not None
    # Two samples after each of two steps, and the model, whose weights are those of the last samples.
    assert len(ways) == 2 and not torch.equal(*ways)
    from safetensors.torch import load_file

    stored = load_file(tmp_path / "models" / "clip" / "model" / "one_shot.safetensors")["inverted"]
    assert torch.equal(stored, ways[-1][0])


def test_the_one_clip_is_learnt_and_never_held_out(tmp_path):
    with pytest.raises(ValidationError, match="held_out"):
        one_shot(tmp_path, tmp_path, held_out=1)
    assert one_shot(tmp_path, tmp_path).held_out == 0


def write_moving_square(folder, places) -> np.ndarray:
    """A clip of a red square that is at `places`, with its caption; returns it: uint8 (F, 64, 64, 3)."""
    clip = np.stack([picture("red", x, y) for x, y in places])
    folder.mkdir()
    for i, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{i}.png")
    (folder / "prompt.txt").write_text("a red square")
    return clip


def drawn(folder, words: str, guidance: float) -> np.ndarray:
    """The tuned model's clip, drawn as the studio draws it: float (F, 64, 64, 3)."""
    spec = Catalogue(Settings(data_dir=folder)).spec("clip", "text2video")
    family = spec.load(Plain())
    sampling = native_sampling(spec.native | {"guidance_scale": guidance}, 0)
    return family.decode(family.denoise(family.encode_text(words, ""), sampling, lambda *_: None)).astype(float)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.slow
def test_a_tuned_model_draws_its_clip_again_from_the_clips_noise(tmp_path):
    losses = save_image_model(tmp_path / "base", steps=60)
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    clip = write_moving_square(tmp_path / "clip", [(4, 20), (14, 14), (26, 18), (36, 24)])
    made = one_shot(
        tmp_path, tmp_path / "base", resolution=SIZE, num_frames=len(clip), max_train_steps=30, learning_rate=1e-3,
        validation_steps=25, validation_guidance=4.0, validate_every_steps=30, test_prompts="a green square",
    )  # fmt: skip
    assert carry_out(made, StopSignal()) is not None
    again = drawn(tmp_path, "", 1.0)
    print("PSNR of the clip from its noise:", psnr(again, clip))
    assert psnr(again, clip) > 20
    # Not because every clip would do: its frames are 24 pixels of red that are each time elsewhere.
    assert psnr(again[:1], clip[1:]) < 15


def subject(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where what is no ground lies in each frame, (F, 2) of x and y, and its colour, (F, 3) of length 1: without how
    bright it is."""
    apart = clip.astype(float) - GROUND
    weights = (np.abs(apart).sum(-1, keepdims=True) - 80).clip(min=0)
    weights /= weights.sum((1, 2, 3), keepdims=True) + 1e-9
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centres = np.stack([(at[..., None] * weights).sum((1, 2, 3)) for at in (columns, rows)], axis=1)
    colour = (apart * weights).sum((1, 2))
    return centres, colour / (np.linalg.norm(colour, axis=1, keepdims=True) + 1e-9)


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between colours, as `subject` gives them."""
    return np.degrees(np.arccos((a * b).sum(-1).clip(-1, 1)))


def seen_by_the_vae(colour: str) -> np.ndarray:
    """A colour as the model's VAE gives it back: (1, 3) of length 1."""
    from diffscaler.settings import ROOT
    from diffscaler.text2video.motion import decode_each
    from training.mini.bundle import Bundle
    from training.mini.vae import encode_frames

    vae = Bundle.load(ROOT / "assets" / "models" / "mini").vae
    latents = torch.from_numpy(encode_frames(vae, picture(colour, 20, 20)[None])).float() * vae.config.scaling_factor
    with torch.no_grad():
        return subject(decode_each(vae, latents.movedim(0, 1).numpy(), torch.device("cpu")))[1]


@pytest.mark.proof
def test_other_words_change_the_subjects_colour_and_keep_its_motion(tmp_path):
    """Red becomes yellow, and moves as it did. Blue is drawn beside where it should be, and green elsewhere in half of
    the frames: in a world as small as this one's, where a square is in the noise is said by its colour alone."""
    save_image_model(tmp_path / "base", steps=2000, pictures=4096)
    along = np.linspace(0, 1, 8)
    places = np.stack([1 + 34 * along, 18 + 13 * np.sin(1.2 * np.pi * along) * (1 - 0.4 * along)], axis=1).round()
    clip = write_moving_square(tmp_path / "clip", places.astype(int))
    went, red, yellow = subject(clip)[0], seen_by_the_vae("red"), seen_by_the_vae("yellow")
    found = {}
    for steps, rate in ((1, 1e-9), (500, 3e-4)):  # as good as untuned, and tuned
        made = one_shot(
            tmp_path, tmp_path / "base", resolution=SIZE, num_frames=len(clip), max_train_steps=steps,
            learning_rate=rate, validation_steps=50, output_dir=str(tmp_path / "models" / "clip"), resume="no",
        )  # fmt: skip
        assert carry_out(made, StopSignal()) is not None
        again = drawn(tmp_path, "", 1.0)
        for words in ("a yellow square", "a blue square", "a green square"):
            centres, colour = subject(drawn(tmp_path, words, 1.0))
            away, turned = np.hypot(*(centres - went).T), angle(colour, red) / angle(yellow, red)
            print(f"{steps} steps: clip again {psnr(again, clip):.1f} dB; {words}: {away.mean():.1f} pixels away, "
                  f"{away.max():.1f} at most; of the way to yellow: {turned.min():.2f} to {turned.max():.2f}, "
                  f"{angle(colour, yellow).max():.0f} degrees beside it")  # fmt: skip
            found[steps, words] = away, angle(colour, yellow), angle(colour, red)
        assert psnr(again, clip) > 20
    away, from_yellow, from_red = found[500, "a yellow square"]
    assert (from_yellow < from_red).all(), "every frame's subject is rather yellow than red"
    assert away.max() < 4 and away.mean() < 2, "and it is where the red one was"
    assert away.mean() < 0.5 * found[1, "a yellow square"][0].mean(), "which tuning does"
