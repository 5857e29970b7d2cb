"""Counts for the recipes with a loop of their own: stages, each with its own optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.counting.counted import Counted
from training.counting.files import tensors_of
from training.events import RunError
from training.mini.split import ADAM_NAMES, is_for_adam

#: The shapes of a network's weights by their names.
Shapes = Mapping[str, tuple[int, ...]]


def size(shapes: Shapes) -> int:
    """How many numbers there are."""
    from math import prod

    return sum(prod(shape) for shape in shapes.values())


def state_of(shapes: Shapes, adam_names: tuple[str, ...] = ADAM_NAMES) -> int:
    """How many numbers the optimizer keeps about weights that learn, see training/mini/muon.py."""
    for_adam = {name: shape for name, shape in shapes.items() if is_for_adam(name, len(shape), adam_names)}
    return size(shapes) + size(for_adam)


def shapes_of(network: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def in_memory(weights: int, learnt: int, state: int, average: int, besides: int = 0) -> int:
    """Bytes of a stage: its weights, the gradients of what learns, the optimizer's state and the average."""
    return 4 * (weights + learnt + state + average + besides)


def upscaler(config: TrainingConfig) -> Counted:
    import torch

    from diffscaler.upscale.network import PreviewUpscaler
    from training.upscaler.recipe import ADAM_NAMES as NAMES

    with torch.device("meta"):
        try:
            network = PreviewUpscaler(
                config.scale, config.upscaler_width, config.upscaler_depth, config.upscaler_residual
            )
        except ValueError as error:
            raise RunError(f"{str(error)[0].upper()}{str(error)[1:]}.", "Change upscaler_depth.") from None
    shapes = shapes_of(network)
    weights, state = size(shapes), state_of(shapes, NAMES)
    return Counted(weights, in_memory(weights, weights, state, weights), 4 * (2 * weights + state), 4 * weights)


def judge(config: TrainingConfig) -> Counted:
    import torch

    from training.judge.factors import FACTORS
    from training.judge.network import NUM_FRAMES, SIZE, Judge
    from training.judge.recipe import ADAM_NAMES as NAMES

    with torch.device("meta"):
        shapes = shapes_of(Judge())
    weights, state = size(shapes), state_of(shapes, NAMES)
    seen = config.num_scenes * (NUM_FRAMES * SIZE * SIZE * 3 + 8 * len(FACTORS))
    return Counted(weights, in_memory(weights, weights, state, 0), 4 * (weights + state), 2 * weights, seen)


def pair(config: TrainingConfig) -> Counted:
    from training.pair.recipe import SCALE

    small = config.num_frames * (config.size // SCALE) ** 2 * 3 if config.vae_from else 0
    return _pair(config, SCALE, 3, small)


def pair_tsr(config: TrainingConfig) -> Counted:
    from diffscaler.upscale.pair.tsr import condition_channels
    from training.pair.tsr_data import CHANNELS
    from training.pair.tsr_recipe import PATCH

    strides = sum(config.num_frames > 2 * stride for stride in (1, 2))
    return _pair(config, PATCH, condition_channels(PATCH), strides * config.num_frames * config.size**2 * CHANNELS)


def _pair(config: TrainingConfig, patch: int, channels: int, made_of_a_clip: int) -> Counted:
    """made_of_a_clip: bytes that are made of each clip and kept beside the run"""
    import torch

    from diffscaler.upscale.pair.network import PairConfig, PairUNet
    from training.pair.stage import ADAM_NAMES as NAMES
    from training.pair.stage import temporal_names

    with torch.device("meta"):
        network = PairUNet(
            _known(config) or PairConfig(patch, channels, config.pair_widths, window=config.frames_per_step)
        )
    shapes, new = shapes_of(network), temporal_names(network)
    weights = size(shapes)
    still = {name: shape for name, shape in shapes.items() if name not in new}
    stages = [part for part, steps in ((still, config.image_steps), (shapes, config.motion_steps)) if steps]
    memory = max(in_memory(weights, size(part), state_of(part, NAMES), weights) for part in stages)
    checkpoint = max(4 * (2 * weights + state_of(part, NAMES)) for part in stages)
    drawn = drawn_bytes(config) + (config.num_scenes * made_of_a_clip if config.data == "scenes" else 0)
    return Counted(max(map(size, stages)), memory, checkpoint, 2 * weights, drawn)


def _known(config: TrainingConfig) -> Any:
    """The shape of the network that a run of the pair goes on from; None for a new one. Raises RunError."""
    if not config.init:
        return None
    from safetensors import SafetensorError, safe_open

    from diffscaler.upscale.pair.network import PairConfig

    try:
        with safe_open(config.init, "pt") as file:
            return PairConfig.loads((file.metadata() or {})["config"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{config.init} is not a network of the pair.", "Leave init empty.") from error


def drawn_bytes(config: TrainingConfig) -> int:
    """Of the scenes a run draws for itself: their pictures, and where in them the subject is; 0 with clips."""
    if config.data != "scenes":
        return 0
    return config.num_scenes * config.num_frames * (3 * config.size**2 + (config.size // 8) ** 2)


def shapes_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """The weights of a part of a built-in model's folder, without the positions in time. Raises RunError."""
    found = {name: held.shape for name, held in tensors_of(folder).items() if not name.endswith(".pe")}
    if not found:
        raise RunError(
            f"{folder.parent} is not a model that can be trained further (its {folder.name} is missing).",
            "Give a folder in the layout of assets/models/mini.",
        )
    return found
