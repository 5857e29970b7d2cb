"""A tiny real run of every recipe: its model to begin with and its clips are written, its options returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.text2video.tiny import save_tiny_animatediff
from tests.text2video.tiny_families import save_tiny
from tests.training.tuning import write_clip
from training.config import BUILT_IN, TrainingConfig
from training.options import RunConfig
from training.recipes import RECIPES

RECIPE_NAMES = (*RECIPES, *BUILT_IN)

#: Of recipes with a loop of their own.
OWN: dict[str, dict[str, Any]] = {
    "mini": {
        "vae_steps": 2, "image_steps": 2, "motion_steps": 2, "decoder_steps": 1, "distil_steps": 2, "vae_batch": 2,
        "image_batch": 2, "motion_batch": 1, "vae_widths": (8, 8, 8, 8), "unet_widths": (16, 32), "text_width": 16,
    },
    "upscaler": {"scale": 2, "upscaler_width": 8, "upscaler_depth": 2, "upscaler_steps": 2, "upscaler_batch": 2},
    "judge": {"data": "scenes", "num_scenes": 8, "judge_steps": 2, "judge_batch": 2, "num_tests": 4},
    "pair": {"size": 64, "pair_widths": (8, 16), "image_steps": 2, "motion_steps": 2, "image_batch": 1,
             "motion_batch": 1},
    "pair_tsr": {"size": 64, "pair_widths": (8, 16), "image_steps": 2, "motion_steps": 2, "image_batch": 1,
                 "motion_batch": 1, "frames_per_step": 5, "num_frames": 8},
}  # fmt: skip

UNET3D: dict[str, Any] = {
    "image_size": 8, "num_frames": 4, "dim": 8, "dim_mults": (1, 2), "attn_heads": 2, "attn_dim_head": 8,
    "init_kernel_size": 3, "timesteps": 20, "sample_steps": 2, "train_batch_size": 1,
}  # fmt: skip


def tiny_run(recipe: str, root: Path, **changes: Any) -> RunConfig | TrainingConfig:
    """The configuration of a run of two steps (of each stage) below `root`: clips are in root/clips, its output goes to
    root/models/new."""
    if not (root / "clips").exists():
        for name, shift in (("one", 1), ("two", 2)):
            write_clip(root / "clips" / name, f"a red square number {name} moves", shift)
    rows: dict[str, Any] = {"output_dir": str(root / "models" / "new"), "device": "cpu", "threads": 1}
    if recipe in BUILT_IN:
        rows |= {"recipe": recipe, "init": "", "data": "folder", "data_dir": str(root / "clips"), "size": 32,
                 "num_frames": 8, "frames_per_step": 4, "sample_every": 0}  # fmt: skip
        if recipe == "upscaler":  # which takes pictures and films, or none
            rows["data_dir"] = ""
        return TrainingConfig(**(rows | OWN[recipe] | changes))
    rows |= {"data": str(root / "clips"), "held_out": 0, "max_train_steps": 2, "report_to": "none",
             "validate_every_steps": 0}  # fmt: skip
    return RECIPES[recipe].config_class()(**(rows | _of(recipe, root) | changes))


def _of(recipe: str, root: Path) -> dict[str, Any]:
    if recipe == "unet3d":
        return {"recipe": "unet3d", **UNET3D}
    if recipe == "dit":
        return {"recipe": "dit", "init": str(_base("wan", root)), "num_attention_heads": 2, "num_layers": 1,
                "attention_head_dim": 12, "ffn_dim": 32, "freq_dim": 32, "sample_steps": 2, "resolution": 32,
                "num_frames": 5}  # fmt: skip
    if recipe == "distil":
        return {"init": str(_base("pixels", root)), "resolution": 8, "num_frames": 4, "steps_from": 8}
    if recipe == "temporal-decoder":
        return {"init": str(_base("vae", root)), "size": 16, "num_frames": 4}
    kinds = {"one-shot": "sdxl", "inflate": "image"}
    found = {
        "pretrained_model_name_or_path": str(_base(kinds.get(recipe, "animatediff"), root)), "num_frames": 4,
        "resolution": 32, "aspect_ratio": 1.0, "validation_steps": 2, "cache_dir": str(root / "cache"),
    }  # fmt: skip
    return found | ({"resolution": 64, "num_frames": 3} if recipe == "one-shot" else {})


def _base(kind: str, root: Path) -> Path:
    """The model a run begins with, written once."""
    folder = root / kind
    if folder.exists():
        return folder
    if kind == "wan":
        return save_tiny("wan", folder)
    if kind == "animatediff":
        return save_tiny_animatediff(folder)
    if kind == "sdxl":
        from tests.training.test_one_shot import save_sdxl_image

        return save_sdxl_image(folder)
    if kind == "image":
        from tests.training.test_recipe_inflate import save_image_model

        return save_image_model(folder)
    if kind == "vae":
        from tests.training.test_recipe_temporal_decoder import image_vae

        image_vae().save_pretrained(folder / "vae")
        # A model in the catalogue's eyes; the rest of it is not looked at.
        (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
        return folder
    from training.carry_out import carry_out
    from training.events import StopSignal
    from training.recipes.unet3d.options import Unet3DRun

    made = carry_out(
        Unet3DRun(
            recipe="unet3d", output_dir=str(root / "teacher"), data=str(root / "clips"), device="cpu", threads=1,
            held_out=0, max_train_steps=1, report_to="none", validate_every_steps=0, **UNET3D,
        ),
        StopSignal(),
    )  # fmt: skip
    assert made is not None
    made.rename(folder)
    return folder
