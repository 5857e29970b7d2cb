"""`python app.py film`: a screenplay becomes an animatic, a clip of every shot, and a cut for the edit suite."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, cast, get_args

from diffscaler.errors import InvalidRequest
from diffscaler.film.animatic import placed
from diffscaler.film.boards.panels import BoardPages, panels_of
from diffscaler.film.boards.write import BoardName, write_boards
from diffscaler.film.cards import Cards, with_cards
from diffscaler.film.choice import scenes_in, takes_in
from diffscaler.film.delivering import FilmDelivery, FilmFacts, OwnSound
from diffscaler.film.folder import FilmFolder
from diffscaler.film.making import FilmStopped, TimeLeft, made_before, seconds_to_make
from diffscaler.film.media_folder import MediaName
from diffscaler.film.report import FilmReport, shot_notes
from diffscaler.film.sound_choice import SpeechChoice, heard, sound_start
from diffscaler.models.catalogue import CatalogueOnce
from diffscaler.recipes import Recipes
from diffscaler.requests import EncodingName
from diffscaler.requests.film import LANGUAGE
from diffscaler.screenplay.compile import Film, Shape, compiled_film
from diffscaler.screenplay.export.cut import START
from diffscaler.screenplay.export.timecode import frame_of
from diffscaler.screenplay.people import introductions
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shots import draft
from diffscaler.screenplay.transitions import DISSOLVE_S
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
    at.add_argument("--dissolve", type=seconds_of, default=DISSOLVE_S, metavar="SECONDS", help="of the script's "
                    f"dissolves and fades; {DISSOLVE_S} unless said, 0: cuts alone")  # fmt: skip
    at.add_argument("--cards", choices=get_args(Cards), default="none", help="before every scene, or every shot too")
    at.add_argument("--burn-in", action="store_true", help="shot, take and timecode in the animatic's picture")
    at.add_argument("--burn-subtitles", action="store_true", help="what is said in the picture; else a text track")
    at.add_argument("--speech", choices=get_args(SpeechChoice), default="auto", help="auto: dialogue is spoken where "
                    "espeak-ng is installed")  # fmt: skip
    at.add_argument("--language", type=language_of, default="en", help="of the dialogue, as espeak-ng names it")
    at.add_argument("--audio", type=Path, metavar="FILE", help="a sound file to lay under the animatic")
    at.add_argument("--audio-at", default="0", metavar="TIME", help="where it begins: seconds, or a timecode")
    at.add_argument("--audio-track", choices=("mixed", "own"), default="mixed", help="mixed with the dialogue, or a "
                    "track of its own")  # fmt: skip
    at.add_argument("--timecode", default=START, help=f"of the first frame; {START} unless said")
    at.add_argument("--encoding", choices=CLIPS, default="auto", help="of the clips; the animatic is H.264")
    at.add_argument("--media", choices=get_args(MediaName), help="clips for the edit suite as well, with timecode and "
                    "reel; the cut names these")  # fmt: skip
    at.add_argument("--board", type=boards_in, default=(), metavar="pdf,html,sheet", help="the shots on paper")
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


def seconds_of(text: str) -> float:
    """ "0.5" as seconds. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of a dissolve: seconds, 0 to 10")
    return seconds


def language_of(text: str) -> str:
    """A language's short name. Raises ArgumentTypeError."""
    if not re.match(LANGUAGE, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no language's short name: en, de, pt-br")
    return text


def boards_in(text: str) -> tuple[BoardName, ...]:
    """ "pdf,html" as names. Raises ArgumentTypeError."""
    names = tuple(name.strip() for name in text.lower().split(",") if name.strip())
    if not names or any(name not in get_args(BoardName) for name in names):
        raise argparse.ArgumentTypeError(f"{text!r}: choose among {', '.join(get_args(BoardName))}")
    return cast("tuple[BoardName, ...]", names)


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
        takes=takes_in(args.take, board.shots), encoding=args.encoding, dissolve_s=args.dissolve,
    )  # fmt: skip
    compiled = compiled_film(board.shots, film, wanted)
    if not compiled:
        raise InvalidRequest("These scenes have no shot.", "Choose others.")
    title = script.title_page.title or args.file.stem
    compiled = with_cards(compiled, args.cards, film, title, {scene.number: scene for scene in script.scenes})
    shots = placed(compiled, board.shots)
    speaker, own = heard(args.speech), own_sound(args, studio)
    plans = Recipes(studio.library, CatalogueOnce(settings))
    recipes = [plans.of(shot.compiled.request) for shot in shots]
    folder.write_shots(board, args.fps)
    report = FilmReport(args.json, len(shots))
    predicted = [seconds_to_make(studio, recipe) for recipe in recipes]
    ready = sum(made_before(studio, recipe) is not None for recipe in recipes)
    report.planned(sum(shot.shot.frames for shot in shots), args.fps, ready, sum(predicted))
    facts = FilmFacts(title, args.fps, args.timecode, *args.size, model.name, introductions(script))
    pages = BoardPages(title, script.title_page.author, args.fps, {scene.number: scene for scene in script.scenes})
    shape = args.size[0] / args.size[1]
    if args.dry_run:
        for number, (shot, recipe) in enumerate(zip(shots, recipes, strict=True), 1):
            report.shot(number, shot.shot, None, shot_notes(shot.compiled, recipe, model.name), 0)
        write_boards(args.board, folder, pages, panels_of(shots, {}, report.note), shape, report.note)
        return DONE
    delivery = FilmDelivery(studio, folder, report, facts)
    try:
        keys, files = delivery.draw(shots, recipes, TimeLeft(predicted))
        cut = delivery.cut(shots, files)
        animatic, clip, sound = delivery.animatic(
            shots, keys, cut, speaker, own, args.burn_in, args.burn_subtitles, args.language
        )
        cut = delivery.media(shots, keys, args.media) if args.media else cut
    except (FilmStopped, KeyboardInterrupt):
        report.stopped()
        return STOPPED
    written = [folder.shot_list, *folder.write_cut(cut)]
    pictures = {shot.shot.id: file for shot, file in zip(shots, files, strict=True)}
    written += write_boards(args.board, folder, pages, panels_of(shots, pictures, report.note), shape, report.note)
    report.written(animatic, clip.meta, sound, written)
    sys.stdout.flush()
    return DONE


def own_sound(args: argparse.Namespace, studio: Studio) -> OwnSound | None:
    """The sound file that was given. Raises MediaError, InvalidRequest, ScriptError."""
    if args.audio is None:
        return None
    at = sound_start(args.audio_at, args.timecode, args.fps)
    return OwnSound(studio.library.add_sound(args.audio), args.audio.name, at, args.audio_track)
