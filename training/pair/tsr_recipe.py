"""The recipe of the pair's frame-rate network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffscaler.upscale.pair.network import PairConfig
from diffscaler.upscale.pair.tsr import condition_channels
from training.clips import ClipSet
from training.config import TrainingConfig
from training.events import Preparing, RunError, StopSignal
from training.loop import Loop, Schedule
from training.pair.recipe import MEASURED, carried_out, fresh
from training.pair.stage import StageSettings
from training.pair.tsr_data import TsrData, sides_of
from training.pair.tsr_stage import TsrStage, residual_scale

#: Pixels a side of a cell.
PATCH = 4


def train_tsr(config: TrainingConfig, clips: ClipSet, stop: StopSignal) -> Path | None:
    """Train and write output_dir/model/tsr.safetensors. Returns its path, None when stopped (written then too).

    clips: at the frame rate that is to be learnt. Raises RunError.
    """
    if config.frames_per_step % 2 == 0:
        raise RunError(
            f"{config.frames_per_step} frames per step end with one that is not known.", "Use an odd number of them."
        )
    output_dir = Path(config.output_dir)
    loop = Loop(output_dir, Schedule(config.checkpoint_every, config.sample_every), stop)
    sides: dict[int, np.ndarray] = {}
    for stride in (1, 2):
        if clips.frames.shape[1] > 2 * stride:
            preparing = Preparing(loop.events, stop, "encoding", len(clips), 16)
            sides[stride] = sides_of(clips.frames, stride, output_dir / f"sides{stride}.npy", preparing)
    data = TsrData(clips.frames, sides)
    network = fresh(config, lambda: described(config, data))
    return carried_out(
        config,
        loop,
        network,
        lambda moving: TsrStage(network, data, StageSettings.of(config, moving)),
        "tsr",
        len(clips),
    )


def described(config: TrainingConfig, data: TsrData) -> PairConfig:
    """A new network for more frames."""
    unit = residual_scale(data, MEASURED, PATCH, np.random.default_rng([config.seed, 41]))
    return PairConfig(
        PATCH,
        condition_channels(PATCH),
        config.pair_widths,
        window=config.frames_per_step,
        residual_scale=round(unit, 4),
    )
