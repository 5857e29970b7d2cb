"""The recipe of the pair's super-resolution network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from diffscaler.upscale.pair.load import read_pair
from diffscaler.upscale.pair.network import PairConfig, PairUNet
from training.checkpoint import newest, replacing
from training.clips import ClipSet
from training.config import TrainingConfig
from training.events import Preparing, RunError, StopSignal
from training.loop import Loop, Schedule
from training.mini.average import averaged
from training.pair.data import PairData, drawn_by
from training.pair.ssr_stage import SsrStage, residual_scale
from training.pair.stage import PairStage, StageSettings

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

SCALE = 4
#: Patches that the unit of the residual is measured on.
MEASURED = 96


def train_pair(config: TrainingConfig, clips: ClipSet, stop: StopSignal) -> Path | None:
    """Train and write output_dir/model/ssr.safetensors. Returns its path, None when stopped (written then too)."""
    output_dir = Path(config.output_dir)
    loop = Loop(output_dir, Schedule(config.checkpoint_every, config.sample_every), stop)
    drawn = None
    if config.vae_from:
        preparing = Preparing(loop.events, stop, "encoding", len(clips), 16)
        drawn = drawn_by(vae_of(Path(config.vae_from)), clips, SCALE, output_dir / "drawn.npy", preparing)
    data = PairData(clips.frames, drawn, SCALE)
    network = fresh(config, lambda: described(config, data))
    return carried_out(
        config,
        loop,
        network,
        lambda moving: SsrStage(network, data, StageSettings.of(config, moving)),
        "ssr",
        len(clips),
    )


def carried_out(
    config: TrainingConfig,
    loop: Loop,
    network: PairUNet,
    stage: Callable[[bool], PairStage],
    name: str,
    clips: int,
) -> Path | None:
    """Run the stages for single frames and for clips, and write output_dir/model/`name`.safetensors.

    Returns its path, None when stopped (written then too).
    """
    finished = loop.run(
        [("image", config.image_steps, lambda: stage(False)), ("motion", config.motion_steps, lambda: stage(True))],
        recipe=config.recipe,
        clips=clips,
        seed=config.seed,
    )
    path = Path(config.output_dir) / "model" / f"{name}.safetensors"
    if not finished:
        folder = newest(loop.checkpoint)
        assert folder is not None
        network.load_state_dict(averaged(folder, "network"))
    with replacing(path.parent) as part:
        save_pair(network, part / path.name)
    loop.events.write("done" if finished else "stopped", model=str(path))
    return path if finished else None


def fresh(config: TrainingConfig, described: Callable[[], PairConfig]) -> PairUNet:
    """The network a run begins with: that of `init`, or a new one of the seed, as described. Raises RunError."""
    if config.init:
        try:
            return read_pair(Path(config.init))
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise RunError(f"{config.init} is not a network of the pair.", "Leave init empty.") from error
    settings = described()
    torch.manual_seed(config.seed)
    return PairUNet(settings)


def described(config: TrainingConfig, data: PairData) -> PairConfig:
    """A new network for larger frames."""
    rng = np.random.default_rng([config.seed, 41])
    unit = residual_scale((data.batch(1, 1, rng) for _ in range(MEASURED)), SCALE)
    return PairConfig(SCALE, 3, config.pair_widths, window=config.frames_per_step, residual_scale=round(unit, 4))


def vae_of(folder: Path) -> AutoencoderKL:
    """The VAE of a text-to-video model. Raises RunError."""
    from diffusers import AutoencoderKL

    try:
        return AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            f"{folder} holds no VAE ({error}).", "Give a model folder that has a vae folder in it."
        ) from error


def save_pair(network: PairUNet, path: Path) -> None:
    """Write a network in half precision with what is needed to build it again."""
    params = sum(p.numel() for p in network.parameters())
    save_file(
        {k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()},
        path,
        {"config": network.config.dumps(), "arch": "PairUNet", "params": str(params), "license": "Apache-2.0"},
    )
