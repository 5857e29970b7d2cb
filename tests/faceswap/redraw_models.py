"""What the diffusion engine needs, installed: by name only, or as tiny random checkpoints that run."""

from __future__ import annotations

import json
from pathlib import Path


def describe_redraw_models(models_dir: Path, name: str = "motion", licence: str = "OpenRAIL") -> None:
    """A text-to-video model, an IP-Adapter and an image encoder, for what is done before anything is loaded."""
    folder, adapters = models_dir / name, models_dir / "ip_adapters"
    (adapters / "image_encoder").mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "AnimateDiffSDXLPipeline"}), encoding="utf-8")
    about = f'title = "{name}"\nlicence = "{licence}"\n[native]\nwidth = 64\nheight = 64\nnum_frames = 8\n'
    (folder / "model.toml").write_text(about, encoding="utf-8")
    (adapters / "look.safetensors").write_bytes(b"x")
    (adapters / "image_encoder" / "config.json").write_text("{}", encoding="utf-8")


def save_redraw_models(models_dir: Path) -> None:
    """Tiny random ones that run: "motion" and "look"."""
    from diffscaler.models.catalogue import text2video_folder
    from diffscaler.text2video.load import load_pipeline
    from tests.text2video.test_frugal import Plain
    from tests.text2video.tiny import save_tiny_animatediff
    from tests.text2video.tiny_ip_adapter import save_ip_adapter

    folder = save_tiny_animatediff(models_dir / "motion")
    about = 'title = "motion"\n[native]\nwidth = 32\nheight = 32\nnum_frames = 4\nnum_inference_steps = 4\n'
    (folder / "model.toml").write_text(about, encoding="utf-8")
    unet = load_pipeline(text2video_folder(folder), Plain()).pipeline.unet
    save_ip_adapter(models_dir / "ip_adapters", unet, "look", "plus")
