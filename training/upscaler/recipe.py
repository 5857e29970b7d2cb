"""Train the preview upscaler: patches of small pictures against the same patches large."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffscaler.upscale.network import PreviewUpscaler
from training.checkpoint import newest, replacing
from training.compute import CPU, Compute
from training.config import TrainingConfig
from training.events import RunError, StopSignal
from training.loop import Loop, Schedule
from training.mini.average import Average, averaged
from training.mini.muon import Muon, descend, muon_groups, scheduled_lr
from training.upscaler.degrade import degraded
from training.upscaler.evaluate import resize
from training.upscaler.photos import training_pictures

#: Side of a training patch of the small picture, in pixels, for a network of some eight layers or fewer; of a deeper
#: one, which sees farther.
PATCH, DEEP_PATCH = 24, 32
DEEP = 8

#: The first and the last layer: Muon does not suit them.
ADAM_NAMES = ("features.0", "detail")

#: Weights of R, G and B in luma (BT.601): what the eye, and the benchmark, see most.
LUMA = (0.299, 0.587, 0.114)


class UpscalerStage:
    """L1 between enlarged patches and the truth, in RGB and in luma."""

    name = "upscaler"

    def __init__(
        self,
        network: PreviewUpscaler,
        pictures: list[np.ndarray],
        total: int,
        batch: int,
        lr: float,
        seed: int,
        degraded_share: float = 0.0,
        compute: Compute = CPU,
    ) -> None:
        """degraded_share: of the patches that are made worse as well as smaller, see degrade.py"""
        self.degraded_share, self.compute = degraded_share, compute
        network.to(compute.device)
        self.network, self.total, self.batch, self.lr, self.seed = network, total, batch, lr, seed
        scale = network.scale
        self.patch = DEEP_PATCH if network.depth > DEEP else PATCH
        self.high = [p[: p.shape[0] // scale * scale, : p.shape[1] // scale * scale] for p in pictures]
        self.low = [resize(p, p.shape[0] // scale, p.shape[1] // scale) for p in self.high]
        sizes = np.array([p.shape[0] * p.shape[1] for p in self.high], np.float64)
        self.chance = sizes / sizes.sum()
        named = network.named_parameters()
        self.optimizer = Muon(muon_groups(named, adam_names=ADAM_NAMES), lr=lr, weight_decay=0.0)
        self.average = Average({"network": network}, 0.998)
        self.luma = compute.put(torch.tensor(LUMA).view(1, 3, 1, 1))

    def step(self, index: int) -> tuple[float, float]:
        low, high = self._patches(np.random.default_rng([self.seed, 20, index]))
        with self.compute.autocast():
            made = self.network(low)
        difference = made.float() - high
        loss = difference.abs().mean() + 2 * (difference * self.luma).sum(dim=1).abs().mean()
        done = descend(self.optimizer, loss, scheduled_lr(index, self.total, self.lr, decay_from=0.3))
        self.average.update()
        return done

    def _patches(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Batches (batch, 3, patch, patch) and (batch, 3, scale * patch, ...) in [0, 1]; flipped and turned."""
        scale, side, lows, highs = self.network.scale, self.patch, [], []
        for i in rng.choice(len(self.low), size=self.batch, p=self.chance):
            low, high = self.low[i], self.high[i]
            # Of two places the livelier one: an empty sky teaches little.
            places = [[int(rng.integers(n - side + 1)) for n in low.shape[:2]] for _ in range(2)]
            y, x = max(places, key=lambda at: low[at[0] : at[0] + side, at[1] : at[1] + side].std())
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            large = high[y * scale : (y + side) * scale, x * scale : (x + side) * scale]
            small = low[y : y + side, x : x + side]
            if self.degraded_share and rng.random() < self.degraded_share:
                small = degraded(large, scale, rng)
            for part, target in ((small, lows), (large, highs)):
                patch = np.rot90(part, turns)
                target.append(patch[:, ::-1] if mirror else patch)
        given, wanted = (torch.from_numpy(np.stack(p)).permute(0, 3, 1, 2).float().div_(255) for p in (lows, highs))
        return self.compute.put(given), self.compute.put(wanted)

    def save(self, folder: Path) -> None:
        save_upscaler(self.network, folder / "network.safetensors")
        self.average.save(folder)

    def load(self, folder: Path) -> None:
        self.network.load_state_dict(load_file(folder / "network.safetensors"))
        self.average.load(folder)

    def sample(self) -> np.ndarray:
        """A patch as bicubic, as drawn now, and the truth, side by side."""
        scale = self.network.scale
        side = min(64, *self.low[0].shape[:2])
        low, high = self.low[0][:side, :side], self.high[0][: side * scale, : side * scale]
        with torch.no_grad():
            small = torch.from_numpy(low.copy()).permute(2, 0, 1)[None].float() / 255
            out = self.network(self.compute.put(small))[0]
        drawn = (out.cpu() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        return np.concatenate([resize(low, side * scale, side * scale), drawn, high], axis=1)

    def finish(self) -> None:
        """Keep the averaged weights."""
        self.average.swap()


def save_upscaler(network: PreviewUpscaler, path: Path, **metadata: str) -> None:
    """Write a network with what is needed to build it again."""
    params = sum(p.numel() for p in network.parameters())
    save_file(
        {k: v.cpu().contiguous() for k, v in network.state_dict().items()},
        path,
        {
            "config": json.dumps(network.config),
            "arch": "PreviewUpscaler",
            "scale": str(network.scale),
            "params": str(params),
            "license": "Apache-2.0",
            **metadata,
        },
    )


def train_upscaler(config: TrainingConfig, stop: StopSignal, pictures: list[np.ndarray] | None = None) -> Path | None:
    """Train and write output_dir/model/x{scale}.safetensors. Returns its path, None when stopped (written then too)."""
    output_dir = Path(config.output_dir)
    loop = Loop(output_dir, Schedule(config.checkpoint_every, config.sample_every), stop)
    compute = Compute.choose(config.device)
    torch.manual_seed(config.seed)
    network = PreviewUpscaler(config.scale, config.upscaler_width, config.upscaler_depth, config.upscaler_residual)
    if config.init:
        _start_from(network, Path(config.init))
    if pictures is None:
        pictures = training_pictures(Path(config.data_dir) if config.data_dir else None)

    def stage() -> UpscalerStage:
        return UpscalerStage(
            network,
            pictures,
            config.upscaler_steps,
            config.upscaler_batch,
            config.learning_rate,
            config.seed,
            config.upscaler_degraded,
            compute,
        )

    finished = loop.run([("upscaler", config.upscaler_steps, stage)], recipe="upscaler", pictures=len(pictures))
    path = output_dir / "model" / f"x{config.scale}.safetensors"
    if not finished:
        folder = newest(loop.checkpoint)
        assert folder is not None
        network.load_state_dict(averaged(folder, "network"))
    with replacing(path.parent) as part:
        save_upscaler(network, part / path.name)
    loop.events.write("done" if finished else "stopped", model=str(path))
    return path if finished else None


def _start_from(network: PreviewUpscaler, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError) as error:
        raise RunError(
            f"{path} does not fit an upscaler of this scale, width and depth.",
            "Leave init empty to train from scratch.",
        ) from error
