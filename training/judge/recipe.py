"""Trains the judge on drawn scenes, held-out combinations among them: it must read what the model was never shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from training.checkpoint import replacing
from training.compute import CPU, Compute
from training.config import TrainingConfig
from training.events import EventLog, Preparing, StopSignal
from training.judge.factors import FACTORS, truth_of
from training.judge.network import NUM_FRAMES, SIZE, Judge, seen, to_input
from training.loop import Loop, Schedule
from training.mini.muon import Muon, descend, muon_groups, scheduled_lr
from training.scenes.cache import OnClip, render_scenes
from training.scenes.world import WORLD_VERSION

#: Seeds far from those of the model's training; the judge is tested on others again.
FIRST_SEED, TEST_SEED = 600_000, 900_000

#: One scene in so many is of a held-out combination.
HELD_OUT_ONE_IN = 4

#: The first and the last layers: Muon does not suit them.
ADAM_NAMES = ("heads", "frame.0.")

#: Scenes are drawn this many at a time, so that only what the judge looks at stays in memory.
PART = 256


def drawn(
    first_seed: int,
    count: int,
    size: int,
    processes: int,
    held_out: bool,
    on_clip: OnClip = lambda done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """What the judge sees of new scenes, uint8 (N, NUM_FRAMES, SIZE, SIZE, 3), and the truth, int64 (N, factors)."""
    clips = np.empty((count, NUM_FRAMES, SIZE, SIZE, 3), np.uint8)
    truth = np.empty((count, len(FACTORS)), np.int64)
    for start in range(0, count, PART):
        part = render_scenes(min(PART, count - start), size, 16, processes, first_seed + start, held_out)
        for i in range(len(part)):
            clips[start + i] = seen(part.frames[i])
            truth[start + i] = list(truth_of(part.records[i]).values())
            on_clip(start + i + 1)
    return clips, truth


def blurred(clips: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Some clips softened and noisy: what a model draws is never as crisp as what the renderer draws."""
    out = []
    for clip in clips:
        kind = float(torch.rand((), generator=noise))
        if kind < 0.4:
            side = int(torch.randint(SIZE // 3, SIZE, (), generator=noise))
            small = F.interpolate(clip, (side, side), mode="area")
            clip = F.interpolate(small, (SIZE, SIZE), mode="bilinear", align_corners=False)
        if kind > 0.3 and kind < 0.7:
            clip = clip + 0.08 * torch.randn(clip.shape, generator=noise)
        out.append(clip)
    return torch.stack(out)


class JudgeStage:
    """Cross-entropy of every factor, summed."""

    name = "judge"

    def __init__(
        self,
        clips: np.ndarray,
        truth: np.ndarray,
        total: int,
        batch: int,
        lr: float,
        seed: int,
        compute: Compute = CPU,
    ) -> None:
        self.compute = compute
        self.clips, self.truth, self.total, self.batch, self.lr, self.seed = clips, truth, total, batch, lr, seed
        torch.manual_seed(seed)
        self.judge = Judge().to(compute.device).train()
        self.optimizer = Muon(muon_groups(self.judge.named_parameters(), adam_names=ADAM_NAMES), lr=lr)

    def step(self, index: int) -> tuple[float, float]:
        rng = np.random.default_rng([self.seed, 21, index])
        torch.manual_seed(int(rng.integers(2**31)))
        picks = rng.integers(len(self.clips), size=self.batch)
        given = blurred(to_input(self.clips[picks]), torch.Generator().manual_seed(int(rng.integers(2**31))))
        truth = self.compute.put(torch.from_numpy(self.truth[picks]))
        with self.compute.autocast():
            answers = {name: logits.float() for name, logits in self.judge(self.compute.put(given)).items()}
        losses = [F.cross_entropy(answers[name], truth[:, i], label_smoothing=0.02) for i, name in enumerate(FACTORS)]
        loss = torch.stack(losses).sum()
        return descend(self.optimizer, loss, scheduled_lr(index, self.total, self.lr), 5.0)

    def save(self, folder: Path) -> None:
        write_judge(self.judge, folder, torch.float32)

    def load(self, folder: Path) -> None:
        self.judge.load_state_dict(load_file(folder / "judge.safetensors"))

    def sample(self) -> None:
        return None

    def finish(self) -> None:
        self.judge.eval()


def accuracy(judge: Judge, clips: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Share of right answers per factor, over clips and truth as `drawn` gives them."""
    rows = []
    device = next(judge.parameters()).device
    with torch.no_grad():
        for start in range(0, len(clips), 32):
            out = judge(to_input(clips[start : start + 32]).to(device))
            rows.append(torch.stack([out[name].argmax(dim=1) for name in FACTORS], dim=1).cpu().numpy())
    return dict(zip(FACTORS, (np.concatenate(rows) == truth).mean(axis=0).tolist(), strict=True))


def write_judge(
    judge: Judge, folder: Path, dtype: torch.dtype = torch.float16, judged: dict[str, float] | None = None
) -> None:
    """Write judge.safetensors; its classes and its own accuracy travel in the file's header."""
    tensors = {name: value.to(dtype).contiguous() for name, value in judge.state_dict().items()}
    save_file(tensors, folder / "judge.safetensors", _header(judge, judged or {}))


def _header(judge: Judge, judged: dict[str, float]) -> dict[str, str]:
    return {"config": json.dumps(judge.config), "accuracy": json.dumps(judged)}


def load_judge(folder: Path) -> Judge:
    """Read what `write_judge` wrote. Raises FileNotFoundError when there is none."""
    from safetensors import safe_open

    path = folder / "judge.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"There is no judge in {folder}.")
    with safe_open(path, "pt") as file:
        judge = Judge(**json.loads(file.metadata()["config"]))
        judge.accuracy = json.loads(file.metadata().get("accuracy", "{}"))
    judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return judge.eval().requires_grad_(False)


def train_judge(config: TrainingConfig, stop: StopSignal) -> Path | None:
    """Train and write output_dir/model/judge.safetensors; None when stopped."""
    output_dir, compute = Path(config.output_dir), Compute.choose(config.device)
    path = output_dir / "data" / f"judge{WORLD_VERSION}-{config.num_scenes}x{config.size}.npz"
    if not path.exists():
        processes = config.threads or os.cpu_count() or 1
        rare = config.num_scenes // HELD_OUT_ONE_IN
        preparing = Preparing(EventLog(output_dir / "events.jsonl"), stop, "drawing", config.num_scenes, PART)
        usual = drawn(FIRST_SEED, config.num_scenes - rare, config.size, processes, False, preparing)
        unusual = drawn(FIRST_SEED + 100_000, rare, config.size, processes, True, preparing)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, clips=np.concatenate([usual[0], unusual[0]]), truth=np.concatenate([usual[1], unusual[1]]))
        part.replace(path)
    data = np.load(path)
    clips, truth = data["clips"], data["truth"]
    stage: list[JudgeStage] = []

    def make() -> JudgeStage:
        stage.append(
            JudgeStage(clips, truth, config.judge_steps, config.judge_batch, config.learning_rate, config.seed, compute)
        )
        return stage[0]

    loop = Loop(output_dir, Schedule(config.checkpoint_every, 0), stop)
    if not loop.run([("judge", config.judge_steps, make)], recipe="judge", clips=len(clips), seed=config.seed):
        return None
    model = output_dir / "model"
    judge = stage[0].judge if stage else load_judge(output_dir / "checkpoint")
    # Crisp new scenes, usual and held-out ones: what the judge cannot read there it may not mark a model for.
    tests = [drawn(TEST_SEED + i * 100_000, config.num_tests, config.size, 1, bool(i)) for i in (0, 1)]
    judged = accuracy(judge.eval(), *(np.concatenate(parts) for parts in zip(*tests, strict=True)))
    with replacing(model) as folder:
        write_judge(judge, folder, judged=judged)
    loop.events.write("done", model=str(model), accuracy=judged)
    return model
