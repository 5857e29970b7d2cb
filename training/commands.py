"""What `python -m training` can do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from training.clips import ClipSet
from training.config import TrainingConfig, load_config
from training.events import EventLog, Preparing, RunError, Stopped, StopSignal
from training.lock import only_run_in
from training.options import RunConfig

#: Scenes between two signs of life while they are drawn.
DRAWN_PER_EVENT = 64


def train(path: Path) -> int:
    """Carry out the run of a TOML file."""
    stop = StopSignal()
    stop.install()
    log: EventLog | None = None
    try:
        config = load_config(path)
        log = EventLog(Path(config.output_dir) / "events.jsonl")
        run(config, stop)
    except RunError as error:
        if log:
            log.write("error", message=str(error), hint=error.hint)
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    except Exception as error:
        if log:
            log.write("error", message=f"{type(error).__name__}: {error}", hint="This is a bug; see the log.")
        raise
    return 0


def run(config: TrainingConfig | RunConfig, stop: StopSignal) -> Path | None:
    """Carry out a run; returns what it made, None when it was stopped."""
    import torch

    from training.scenes.glyphs import FontMissing, find_font

    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    if isinstance(config, RunConfig):
        return _run_recipe(config, stop)
    if config.data == "scenes" and config.recipe != "upscaler":
        try:
            find_font()
        except FontMissing as error:
            raise RunError(str(error), "Install it, or set NOTO_COLOR_EMOJI to the path of the font file.") from None
    events = EventLog(Path(config.output_dir) / "events.jsonl")
    with only_run_in(Path(config.output_dir), stop):
        try:
            return _carry_out(config, events, stop)
        except Stopped:
            events.write("stopped")
            return None


def _run_recipe(config: RunConfig, stop: StopSignal) -> Path | None:
    from training.carry_out import carry_out

    try:
        return carry_out(config, stop)
    except Stopped:
        EventLog(Path(config.output_dir) / "events.jsonl").write("stopped")
        return None


def _carry_out(config: TrainingConfig, events: EventLog, stop: StopSignal) -> Path | None:
    if config.recipe == "upscaler":
        from training.upscaler.recipe import train_upscaler

        return train_upscaler(config, stop)
    if config.recipe == "judge":
        from training.judge.recipe import train_judge

        return train_judge(config, stop)
    if config.recipe == "pair":
        from training.pair.recipe import train_pair

        return train_pair(config, _clips(config, events, stop), stop)
    if config.recipe == "pair_tsr":
        from training.pair.tsr_recipe import train_tsr

        return train_tsr(config, _clips(config, events, stop), stop)
    from training.mini.recipe import train_mini

    return train_mini(config, _clips(config, events, stop), stop)


def _clips(config: TrainingConfig, events: EventLog, stop: StopSignal) -> ClipSet:
    if config.data == "folder":
        from training.folder import read_folder
        from training.mirror import one_way, sides_of

        return one_way(read_folder(Path(config.data_dir), config.size, config.num_frames), sides_of(config))
    from training.scenes.cache import cached_scenes
    from training.scenes.motion import FPS

    return cached_scenes(
        Path(config.output_dir) / "data",
        config.num_scenes,
        config.size,
        config.num_frames,
        config.threads or os.cpu_count() or 1,
        Preparing(events, stop, "drawing", config.num_scenes, DRAWN_PER_EVENT),
        fps=2 * FPS if config.recipe == "pair_tsr" else FPS,
    )


def sample(arguments: list[str]) -> int:
    """Draw a contact sheet of a model folder, or of a run's checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m training sample")
    parser.add_argument("model", type=Path)
    parser.add_argument("prompts", nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("sheet.png"))
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    from PIL import Image

    from training.mini.recipe import load_averaged
    from training.mini.samples import contact_sheet

    sheet = contact_sheet(load_averaged(options.model), options.prompts, options.frames, options.seed)
    Image.fromarray(sheet).save(options.output)
    return 0


def export(arguments: list[str]) -> int:
    """Make a model folder of a run's checkpoint, also while the run goes on."""
    parser = argparse.ArgumentParser(prog="python -m training export")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args(arguments)
    from training.checkpoints import MANIFEST

    if (options.checkpoint / MANIFEST).is_file():
        from training.carry_out import export_checkpoint

        try:
            export_checkpoint(options.checkpoint, options.model)
        except RunError as error:
            print(f"{error} {error.hint}".strip(), file=sys.stderr)
            return 1
        return 0
    if not (options.checkpoint / "unet").is_dir():
        print(
            f"{options.checkpoint.name} is no checkpoint that a model can be made of by itself. Start its run again: "
            "it writes its model when it ends, and when it is stopped.",
            file=sys.stderr,
        )
        return 1
    from training.mini.recipe import load_averaged

    load_averaged(options.checkpoint).export(options.model)
    return 0


def evaluate_upscaler(arguments: list[str]) -> int:
    """Print PSNR beside bicubic for a folder of benchmark pairs."""
    from training.upscaler.evaluate import main

    return main(arguments)


def evaluate_mini(arguments: list[str]) -> int:
    """Print how well a model folder does on drawn scenes it has not seen."""
    from training.mini.evaluate import main

    return main(arguments)


def gallery(arguments: list[str]) -> int:
    """Draw the fixed prompts of a model folder as one picture."""
    from training.mini.gallery import main

    return main(arguments)


def gather_pictures(arguments: list[str]) -> int:
    """Gather the free pictures that the built-in x4 upscaler learnt from."""
    from training.upscaler.free_pictures import main

    return main(arguments)


def at_least(lowest: int) -> Callable[[str], int]:
    """What argparse reads a whole number with."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest} on")
        return int(text)

    return read


def launch(arguments: list[str]) -> int:
    """Write accelerate's configuration for a run and print the command that starts it on several cards or machines."""
    parser = argparse.ArgumentParser(prog="python -m training launch")
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--processes", type=at_least(0), default=0, help="on all machines together; one a card when not given"
    )
    parser.add_argument("--machines", type=at_least(1), default=1)
    options = parser.parse_args(arguments)
    from training.launch import FIRST_MACHINE, write_launch

    try:
        config = load_config(options.config)
        if not isinstance(config, RunConfig):
            raise RunError(f"The recipe {config.recipe} runs in one process.", "Use a recipe of training/recipes.")
        print(write_launch(config, Path(config.output_dir), options.processes, options.machines))
    except RunError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    if options.machines > 1:
        print(
            f"Give it on each machine, with the machine's rank (0 to {options.machines - 1}) in place of the rank 0 "
            f"and the address of the first in place of {FIRST_MACHINE}; each needs the run's folder.",
            file=sys.stderr,
        )
    return 0


def prepare(arguments: list[str]) -> int:
    """Cut a folder of clips into shots, score them, and write what a run reads."""
    from training.data.command import main

    return main(arguments)


def make(arguments: list[str]) -> int:
    """Draw a data set whose captions say what the pixels show."""
    from training.data.moving.make import main

    return main(arguments)


def forms(arguments: list[str]) -> int:
    """Print the recipes and their options: for people, or as JSON for whoever makes a form of them."""
    from training.forms import main

    return main(arguments)


def check(arguments: list[str]) -> int:
    """Say what is wrong with a configuration, in one sentence; nothing when it can be run."""
    parser = argparse.ArgumentParser(prog="python -m training check")
    parser.add_argument("config", type=Path)
    try:
        load_config(parser.parse_args(arguments).config)
    except RunError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0


def forecast(arguments: list[str]) -> int:
    """Say what a run will take, before it starts."""
    from training.forecast import main

    return main(arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "check": check,
    "evaluate-mini": evaluate_mini,
    "evaluate-upscaler": evaluate_upscaler,
    "export": export,
    "forecast": forecast,
    "forms": forms,
    "gallery": gallery,
    "gather-pictures": gather_pictures,
    "launch": launch,
    "make": make,
    "prepare": prepare,
    "sample": sample,
}

#: Those that need none of the libraries that take seconds to load.
WITHOUT_NETWORKS = frozenset({"check", "forecast", "forms", "make", "prepare"})
