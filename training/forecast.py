"""What a run will take, said before it starts: what can be counted or was measured here, and nothing else."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffscaler.jobs.throwaway import PREFIX
from diffscaler.wording import bytes_in_words, seconds_in_words
from training.config import TrainingConfig, load_config
from training.counting import Counted, count
from training.events import EventLog, RunError, StopSignal
from training.forms import WITH_OWN_LOOP
from training.launch import RUN
from training.options import RunConfig
from training.rehearsal import ROOM

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
#: The same for recipes with a loop of their own, whose numbers of steps do not count either.
BUILT_IN_INDIFFERENT = frozenset(
    {"data_dir", "num_scenes", "num_tests", "distil_guidance", "checkpoint_every", "sample_every", "sample_prompts"}
)
STOPPED = 130
UNKNOWN = "not known before the first steps"


@dataclass(frozen=True)
class Measured:
    """What an earlier run of the same settings took. seconds: of a step, by the stage it is of; memory_bytes: the most
    it had at once, 0 where that is not known; room: bytes of a checkpoint and of the model, where a rehearsal looked at
    them; scenes: how many it drew for itself and had in memory, where those were fewer than the run draws"""

    name: str
    seconds: dict[str, float]
    memory_bytes: int
    room: tuple[int, int] | None = None
    scenes: int = 0


def forecast(config: RunConfig | TrainingConfig) -> dict[str, Any]:
    """trained: numbers that are learnt; memory_bytes, memory_is ("measured", "at least"); seconds, seconds_is ("about",
    "at most" where the data's epochs may end before the steps do); disk_bytes; earlier: the run that measured. None
    stands for what is not known. Raises RunError."""
    counted, earlier = count(config), measured(config)
    stages = steps_of(config)
    found: dict[str, Any] = {"trained": counted.trained if counted else None, "steps": sum(stages.values())}
    if earlier and earlier.memory_bytes:
        found["memory_bytes"], found["memory_is"] = earlier.memory_bytes + undrawn(config, counted, earlier), "measured"
    else:
        found["memory_bytes"], found["memory_is"] = counted.memory_bytes if counted else None, "at least"
    found["seconds"] = sum(steps * earlier.seconds[stage] for stage, steps in stages.items()) if earlier else None
    # How many clips there are is known once they are read.
    found["seconds_is"] = "at most" if isinstance(config, RunConfig) and config.num_train_epochs else "about"
    found["disk_bytes"] = disk(config, counted, earlier)
    found["earlier"] = earlier.name if earlier else None
    found["free_bytes"] = free_bytes(Path(config.output_dir))
    return found | {"words": words(found)}


def undrawn(config: RunConfig | TrainingConfig, counted: Counted | None, earlier: Measured) -> int:
    """Bytes of the scenes a run keeps in memory beyond those that were drawn when it was measured."""
    if not earlier.scenes or counted is None or isinstance(config, RunConfig):
        return 0
    return max(0, counted.data_bytes * (config.num_scenes - earlier.scenes) // config.num_scenes)


def steps_of(config: RunConfig | TrainingConfig) -> dict[str, int]:
    """Steps of each stage of a run that has any, by the stage's name in its events."""
    if isinstance(config, RunConfig):
        return {config.recipe: config.max_train_steps}
    # Every recipe with a loop of its own has the options of all; its stages are those it reads.
    fields = (name for name in WITH_OWN_LOOP[config.recipe].options if name.endswith("_steps"))
    return {name.removesuffix("_steps"): steps for name in fields if (steps := getattr(config, name))}


def disk(config: RunConfig | TrainingConfig, counted: Counted | None, earlier: Measured | None) -> int | None:
    """Checkpoints that are kept, one that is being written, the finished model, and what the run draws for itself; None
    when it is not known."""
    if earlier and earlier.room:
        one, model = earlier.room
    elif counted:
        one, model = counted.checkpoint_bytes, counted.model_bytes
    else:
        return None
    kept = 1
    if isinstance(config, RunConfig):
        kept = min(config.keep_checkpoints + 1, -(-config.max_train_steps // config.save_n_steps))
    return one * (kept + 1) + model + (counted.data_bytes if counted else 0)


def measured(config: RunConfig | TrainingConfig) -> Measured | None:
    """The latest run beside this one's folder, or rehearsal of one, that agrees in everything a step hangs on; None
    when there is none."""
    wanted = _decisive(config)
    found: list[tuple[float, Measured]] = []
    for file in Path(config.output_dir).parent.glob(f"*/{RUN}"):
        try:
            said = load_config(file)
            if type(said) is not type(config) or _decisive(said) != wanted:
                continue
            events = file.parent / "events.jsonl"
            took = _took(events, config.recipe) if isinstance(config, RunConfig) else _took_by_stage(events)
            took = _with_room(took, file.parent / ROOM) if took else None
            if took and steps_of(config).keys() <= took.seconds.keys():
                found.append((events.stat().st_mtime, took))
        except (OSError, RunError):
            continue
    return max(found, key=lambda row: row[0])[1] if found else None


def _decisive(config: RunConfig | TrainingConfig) -> dict[str, Any]:
    said = {name: value for name, value in config.model_dump(mode="json").items() if name not in INDIFFERENT}
    if isinstance(config, TrainingConfig):
        return {name: value for name, value in said.items() if name not in BUILT_IN_INDIFFERENT | _stages(config)}
    # Samples take memory of their own, however often they are drawn.
    return said | {"draws": config.validate_every_steps > 0 or config.run_validation_at_start}


def _stages(config: TrainingConfig) -> set[str]:
    return {name for name in type(config).model_fields if name.endswith("_steps")}


def _took(events: Path, stage: str) -> Measured | None:
    """What the steps since the run's last start took: those before it may have had other options. None when there are
    none, or several processes shared them."""
    speed, memory, alone = 0.0, 0, True
    for event in _events(events):
        try:
            if event["event"] == "start":
                speed, memory, alone = 0.0, 0, event.get("processes", 1) == 1
            elif event["event"] == "step" and alone:
                speed = float(event["steps_per_second"])
                # Earlier versions wrote memory_bytes, which off a card was no peak: then only the time is known.
                memory = max(memory, int(event.get("peak_memory_bytes", 0)))
        except (ValueError, KeyError, TypeError):
            continue
    return Measured(events.parent.name, {stage: 1 / speed}, memory) if speed > 0 else None


def _took_by_stage(events: Path) -> Measured | None:
    """What a run or rehearsal of a recipe with a loop of its own took: between the first and the last event of each
    stage since its last start."""
    rows: dict[str, list[tuple[int, float]]] = {}
    memory, resumed = 0, False
    for event in _events(events):
        try:
            if event["event"] == "start":
                rows, memory, resumed = {}, 0, False
            elif event["event"] == "resumed":
                resumed = True
            elif event["event"] == "step":
                rows.setdefault(str(event["stage"]), []).append((int(event["stage_step"]), float(event["seconds"])))
                memory = max(memory, int(event.get("peak_memory_bytes", 0)))
        except (ValueError, KeyError, TypeError):
            continue
    # A stage of a few steps has one event, which counts from its beginning where that was not before.
    rows = {stage: at if resumed or len(at) > 1 else [(0, 0.0), *at] for stage, at in rows.items()}
    seconds = {
        stage: (at[-1][1] - at[0][1]) / (at[-1][0] - at[0][0]) for stage, at in rows.items() if at[-1][0] > at[0][0]
    }
    return Measured(events.parent.name, seconds, memory) if seconds else None


def _events(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the line a killed process was writing
            continue
        if isinstance(event, dict):
            yield event


def _with_room(took: Measured, file: Path) -> Measured | None:
    """With what a rehearsal noted besides its events; None when that was cut short or an earlier version noted less:
    without it, what was measured with few scenes would pass for the whole run."""
    if not file.is_file():
        return took
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        room = int(said["checkpoint_bytes"]), int(said["model_bytes"])
        memory = max(took.memory_bytes, int(said["peak_memory_bytes"]))
        return replace(took, room=room, memory_bytes=memory, scenes=int(said["scenes"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def words(found: dict[str, Any]) -> str:
    """The forecast in a line for people."""
    trained, memory, seconds, room = (found[name] for name in ("trained", "memory_bytes", "seconds", "disk_bytes"))
    if memory is None and seconds is None and room is None:
        return f"What it takes is {UNKNOWN}: python -m training forecast FILE --measure tries a few."
    said = []
    if memory is None:
        said.append(f"Memory: {UNKNOWN}.")
    elif found["memory_is"] == "measured":
        said.append(f"Memory: about {bytes_in_words(memory)}, {as_in(found['earlier'], 'used')}.")
    else:
        said.append(
            f"Memory: at least {bytes_in_words(memory)} for weights and the optimizer; what a step adds is {UNKNOWN}."
        )
    said.append(
        f"Time: {UNKNOWN}."
        if seconds is None
        else f"Time: {found['seconds_is']} {seconds_in_words(seconds)}, {as_in(found['earlier'], 'went')}."
    )
    said.append("Disk: known with the first checkpoint." if room is None else f"Disk: about {bytes_in_words(room)}.")
    if room is not None and room > found["free_bytes"]:
        said.append(f"Only {bytes_in_words(found['free_bytes'])} are free.")
    if trained is not None:
        said.append(f"At least {trained:,} numbers learn.".replace(",", "\u00a0"))
    return " ".join(said)


def as_in(name: str, verb: str) -> str:
    """Where a number is from, in words."""
    return "measured in a few steps here" if name.startswith(PREFIX) else f"as {name} {verb}"


def free_bytes(folder: Path) -> int:
    """Of the disk a folder is, or will be, on."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training forecast", description="What a run will take.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", action="store_true", help="carry out a few throw-away steps first; Ctrl-C stops")
    parser.add_argument("--events", type=Path, help="a file that is told how the measuring goes on, in lines of JSON")
    options = parser.parse_args(arguments)
    log = EventLog(options.events) if options.events else None
    stop = StopAtOnce()
    if options.measure:
        stop.install()
    try:
        config = load_config(options.config)
        if options.measure and measured(config) is None and not _rehearsed(config, stop, log):
            print("Stopped. Nothing is left behind.", file=sys.stderr)
            return STOPPED
        found = forecast(config)
    except RunError as error:
        if log:
            log.write("error", message=str(error), hint=error.hint)
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # asked to stop before or after the steps
        print("Stopped.", file=sys.stderr)
        return STOPPED
    if log:
        log.write("measured", words=found["words"])
    print(json.dumps(found) if options.json else found["words"])
    return 0


def _rehearsed(config: RunConfig | TrainingConfig, stop: StopSignal, log: EventLog | None) -> bool:
    """Carry out a few steps of a run; False when that was stopped. Raises RunError."""
    print("A few throw-away steps of each stage, with their data and samples ...", file=sys.stderr, flush=True)
    from diffscaler import compat

    compat.install()  # before anything imports diffusers or transformers
    from training.rehearsal import rehearse

    def told(event: dict[str, Any]) -> None:
        if said := progress_of(event):
            print(said["text"], file=sys.stderr, flush=True)
            if log:
                log.write("measuring", **said)

    return rehearse(config, stop, told) is not None


def progress_of(event: dict[str, Any]) -> dict[str, Any] | None:
    """An event of throw-away steps for people, {"text", "done", "total"}; None for those that say nothing of how far it
    is."""
    if event.get("event") == "step":
        done, total = int(event["step"]), int(event["total"])
        return {"text": f"{event.get('stage', 'training')}: step {done} of {total}", "done": done, "total": total}
    if {"done", "clips"} <= event.keys():  # reading, drawing, encoding
        text = f"{event['event']}: clip {event['done']} of {event['clips']}"
        return {"text": text, "done": 0, "total": 0}
    return None


class StopAtOnce(StopSignal):
    """What is thrown away need not be saved: the first signal interrupts whatever is done at that moment."""

    def _on_signal(self, *_: object) -> None:
        if not self.requested:  # a second one must not interrupt the tidying up
            self.requested = True
            raise KeyboardInterrupt
