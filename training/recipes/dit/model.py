"""A Wan folder with a new transformer in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import DiffScalerError
from diffscaler.models.traits import identify
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.wan import Wan
from training.events import RunError
from training.finetune.source import Bench, find_model
from training.recipes.dit.options import DitRun
from training.task import Place

#: Of what the VAE makes of 4 x 8 x 8 pixels, a patch takes 1 x 2 x 2: sides are multiples of 16, lengths 4 n + 1.
PATCH_SIZE = (1, 2, 2)
SIZE_STEP, FRAME_STEP = 16, 4


@dataclass(frozen=True)
class Parts:
    """What the VAE and the text encoder of a folder ask of a transformer: channels of latents, width of words."""

    channels: int
    text_dim: int


def begin(config: DitRun, place: Place) -> Wan:
    """The studio's own family over the folder's VAE and text encoder, with the transformer to train, in float32.

    Raises RunError for a folder that is not of this family or not whole.
    """
    folder = find_model(config.init).path
    assert folder is not None
    try:
        index = read_json(folder / "model_index.json")
        if identify(folder).name != "wan" or (index.get("transformer_2") or [None])[0]:
            raise RunError(f"{folder.name} is not a Wan model with one transformer.", "Choose a Wan 2.1 folder.")
        parts: dict[str, Any] = {}
        if config.transformer == "new":
            found = Parts(
                int(read_json(folder / "vae" / "config.json")["z_dim"]),
                int(read_json(folder / "text_encoder" / "config.json")["d_model"]),
            )
            parts = {"transformer": new_transformer(config, found), "scheduler": new_scheduler(config)}
        # What does not train may be in half precision; the VAE loses too much there.
        bench = Bench.of(place)
        device = Bench(bench.torch_name, "float32")
        return open_pipeline(
            folder,
            Wan.pipeline_class,
            bench.dtype,
            lambda pipeline: Wan(pipeline, device, folder),
            ("vae", "transformer"),
            **parts,
        )
    except DiffScalerError as error:
        raise RunError(str(error), error.hint) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder.name} is not a whole Wan model.", "Choose a folder with vae and text_encoder."
        ) from error


def new_transformer(config: DitRun, parts: Parts) -> Any:
    """A `WanTransformer3DModel` of random weights, the same for the same seed."""
    from diffusers import WanTransformer3DModel

    with torch.random.fork_rng(devices=()):
        torch.manual_seed(config.seed)
        return WanTransformer3DModel(
            patch_size=PATCH_SIZE,
            num_attention_heads=config.num_attention_heads,
            attention_head_dim=config.attention_head_dim,
            in_channels=parts.channels,
            out_channels=parts.channels,
            text_dim=parts.text_dim,
            freq_dim=config.freq_dim,
            ffn_dim=config.ffn_dim,
            num_layers=config.num_layers,
        )


def new_scheduler(config: DitRun) -> Any:
    """The sampler that walks the flow with the shift it was trained at."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=config.flow_shift)


def shift_of(scheduler: Any) -> float:
    """The shift that a sampler of flows walks with; their configurations have two names for it."""
    return float(scheduler.config.get("shift") or scheduler.config.get("flow_shift") or 1.0)


def read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
