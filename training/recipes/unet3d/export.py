"""Writes a trained network as the folder that the studio's `unet3d` family loads."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from diffscaler.text2video.unet3d.family import Unet3DFamily
from training.recipes.model_card import LICENCE, noise_said, title_of, write_card
from training.recipes.unet3d.options import Unet3DRun


def export_unet3d(folder: Path, config: Unet3DRun, family: Unet3DFamily, steps: int | None = None) -> None:
    """Write model.safetensors, model.toml, and the encoder where there is one.

    steps: how many it is drawn in, where it was distilled to that: its guidance is inside then
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = family.network.state_dict()
    # All temporal layers share one set of frequencies; safetensors refuses to write it more than once.
    shared = [name for name in state if name.endswith("rotary_emb.freqs")]
    kept = {name: value.detach().cpu().contiguous() for name, value in state.items() if name not in shared[1:]}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    encoder, diffusion = family.encoder, family.diffusion
    if encoder is not None:
        encoder.model.save_pretrained(str(folder / "text_encoder"))
        encoder.tokenizer.save_pretrained(str(folder / "tokenizer"))
    levels = len(diffusion.alphas_cumprod)
    native = {
        "width": config.image_size,
        "height": config.image_size,
        "num_frames": config.num_frames,
        "fps": round(config.fps),
        "num_inference_steps": steps or min(levels, config.sample_steps),
        "guidance_scale": config.cond_scale if encoder is not None and steps is None else 1.0,
    }
    settings = {
        "prediction_type": diffusion.prediction_type,
        "num_train_timesteps": levels,
        "sampler": "ddim" if steps else diffusion.sampler,
        "dynamic_thresholding_ratio": diffusion.dynamic_thresholding_ratio,
        "text_pooling": encoder.pooling if encoder is not None else None,
    }
    tables = {"native": native, "unet3d": settings} | ({} if steps is None else {"traits": {"guided": True}})
    about = {"licence": LICENCE, "family": "unet3d"} | noise_said(config.shared_noise)
    write_card(folder, title_of(config.output_dir), tables, **about)
