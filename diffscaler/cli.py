"""The studio from the command line: the same requests as the page.

Exit codes: 0 done, 1 failed (a sentence and a hint on stderr), 2 usage, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from diffscaler import (
    deliver_command,
    faceswap_command,
    film_command,
    films_command,
    models_command,
    script_command,
)
from diffscaler.delivery import JsonLines, Lines, carry_out, deliver, given, how_to_write, place_for
from diffscaler.errors import DiffScalerError
from diffscaler.faceswap_command import clip_of
from diffscaler.library.clips import Clip
from diffscaler.requests import (
    AspectName,
    ControlKind,
    EncodingName,
    Region,
    SamplerName,
    Text2VideoRequest,
    UpscaleRequest,
    region_from,
)
from diffscaler.sampling_choices import takes
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, FAILED
from diffscaler.terminal import USAGE as USAGE
from diffscaler.wording import worded


def add_commands(commands: Any) -> None:
    """Add every command but serve, test and their like to an argparse subparsers object; each sets `run`."""
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
    at.add_argument("--control-kind", choices=get_args(ControlKind), help="what the ControlNet reads; none: as it is")
    at.add_argument("--annotator", help="the model that reads depth or poses, when there are several")
    at.add_argument("--control-scale", type=float, help="how closely, 0.05 to 2")
    at.add_argument("--loras", help="names with strengths: noir:0.7,anna")
    at.add_argument("--reuse", choices=("off", "some", "much"), help="use results of steps twice: faster, less exact")
    at.add_argument("--free-init", type=int, metavar="N", help="0 to 5 passes that refine the motion, each as long")
    at.add_argument("--free-init-filter", choices=("butterworth", "gaussian"), help="how coarse is cut from fine")
    at.add_argument("--smooth-background", type=float, help="0 to 1: how much of it all frames take from the first")
    at.add_argument("--foreground", help="a segmentation model that tells what is in front, with --smooth-background")
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
    at.add_argument("--fps-times", type=int, choices=(1, 2, 4), help="so many times the frame rate")
    at.add_argument("--interpolator", metavar="NAME", help="what draws the frames between: flow, tsr, or a file's name")
    at.set_defaults(run=generate)

    faceswap_command.add_commands(commands, add_output)

    at = commands.add_parser("upscale", help="a larger clip or picture")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--scale", type=scale_of, choices=SCALES, help="times larger, or as large as fits; 4 unless said")
    at.add_argument("--fps-times", type=int, choices=(1, 2, 4), help="so many times the frame rate")
    at.add_argument("--interpolator", metavar="NAME", help="what draws the frames between: flow, tsr, or a file's name")
    at.add_argument("--upscaler")
    at.add_argument(
        "--denoise-strength", type=float, metavar="0..1", help="for a model with a -wdn sibling; 1 unless said"
    )
    at.add_argument("--tile", type=int)
    at.add_argument("--region", type=region_of, metavar="X,Y,WIDTH,HEIGHT", help="try it on a part of the picture")
    at.add_argument("--from", type=float, dest="start_s", metavar="SECOND", help="try it on a part of the clip")
    at.add_argument("--length", type=float, dest="length_s", metavar="SECONDS", help="of the trial; 1 unless said")
    add_output(at)
    at.set_defaults(run=upscale)

    deliver_command.add_commands(commands, add_output)

    at = commands.add_parser("library", help="what was made, and how")
    verbs = at.add_subparsers(dest="verb", required=True)
    row = verbs.add_parser("list")
    row.add_argument("--all", action="store_true", help="stage results too")
    row.add_argument("--json", action="store_true")
    row = verbs.add_parser("keep", help="write the finished frames of a job that was stopped")
    row.add_argument("job")
    row.add_argument("-o", "--output", type=Path, required=True)
    row.add_argument("--json", action="store_true")
    for verb in ("show", "rm"):
        row = verbs.add_parser(verb)
        row.add_argument("key")
        row.add_argument("--json", action="store_true")
    at.set_defaults(run=library)

    models_command.add_commands(commands)
    script_command.add_commands(commands)
    film_command.add_commands(commands)
    films_command.add_commands(commands)


def add_output(at: argparse.ArgumentParser) -> None:
    at.add_argument("-o", "--output", type=Path, required=True, help="where to write the result")
    at.add_argument("--encoding", choices=get_args(EncodingName))
    at.add_argument("--quality", type=int, help="lower is better and larger (crf)")
    at.add_argument("--bitrate", type=float, dest="bitrate_mbps", help="megabits per second to aim at instead")
    at.add_argument("--dry-run", action="store_true", help="only say what it will take: time, memory, disk")
    at.add_argument("--json", action="store_true", help="one JSON event a line on stdout")


SCALES = get_args(UpscaleRequest.model_fields["scale"].annotation)


def scale_of(text: str) -> int | str:
    """What stands for a scale: a number as such, a target by its name in any case."""
    names = {str(scale).lower(): scale for scale in SCALES}
    return names.get(text.lower(), text)


def region_of(text: str) -> Region:
    """ "10,20,320,180": left, top, width, height. Raises ArgumentTypeError."""
    try:
        return region_from(text)
    except ValueError as error:  # pydantic's is one
        said = f"{text!r} is not x,y,width,height in pixels; 16 a side is the least"
        raise argparse.ArgumentTypeError(said) from error


def generate(args: argparse.Namespace, settings: Settings) -> int:
    from diffscaler.presets import preset

    studio = Studio(settings)
    names = ("model", "negative_prompt", "num_frames", "width", "height", "num_inference_steps", "guidance_scale",
             "seconds", "aspect", "scheduler", "loras", "reuse", "controlnet", "control_kind", "annotator",
             "control_scale", "strength", "ip_adapter", "reference_scale", "guidance_rescale",
             "shared_noise", "free_init", "free_init_filter", "smooth_background", "foreground")  # fmt: skip
    values = preset(settings, "text2video", args.preset) if args.preset else {}
    values |= given(args, *names, "seed", "consent", "scale", "upscaler", "fps_times", "interpolator") | how_to_write(
        args
    )
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


def upscale(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    names = (
        "scale",
        "fps_times",
        "interpolator",
        "upscaler",
        "denoise_strength",
        "tile",
        "region",
        "start_s",
        "length_s",
    )
    values = given(args, *names) | how_to_write(args)
    return deliver(studio, UpscaleRequest(clip=clip_of(studio, args.clip).key, **values), args)


def photos(studio: Studio, paths: list[Path]) -> tuple[str, ...]:
    return tuple(studio.add_file(path).key for path in paths)


def library(args: argparse.Namespace, settings: Settings) -> int:
    """`library list|show|rm|keep`."""
    import time

    studio = Studio(settings)
    if args.verb == "keep":
        part = place_for(args.output)
        job = studio.keep_finished(args.job)
        return carry_out(studio, job, args.output, part, JsonLines() if args.json else Lines())
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
