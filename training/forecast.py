"""What a run will take, said before it starts: what can be counted or was measured here, and nothing else."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.wording import bytes_in_words, seconds_in_words
from training.config import load_config
from training.counting import Counted, count
from training.events import RunError
from training.launch import RUN
from training.options import RunConfig

#: What a step's time and memory do not hang on. Runs that agree in everything else are as fast as each other on one
#: machine; an option that a recipe gains counts until it is listed here.
INDIFFERENT = frozenset(
    {
        # where it goes, how long it takes, what it is called
        "output_dir", "data", "cache_dir", "max_train_steps", "num_train_epochs", "seed", "nccl_timeout", "report_to",
        "project_name", "run_name", "logging_dir",
        # numbers that a step computes with
        "learning_rate", "scale_lr", "lr_scheduler", "lr_warmup_steps", "lr_num_cycles", "lr_power", "adam_beta1",
        "adam_beta2", "adam_weight_decay", "adam_epsilon", "max_grad_norm", "ema_decay", "prediction_type",
        "noise_offset", "snr_gamma", "caption_dropout", "shared_noise", "flow_shift", "timesteps", "lora_alpha",
        "unet_resume_path", "latent_noise", "steps_from", "steps_to", "prompt",
        # what is done between steps
        "validate_every_steps", "run_validation_at_start", "test_prompts", "held_out", "divergence_factor",
        "on_divergence", "save_n_steps", "save_starting_step", "keep_checkpoints", "resume",
        "disable_optimizer_restore", "validation_steps", "validation_guidance", "sample_steps", "guidance_scale",
        "cond_scale", "sampler", "use_dynamic_thres", "dynamic_thres_percentile",
    }
)  # fmt: skip
UNKNOWN = "not known before the first steps"


@dataclass(frozen=True)
class Measured:
    """What an earlier run of the same settings took. memory_bytes: the most it used."""

    name: str
    steps_per_second: float
    memory_bytes: int


def forecast(config: RunConfig) -> dict[str, Any]:
    """trained: numbers that are learnt; memory_bytes, memory_is ("measured", "at least"); seconds, seconds_is ("about",
    "at most" where the data's epochs may end before the steps do); disk_bytes; earlier: the run that measured. None
    stands for what is not known. Raises RunError."""
    counted, earlier = count(config), measured(config)
    steps = config.max_train_steps
    found: dict[str, Any] = {"trained": counted.trained if counted else None, "steps": steps}
    found["memory_bytes"] = earlier.memory_bytes if earlier else least_memory(config, counted) if counted else None
    found["memory_is"] = "measured" if earlier else "at least"
    found["seconds"] = steps / earlier.steps_per_second if earlier else None
    # How many clips there are is known once they are read.
    found["seconds_is"] = "at most" if config.num_train_epochs else "about"
    found["disk_bytes"] = disk(config, counted) if counted else None
    found["earlier"] = earlier.name if earlier else None
    found["free_bytes"] = free_bytes(Path(config.output_dir))
    return found | {"words": words(found)}


def least_memory(config: RunConfig, counted: Counted) -> int:
    """Weights, gradients and the optimizer's two moments, the average, and what is loaded beside. What a step computes
    comes on top, and hangs on the network."""
    moments = 2 if config.use_8bit_adam else 8
    return counted.trained * (4 + 4 + moments + 4 * config.ema) + counted.held_bytes


def disk(config: RunConfig, counted: Counted) -> int:
    """Checkpoints that are kept, one that is being written, and the finished model."""
    moments = 2 if config.use_8bit_adam else 8
    one = counted.trained * (4 + moments + 4 * config.ema)
    kept = min(config.keep_checkpoints + 1, -(-config.max_train_steps // config.save_n_steps))
    return one * (kept + 1) + counted.model_bytes


def measured(config: RunConfig) -> Measured | None:
    """The latest run beside this one's folder that agrees in everything a step hangs on; None when there is none."""
    wanted = _decisive(config)
    found: list[tuple[float, Measured]] = []
    for file in Path(config.output_dir).parent.glob(f"*/{RUN}"):
        try:
            said = load_config(file)
            if not isinstance(said, RunConfig) or _decisive(said) != wanted:
                continue
            events = file.parent / "events.jsonl"
            if took := _took(events):
                found.append((events.stat().st_mtime, took))
        except (OSError, RunError):
            continue
    return max(found, key=lambda row: row[0])[1] if found else None


def _decisive(config: RunConfig) -> dict[str, Any]:
    said = {name: value for name, value in config.model_dump(mode="json").items() if name not in INDIFFERENT}
    # Samples take memory of their own, however often they are drawn.
    return said | {"draws": config.validate_every_steps > 0 or config.run_validation_at_start}


def _took(events: Path) -> Measured | None:
    """What the steps since the run's last start took: those before it may have had other options. None when there are
    none, or several processes shared them."""
    speed, memory, alone = 0.0, 0, True
    for line in events.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
            if event["event"] == "start":
                speed, memory, alone = 0.0, 0, event.get("processes", 1) == 1
            elif event["event"] == "step" and alone:
                speed, memory = float(event["steps_per_second"]), max(memory, int(event["memory_bytes"]))
        except (ValueError, KeyError, TypeError):
            continue
    return Measured(events.parent.name, speed, memory) if speed > 0 else None


def words(found: dict[str, Any]) -> str:
    """The forecast in a line for people."""
    trained, memory, seconds, room = (found[name] for name in ("trained", "memory_bytes", "seconds", "disk_bytes"))
    if memory is None and seconds is None and room is None:
        return f"What it takes is {UNKNOWN}."
    said = []
    if memory is None:
        said.append(f"Memory: {UNKNOWN}.")
    elif found["memory_is"] == "measured":
        said.append(f"Memory: about {bytes_in_words(memory)}, as {found['earlier']} used.")
    else:
        said.append(
            f"Memory: at least {bytes_in_words(memory)} for weights and the optimizer; what a step adds is {UNKNOWN}."
        )
    said.append(
        f"Time: {UNKNOWN}."
        if seconds is None
        else f"Time: {found['seconds_is']} {seconds_in_words(seconds)}, as {found['earlier']} went."
    )
    said.append("Disk: known with the first checkpoint." if room is None else f"Disk: about {bytes_in_words(room)}.")
    if room is not None and room > found["free_bytes"]:
        said.append(f"Only {bytes_in_words(found['free_bytes'])} are free.")
    if trained is not None:
        said.append(f"At least {trained:,} numbers learn.".replace(",", " "))
    return " ".join(said)


def free_bytes(folder: Path) -> int:
    """Of the disk a folder is, or will be, on."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training forecast", description="What a run will take.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        nothing = {"memory_bytes": None, "seconds": None, "disk_bytes": None, "trained": None}
        found = forecast(config) if isinstance(config, RunConfig) else nothing | {"words": words(nothing)}
    except RunError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    print(json.dumps(found) if options.json else found["words"])
    return 0
