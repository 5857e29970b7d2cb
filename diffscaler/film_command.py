"""`python app.py film`: a screenplay becomes an animatic, a clip of every shot, and a cut for the edit suite."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from diffscaler.errors import InvalidRequest
from diffscaler.film.choice import scenes_in, takes_in
from diffscaler.film.folder import FilmFolder
from diffscaler.film.making import FilmStopped, TimeLeft, made_before, make, seconds_to_make
from diffscaler.film.report import FilmReport, shot_notes
from diffscaler.models.catalogue import CatalogueOnce
from diffscaler.recipe_parts import Recipe
from diffscaler.recipes import Recipes
from diffscaler.requests import AnimaticRequest, EncodingName
from diffscaler.screenplay.compile import CompiledShot, Film, Shape, compiled
from diffscaler.screenplay.export.cut import START, cut_of
from diffscaler.screenplay.export.timecode import frame_of
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shots import draft
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, STOPPED

#: Not a clip one cuts with.
NO_CLIPS = ("gif", "pictures")
CLIPS = tuple(name for name in get_args(EncodingName) if name not in NO_CLIPS)


def add_commands(commands: Any) -> None:
    """Add this command to an argparse subparsers object; it sets `run`."""
    at = commands.add_parser("film", help="a screenplay as an animatic, with a clip of every shot and a cut")
    at.add_argument("file", type=Path, help="Fountain or Final Draft (.fdx)")
    at.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write the film")
    at.add_argument("--model", default="mini", help="who draws; mini unless said")
    at.add_argument("--fps", choices=RATE_NAMES, default="24", help="frames a second of the film; 24 unless said")
    at.add_argument("--size", type=size_of, default=(640, 360), metavar="WxH", help="pixels; 640x360 unless said")
    at.add_argument("--shape", choices=get_args(Shape), default="auto", help="of what is drawn: the film's or the "
                    "model's own, which gets bars; auto: the film's, but for small models such as mini")  # fmt: skip
    at.add_argument("--look", default="", help="words for the whole film, at the end of every prompt")
    at.add_argument("--scenes", metavar="1-3,5", help="these alone")
    at.add_argument("--take", action="append", default=[], metavar="SHOT:N", help="another take of a shot: SC1_SH010:2")
    at.add_argument("--draft", action="store_true", help="half the steps, and of a large model half the pixels")
    at.add_argument("--smooth", action="store_true", help="draw frames between those of the model")
    at.add_argument("--burn-in", action="store_true", help="shot, take and timecode in the animatic's picture")
    at.add_argument("--timecode", default=START, help=f"of the first frame; {START} unless said")
    at.add_argument("--encoding", choices=CLIPS, default="auto", help="of the clips; the animatic is H.264")
    at.add_argument("--dry-run", action="store_true", help="only say what it will take and write the shot list")
    at.add_argument("--json", action="store_true", help="one JSON event a line on stdout")
    at.set_defaults(run=run)


def size_of(text: str) -> tuple[int, int]:
    """ "640x360" as pixels. Raises ArgumentTypeError."""
    width, _, height = text.lower().partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) != 2 or not all(64 <= side <= 8192 and side % 2 == 0 for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x360: even sides of 64 to 8192 pixels")
    return sides[0], sides[1]


def run(args: argparse.Namespace, settings: Settings) -> int:
    script = read_script(args.file)
    frame_of(args.timecode, args.fps)
    studio = Studio(settings)
    model = studio.catalogue.spec(args.model, "text2video")
    folder = FilmFolder(args.output)
    folder.prepare()
    board = folder.board(draft(script, args.fps, look=args.look), args.fps)
    numbers = [scene.number for scene in script.scenes]
    wanted = scenes_in(args.scenes, numbers) if args.scenes is not None else frozenset(numbers)
    film = Film(
        model, args.fps, *args.size, draft=args.draft, smooth=args.smooth, shape=args.shape,
        takes=takes_in(args.take, board.shots), encoding=args.encoding,
    )  # fmt: skip
    shots = [compiled(shot, film) for shot in board.shots if shot.scene in wanted]
    if not shots:
        raise InvalidRequest("These scenes have no shot.", "Choose others.")
    plans = Recipes(studio.library, CatalogueOnce(settings))
    recipes = [plans.of(shot.request) for shot in shots]
    folder.write_shots(board, args.fps)
    report = FilmReport(args.json, len(shots))
    predicted = [seconds_to_make(studio, recipe) for recipe in recipes]
    ready = sum(made_before(studio, recipe) is not None for recipe in recipes)
    report.planned(sum(shot.shot.frames for shot in shots), args.fps, ready, sum(predicted))
    if args.dry_run:
        for number, (shot, recipe) in enumerate(zip(shots, recipes, strict=True), 1):
            report.shot(number, shot.shot, None, shot_notes(shot, recipe, model.name), 0)
        return DONE
    try:
        return made_film(args, studio, folder, report, shots, recipes, TimeLeft(predicted),
                         script.title_page.title or args.file.stem)  # fmt: skip
    except (FilmStopped, KeyboardInterrupt):
        report.stopped()
        return STOPPED


def made_film(
    args: argparse.Namespace,
    studio: Studio,
    folder: FilmFolder,
    report: FilmReport,
    shots: Sequence[CompiledShot],
    recipes: Sequence[Recipe],
    left: TimeLeft,
    title: str,
) -> int:
    """Draw what is not there, join it, and write the film. Raises FilmStopped."""
    files = folder.names((shot.shot for shot in shots), studio.suffix_of(recipes[0]))
    keys: list[str] = []
    for index, (shot, recipe) in enumerate(zip(shots, recipes, strict=True)):
        began, clip = time.monotonic(), made_before(studio, recipe)
        before = clip is not None
        if clip is None:
            behind = left.behind(index)
            clip = make(studio, recipe, lambda job, n=index + 1, more=behind: report.job(n, job, more))
        left.done(index, time.monotonic() - began)
        folder.put(studio.library.path(clip.key), files[shot.shot.id])
        keys.append(clip.key)
        report.shot(index + 1, shot.shot, before, shot_notes(shot, recipe, args.model), left.behind(index))
    asked = AnimaticRequest(
        title=title[:200],
        clips=tuple(keys),
        labels=tuple(shot.label for shot in shots) if args.burn_in else (),
        rate=args.fps,
        timecode=args.timecode,
    )
    recipe = studio.recipe(asked)
    clip = made_before(studio, recipe) or make(studio, recipe, lambda job: report.job(len(shots), job, 0))
    animatic = folder.root / "animatic.mp4"
    folder.put(studio.library.path(clip.key), animatic)
    cut = cut_of(
        title, args.fps, (shot.shot for shot in shots), files, start=args.timecode, width=args.size[0],
        height=args.size[1],
    )  # fmt: skip
    clip_frames = {files[shot.shot.id]: shot.shot.frames for shot in shots}
    cut = replace(cut, events=tuple(replace(event, clip_frames=clip_frames[event.clip]) for event in cut.events))
    written = (folder.shot_list, *folder.write_cut(cut))
    report.written(animatic, clip.meta, written)
    sys.stdout.flush()
    return DONE
