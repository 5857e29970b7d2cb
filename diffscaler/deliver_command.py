"""`python app.py deliver`: a clip as a file for its destination, with a card of what came out."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from diffscaler.delivery import deliver, given, how_to_write, place_for
from diffscaler.errors import InvalidRequest
from diffscaler.faceswap_command import clip_of, looked_up
from diffscaler.requests import DeliverRequest, MeasureRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, write_json
from diffscaler.video.conform import Matte, RateName


def add_commands(commands: Any, add_output: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add this command to an argparse subparsers object; it sets `run`."""
    at = commands.add_parser("deliver", help="a clip as a file for its destination, without making it again")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--preset", help="a destination from presets/deliver: review-link, edit-suite, ...")
    at.add_argument("--matte", choices=get_args(Matte), help="black bars down to this shape")
    at.add_argument("--longest", type=int, help="largest side in pixels")
    at.add_argument("--rate", choices=get_args(RateName), dest="frame_rate", help="constant: no uneven frame times")
    at.add_argument("--timecode", help="of the first frame, 01:00:00:00")
    at.add_argument("--reel", help="the reel name of the timecode track")
    add_output(at)
    at.set_defaults(run=run)


def run(args: argparse.Namespace, settings: Settings) -> int:
    from diffscaler.presets import preset

    studio = Studio(settings)
    values = preset(settings, "deliver", args.preset) if args.preset else {}
    asked = how_to_write(args)
    if args.preset and not args.encoding:
        asked.pop("encoding", None)  # the destination knows its format
    if "quality" in asked or "encoding" in asked:
        values.pop("bitrate_mbps", None)
    if "bitrate_mbps" in asked or "encoding" in asked:
        values.pop("quality", None)
    values |= asked | given(args, "matte", "longest", "frame_rate", "timecode", "reel")
    request = DeliverRequest(clip=clip_of(studio, args.clip).key, **values)
    folder: Path | None = None
    if request.encoding == "pictures" and not args.output.suffix:
        folder = args.output
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidRequest(f"{folder.name} is there already.", "Name a new or an empty folder.")
        args.output = folder.with_name(f".{uuid.uuid4().hex[:8]}.zip")
        place_for(args.output)
    try:
        if code := deliver(studio, request, args):
            return code
        if folder is not None and args.output.exists():
            from diffscaler.video.sequence import unpack

            unpack(args.output, folder)
    finally:
        if folder is not None:
            args.output.unlink(missing_ok=True)
    if not args.dry_run and folder is None and args.output.suffix.lower() != ".zip":
        show_card(studio, request, args)
    return DONE


def show_card(studio: Studio, request: DeliverRequest, args: argparse.Namespace) -> None:
    """Measure what was written and print the figures."""
    from diffscaler.video.measure import Figures, card, file_facts

    key = studio.recipe(request).root.key
    with looked_up(studio, MeasureRequest(clip=key), args) as (_, chunks):
        figures = Figures.read(next(iter(chunks)).tensors)
    rows = card(file_facts(args.output), figures)
    if args.json:
        write_json({"state": "measured", "card": rows})
        return
    for name, text in rows.items():
        sys.stdout.write(f"  {name:<11} {text}\n")
