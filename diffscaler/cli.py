"""The studio from the command line: the same requests as the page.

Exit codes: 0 done, 1 failed (a sentence and a hint on stderr), 2 usage, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import uuid
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from diffscaler import models_command
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.library.files import room_for
from diffscaler.recipes import takes
from diffscaler.requests import AspectName, FaceSwapRequest, Request, SamplerName, Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, FAILED, STOPPED, show_line, show_progress, write_json
from diffscaler.terminal import USAGE as USAGE
from diffscaler.wording import worded


def add_commands(commands: Any) -> None:
    """Add generate, swap, upscale, library and models to an argparse subparsers object; each sets `run`."""
    at = commands.add_parser("generate", help="a clip from words, with a face and larger if asked")
    at.add_argument("prompt")
    add_output(at)
    at.add_argument("--preset", help="a name from presets/text2video")
    at.add_argument("--model")
    at.add_argument("--negative-prompt")
    at.add_argument("--frames", type=int, dest="num_frames")
    at.add_argument("--seconds", type=float, help="the length, instead of --frames")
    at.add_argument("--aspect", choices=get_args(AspectName), help="at about the model's own number of pixels")
    at.add_argument("--picture", type=Path, help="a still to start from, for models that can")
    at.add_argument("--sampler", choices=get_args(SamplerName), dest="scheduler")
    at.add_argument("--guidance-rescale", type=float, help="0 to 1")
    at.add_argument("--source", help="a clip to redraw, a file or a key from the library, for models that can")
    at.add_argument("--strength", type=float, help="how much of --source is drawn anew, 0 to 1")
    at.add_argument("--reference", type=Path, help="a picture the clip is to look like, with --ip-adapter")
    at.add_argument("--ip-adapter", help="a file of models/ip_adapters")
    at.add_argument("--reference-scale", type=float, help="how much it is to look like it, 0 to 1")
    at.add_argument("--control", type=Path, help="a clip to follow, with --controlnet")
    at.add_argument("--controlnet", help="a folder of models/controlnets")
    at.add_argument("--control-kind", choices=("canny", "none"), help="what the ControlNet reads; none: as the clip is")
    at.add_argument("--control-scale", type=float, help="how closely, 0.05 to 2")
    at.add_argument("--loras", help="names with strengths: noir:0.7,anna")
    at.add_argument("--reuse", choices=("off", "some", "much"), help="use results of steps twice: faster, less exact")
    at.add_argument("--free-init", type=int, metavar="N", help="0 to 5 passes that refine the motion, each as long")
    at.add_argument("--free-init-filter", choices=("butterworth", "gaussian"), help="how coarse is cut from fine")
    at.add_argument("--shared-noise", type=float, help="0 to 1: how much of the noise all frames share")
    at.add_argument("--width", type=int)
    at.add_argument("--height", type=int)
    at.add_argument("--steps", type=int, dest="num_inference_steps")
    at.add_argument("--guidance", type=float, dest="guidance_scale")
    at.add_argument("--seed", type=int)
    at.add_argument("--takes", type=int, choices=range(1, 9), default=1, help="so many clips, name-2.mp4 and so on")
    at.add_argument("--face", action="append", type=Path, default=[], help="a photo; may be given several times")
    at.add_argument("--consent", help="who agreed to lend the face, and when")
    at.add_argument("--upscale", type=int, choices=(2, 4), dest="scale")
    at.add_argument("--upscaler")
    at.set_defaults(run=generate)

    at = commands.add_parser("swap", help="a face onto the people in a clip")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--face", action="append", type=Path, required=True)
    at.add_argument("--consent", help="who agreed to lend the face, and when")
    at.add_argument("--engine", choices=("auto", "builtin", "inswapper"))
    at.add_argument("--people", choices=("all", "largest"))
    at.add_argument("--strength", type=float)
    add_output(at)
    at.set_defaults(run=swap)

    at = commands.add_parser("upscale", help="a larger clip or picture")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--scale", type=int, choices=(2, 4))
    at.add_argument("--upscaler")
    at.add_argument("--tile", type=int)
    add_output(at)
    at.set_defaults(run=upscale)

    at = commands.add_parser("library", help="what was made, and how")
    verbs = at.add_subparsers(dest="verb", required=True)
    row = verbs.add_parser("list")
    row.add_argument("--all", action="store_true", help="stage results too")
    row.add_argument("--json", action="store_true")
    for verb in ("show", "rm"):
        row = verbs.add_parser(verb)
        row.add_argument("key")
        row.add_argument("--json", action="store_true")
    at.set_defaults(run=library)

    models_command.add_commands(commands)


def add_output(at: argparse.ArgumentParser) -> None:
    at.add_argument("-o", "--output", type=Path, required=True, help="where to write the result")
    at.add_argument("--encoding", choices=("auto", "h264", "h265", "prores", "webm", "gif"))
    at.add_argument("--quality", type=int, help="lower is better and larger (crf)")
    at.add_argument("--bitrate", type=float, dest="bitrate_mbps", help="megabits per second to aim at instead")
    at.add_argument("--json", action="store_true", help="one JSON event a line on stdout")


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were really given; the request's own defaults stand for the rest."""
    return {name: value for name in names if (value := getattr(args, name, None)) is not None}


OUTPUT_NAMES = ("encoding", "quality", "bitrate_mbps")

# What a file name's ending asks for when --encoding does not say.
BY_SUFFIX = {".gif": "gif", ".webm": "webm", ".mov": "prores"}


def delivery(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the file to write."""
    by_suffix = BY_SUFFIX.get(args.output.suffix.lower())
    return ({"encoding": by_suffix} if by_suffix else {}) | given(args, *OUTPUT_NAMES)


def generate(args: argparse.Namespace, settings: Settings) -> int:
    from diffscaler.presets import preset

    studio = Studio(settings)
    names = ("model", "negative_prompt", "num_frames", "width", "height", "num_inference_steps", "guidance_scale",
             "seconds", "aspect", "scheduler", "loras", "reuse", "controlnet", "control_kind",
             "control_scale", "strength", "ip_adapter", "reference_scale", "guidance_rescale",
             "shared_noise", "free_init", "free_init_filter")  # fmt: skip
    values = preset(settings, "text2video", args.preset) if args.preset else {}
    values |= given(args, *names, "seed", "consent", "scale", "upscaler") | delivery(args)
    request = Text2VideoRequest(prompt=args.prompt, **values)  # checked before anything is imported
    picture = studio.add_file(args.picture).key if args.picture else None
    control = studio.add_file(args.control).key if args.control else None
    source = clip_of(studio, args.source).key if args.source else None
    reference = studio.add_file(args.reference).key if args.reference else None
    files = {"faces": photos(studio, args.face), "picture": picture, "source_clip": source, "control": control}
    files |= {"reference": reference}
    request = request.model_copy(update=files)
    output: Path = args.output
    for number, take in enumerate(takes(request, args.takes), 1):
        args.output = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
        if code := deliver(studio, take, args):
            return code
    return DONE


def swap(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    values = given(args, "consent", "engine", "people", "strength") | delivery(args)
    request = FaceSwapRequest(clip=clip_of(studio, args.clip).key, faces=photos(studio, args.face), **values)
    return deliver(studio, request, args)


def upscale(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    values = given(args, "scale", "upscaler", "tile") | delivery(args)
    return deliver(studio, UpscaleRequest(clip=clip_of(studio, args.clip).key, **values), args)


def photos(studio: Studio, paths: list[Path]) -> tuple[str, ...]:
    return tuple(studio.add_file(path).key for path in paths)


def clip_of(studio: Studio, text: str) -> Clip:
    """A file on disk, or else a library key."""
    path = Path(text)
    if path.exists() or path.suffix or not text.isalnum():
        return studio.add_file(path)
    return studio.library.clip(text)


def deliver(studio: Studio, request: Request, args: argparse.Namespace) -> int:
    """Run a request to its end and copy the result to where it was asked for."""
    output: Path = args.output
    if not output.parent.is_dir():
        raise InvalidRequest(f"There is no folder {output.parent.name!r} to write to.", "Make it first.")
    if output.is_dir():
        raise InvalidRequest(f"{output.name} is a folder.", "Name the file to write.")
    recipe = studio.recipe(request)
    if output.suffix.lower() != (suffix := studio.suffix_of(recipe)):
        raise InvalidRequest(
            f"The result will be a {suffix} file, not {output.suffix or 'one without an ending'}.",
            f"Use -o {output.stem}{suffix}, or another --encoding.",
        )
    part = output.with_name(f".{uuid.uuid4().hex[:8]}.part")
    part.touch()  # now, not after the work: a place that cannot be written is told at once
    part.unlink()
    if getattr(request, "faces", ()) and not getattr(request, "consent", ""):
        sys.stderr.write("No --consent was given: the file will say that it was not recorded.\n")
    submitted = studio.submit_recipe(recipe)
    say = JsonLines() if args.json else Lines()
    job = submitted
    try:
        for job in studio.follow(submitted.id):
            say.job(job)
    except KeyboardInterrupt:
        studio.queue.stop(submitted.id)
        job = studio.queue.get(submitted.id)
    if not job.ended or job.state == "stopped":
        seed = getattr(recipe.request, "seed", None)
        again = "the same command" if seed is None else f"the same command with --seed {seed}"
        sys.stderr.write(f"\nStopped. What was finished is kept: {again} continues from there.\n")
        return STOPPED
    if job.state == "failed":
        raise DiffScalerError(job.sentence, job.hint)
    clip = studio.library.clip(job.result or "")
    made = studio.library.path(clip.key)
    try:
        with room_for(output.name):
            shutil.copyfile(made, part)
            os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    say.done(clip, output)
    return DONE


class Lines:
    """Progress for a person: one line that rewrites itself on a terminal, and stays quiet in a pipe."""

    def job(self, job: Job) -> None:
        show_progress(job)

    def done(self, clip: Clip, output: Path) -> None:
        show_line("")
        meta = clip.meta
        length = "" if meta.still else f", {meta.num_frames} frames, {meta.duration_s:.2f} s"
        sys.stdout.write(f"{output}: {meta.width}x{meta.height}{length}, {clip.size_bytes / 1e6:.2f} MB\n")
        for note in all_notes(clip, output):
            sys.stdout.write(f"  {note}\n")


class JsonLines:
    """Progress for a program."""

    def job(self, job: Job) -> None:
        write_json(job.event())

    def done(self, clip: Clip, output: Path) -> None:
        meta = clip.meta.model_dump(mode="json")
        write_json(
            {"state": "written", "output": str(output), "key": clip.key, "meta": meta, "notes": all_notes(clip, output)}
        )


def all_notes(clip: Clip, output: Path) -> list[str]:
    """What the file says about how it was made."""
    from diffscaler.video.probe import probe

    manifest = probe(output).manifest or {}
    return [*manifest.get("notes", []), *clip.notes]


def library(args: argparse.Namespace, settings: Settings) -> int:
    """`library list|show|rm`."""
    import time

    studio = Studio(settings)
    if args.verb == "list":
        for clip in studio.library.list(kept_only=not args.all, limit=10_000):
            if args.json:
                sys.stdout.write(json.dumps(row_of(clip)) + "\n")
            else:
                when = time.strftime("%Y-%m-%d %H:%M", time.localtime(clip.created))
                size = f"{clip.meta.width}x{clip.meta.height}"
                sys.stdout.write(f"{clip.key[:12]}  {when}  {clip.stage:<12}  {size:>9}  {clip.title}\n")
        return DONE
    clip = studio.library.clip(args.key)
    if args.verb == "rm":
        studio.remove(clip.key)
        sys.stdout.write(f"Removed {clip.key[:12]} {clip.title}\n")
    else:
        sys.stdout.write(json.dumps(row_of(clip), indent=None if args.json else 2) + "\n")
    return DONE


def row_of(clip: Clip) -> dict[str, Any]:
    from diffscaler import plan

    return {
        "key": clip.key,
        "title": clip.title,
        "stage": clip.stage,
        "meta": clip.meta.model_dump(mode="json"),
        "notes": clip.notes,
        "size_bytes": clip.size_bytes,
        "created": clip.created,
        "request": clip.request,
        "plan": plan.dump(clip.node),
    }


def run_worded(args: argparse.Namespace, settings: Settings) -> int:
    """Run a command; its failures become a sentence and a hint on stderr."""
    try:
        return int(args.run(args, settings))
    except BrokenPipeError:  # whoever read our output has gone
        return FAILED
    except (DiffScalerError, ValidationError, OSError, sqlite3.Error) as error:
        sentence, hint = worded(error)
        sys.stderr.write(f"{sentence}\n{hint}\n" if hint else f"{sentence}\n")
        if getattr(args, "json", False):
            sys.stdout.write(json.dumps({"state": "failed", "error": sentence, "hint": hint}) + "\n")
        return FAILED
