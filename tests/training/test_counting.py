"""What is counted before a run is what the run then has: for every recipe, beside its really built tiny network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from diffscaler.models.sizes import tensors_in
from diffscaler.settings import ROOT
from tests.training.tiny_runs import RECIPE_NAMES, tiny_run
from training import carry_out as carrying
from training.commands import run
from training.counting import COUNTERS, count
from training.events import RunError, StopSignal
from training.loop import Loop
from training.options import RunConfig
from training.trainer import Trainer

#: Bytes of a tiny run's files that are no weights: configurations, heads of weight files, words of a tokenizer.
ROUND = 120_000


def test_every_recipe_is_counted() -> None:
    assert set(COUNTERS) == set(RECIPE_NAMES)


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in RECIPE_NAMES),
    ("unet3d", {"ema": False, "use_bert_text_cond": False}),
    ("dit", {"transformer": "init", "ema": False}),
    ("distil", {"init": "wan", "resolution": 32, "num_frames": 5}),
    ("temporal-decoder", {"layers": "all", "adversarial_weight": 0.1}),
    ("temporal", {"ema": True, "mixed_precision": "bf16"}),
    ("one-shot", {"mixed_precision": "bf16"}),
    ("mini", {"vae_steps": 2, "image_steps": 2, "motion_steps": 0, "decoder_steps": 0, "distil_steps": 0}),
    ("pair", {"motion_steps": 0}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "changes"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_counted_is_what_the_built_network_has(
    recipe: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    if recipe == "judge":
        request.getfixturevalue("emoji_font")
    if changes.get("init") == "wan":
        tiny_run("dit", tmp_path)
        changes = changes | {"init": str(tmp_path / "wan")}
    config = tiny_run(recipe, tmp_path, **changes)
    counted = count(config)
    assert counted is not None
    live: list[tuple[int, int]] = []  # numbers learnt, bytes of weights, gradients and moments, of each stage
    watch(monkeypatch, live)
    made = run(config, StopSignal())
    assert made is not None
    learnt, memory = max(row[0] for row in live), max(row[1] for row in live)
    words = 0
    if isinstance(config, RunConfig):
        if recipe == "unet3d" and changes.get("use_bert_text_cond", True):
            words = learnt - counted.trained  # of the captions, which are known once they are read
            assert 0 < words < 60_000
        assert counted.trained == learnt - words
    assert counted.memory_bytes <= memory
    assert counted.memory_bytes >= 0.8 * (memory - 20 * words)
    assert tensor_bytes(Path(config.output_dir)) == pytest.approx(counted.checkpoint_bytes + 16 * words, rel=0.02)
    files = [made] if made.is_file() else [file for file in made.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    assert size == pytest.approx(counted.model_bytes + 4 * words, rel=0.03, abs=ROUND)


@pytest.mark.parametrize("said", ["x", [], [0, 0], [-8, -8], {}, None, 7, ["a", "b"]], ids=str)
@pytest.mark.parametrize(("recipe", "part"), [("inflate", "unet"), ("one-shot", "vae"), ("temporal-decoder", "vae")])
def test_a_model_folder_that_says_what_cannot_be_is_a_sentence_or_is_not_asked(
    recipe: str, part: str, said: Any, tmp_path: Path
) -> None:
    config = tiny_run(recipe, tmp_path)
    folder = Path(getattr(config, "pretrained_model_name_or_path", "") or config.init)  # type: ignore[union-attr]
    file = folder / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"block_out_channels": said}))
    if recipe == "one-shot" and isinstance(said, list) and said:
        assert count(config) is not None  # how many levels there are is all that counts here
        return
    with pytest.raises(RunError, match=folder.name) as caught:
        count(config)
    assert caught.value.hint and "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(RunError, match=folder.name):
        count(config)


def test_counting_says_nothing_of_its_own_on_the_console() -> None:
    command = [sys.executable, "-m", "training", "forecast", "presets/training/mini.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1


def test_options_no_network_can_be_built_of_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: Any, **__: Any) -> None:
        raise ValueError("7 is not divisible by 2\nmore")

    monkeypatch.setattr("diffscaler.text2video.unet3d.network.Unet3D", cannot)
    with pytest.raises(RunError, match=r"these options \(7 is not divisible by 2\)"):
        count(tiny_run("unet3d", tmp_path))


def tensor_bytes(output: Path) -> int:
    """Of the newest checkpoint, without what surrounds tensors in their files: much in tiny ones, nothing in others."""
    found = sorted((output / "checkpoints").glob("step-*")) or [output / "checkpoint"]
    stored = [held.size_bytes for file in found[-1].rglob("*.safetensors") for held in tensors_in(file).values()]
    moments = torch.load(found[-1] / "optimizer.pt", weights_only=True)["state"].values()
    return sum(stored) + sum(v.nbytes for row in moments for v in row.values() if isinstance(v, torch.Tensor))


def watch(monkeypatch: pytest.MonkeyPatch, live: list[tuple[int, int]]) -> None:
    """Look into every loop right after a step, when gradients and moments are there."""

    class Watched(Trainer):
        def update(self) -> None:
            keep, self.optimizer.zero_grad = self.optimizer.zero_grad, lambda *given: None
            try:
                super().update()
                average = sum(value.nbytes for value in self.ema.values) if self.ema else 0
                task: Any = self.task
                owners = [task, getattr(task, "student", None), getattr(getattr(task, "student", None), "task", None)]
                families = [getattr(owner, "family", None) for owner in owners if owner is not None]
                models = [getattr(getattr(task, "model", None), "family", None), task, *families]
                beside = [getattr(model, "pipeline", None) for model in models] + [
                    getattr(getattr(family, "encoder", None), "model", None) for family in families
                ]
                networks = [*task.modules().values(), getattr(task, "vae", None)]
                for part in filter(None, beside):
                    networks += [part] if isinstance(part, torch.nn.Module) else list(part.components.values())
                live.append((sum(p.numel() for _, p in self.parameters), held(networks, self.optimizer) + average))
            finally:
                self.optimizer.zero_grad = keep
                keep()

    monkeypatch.setattr(carrying, "Trainer", Watched)
    own = Loop._run_stage

    def run_stage(self: Loop, stage: Any, *given: Any) -> bool:
        done = own(self, stage, *given)
        average = sum(v.nbytes for v in stage.average.values) if hasattr(stage, "average") else 0
        bundle = getattr(stage, "bundle", None)
        names = ("network", "judge", "unet", "text_encoder", "vae", "teacher")
        networks = [getattr(stage, name, None) for name in names] + (list(bundle.modules().values()) if bundle else [])
        learnt = sum(p.numel() for group in stage.optimizer.param_groups for p in group["params"] if p.requires_grad)
        live.append((learnt, held(networks, stage.optimizer) + average))
        return done

    monkeypatch.setattr(Loop, "_run_stage", run_stage)


def held(networks: list[Any], optimizer: torch.optim.Optimizer) -> int:
    """Bytes of weights and buffers, each once, of gradients and of what the optimizer keeps."""
    found: dict[int, int] = {}
    for network in networks:
        if isinstance(network, torch.nn.Module):
            for tensor in (*network.parameters(), *network.buffers()):
                found[tensor.data_ptr()] = tensor.nbytes
                if tensor.grad is not None:
                    found[tensor.grad.data_ptr()] = tensor.grad.nbytes
    kept = [value for row in optimizer.state.values() for value in row.values() if isinstance(value, torch.Tensor)]
    return sum(found.values()) + sum(value.nbytes for value in kept)
