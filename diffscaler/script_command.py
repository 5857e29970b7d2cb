"""`python app.py script`: what a screenplay holds, a shot list drafted from it, and what changed since the last one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from diffscaler.delivery import place_for
from diffscaler.errors import InvalidRequest
from diffscaler.screenplay.board import Board, reimport
from diffscaler.screenplay.export.timecode import timecode_of
from diffscaler.screenplay.fdx_writer import fdx_of
from diffscaler.screenplay.fountain_writer import fountain_of
from diffscaler.screenplay.pages import eighths_of, pages_in_words, running_time_s
from diffscaler.screenplay.prompts import reduced
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.script import Script
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.shot_table import ShotList, csv_of, read_csv
from diffscaler.screenplay.shots import draft
from diffscaler.screenplay.source import decoded, read_bytes
from diffscaler.settings import Settings
from diffscaler.terminal import DONE, write_json
from diffscaler.wording import seconds_in_words

WRITERS = {".fountain": lambda script: fountain_of(script).encode(), ".fdx": fdx_of}


def add_commands(commands: Any) -> None:
    """Add this command to an argparse subparsers object; it sets `run`."""
    at = commands.add_parser("script", help="scenes and characters of a screenplay, and a shot list drafted from it")
    at.add_argument("file", type=Path, help="Fountain or Final Draft (.fdx)")
    at.add_argument("--shots", type=Path, metavar="CSV", help="write the shot list")
    at.add_argument("--since", type=Path, metavar="CSV", help="an earlier shot list: what was set in it stays")
    at.add_argument("--fps", choices=RATE_NAMES, help="frames a second of the film; 24 unless said")
    at.add_argument("--look", default="", help="words for the whole film, at the end of every prompt")
    at.add_argument("--model", help="say which words of the prompts this model was never taught")
    at.add_argument("--save", type=Path, metavar="FILE", help="write the script as .fountain or .fdx")
    at.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    at.set_defaults(run=run)


def run(args: argparse.Namespace, settings: Settings) -> int:
    script = read_script(args.file)
    files = checked(args)
    earlier = opened(args.since) if args.since else None
    if earlier and args.fps not in (None, earlier.rate):
        raise InvalidRequest(f"{args.since.name} counts at {earlier.rate} frames a second.", "Leave --fps out.")
    rate = earlier.rate if earlier else args.fps or "24"
    drafted = draft(script, rate, look=args.look)
    board = Board(drafted)
    if earlier:
        aside = orphans_of(args.since)
        board = reimport(Board(earlier.shots, opened(aside).shots if aside.exists() else ()), drafted)
    folder = model_folder(settings, args.model) if args.model else None
    if args.json:
        say_json(script, board, rate, folder)
    else:
        say(script, board, rate, folder)
    if args.save:
        written(args.save, WRITERS[args.save.suffix.lower()](script))
    if args.shots:
        written(args.shots, csv_of(ShotList(rate, board.shots)).encode("utf-8-sig"))
        aside = orphans_of(args.shots)
        if args.shots == args.since and not board.orphans:
            aside.unlink(missing_ok=True)  # all of them are back in the list
        if board.orphans:
            written(aside, csv_of(ShotList(rate, board.orphans)).encode("utf-8-sig"))
            files.append(aside)
    for path in files:
        sys.stderr.write(f"Wrote {path}\n")
    return DONE


def opened(path: Path) -> ShotList:
    """A shot list from its file. Raises ScriptError."""
    return read_csv(decoded(read_bytes(path), path.name))


def orphans_of(path: Path) -> Path:
    """Where the shots lie that left the script, beside a shot list: they come back with their text."""
    return path.with_stem(f"{path.stem}-orphans")


def checked(args: argparse.Namespace) -> list[Path]:
    """The files to write. Raises InvalidRequest for one that is there already: it may hold somebody's work."""
    if args.save and args.save.suffix.lower() not in WRITERS:
        raise InvalidRequest(f"A script cannot be written as {args.save.name}.", "Name it .fountain or .fdx.")
    files = [path for path in (args.save, args.shots) if path]
    for path in files:
        place_for(path)
        if path.exists() and path != args.since:
            raise InvalidRequest(f"{path.name} is there already.", "Name a new file; --since may be written over.")
    return files


def written(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = place_for(path)
    part.write_bytes(data)
    os.replace(part, path)


def model_folder(settings: Settings, name: str) -> Path | None:
    """The folder of a model of text to video. Raises ModelNotFound."""
    from diffscaler.studio import Studio

    return Studio(settings).catalogue.spec(name).path


def say(script: Script, board: Board, rate: str, folder: Path | None) -> None:
    """What a person reads: title, scenes, characters, shots, and what changed."""
    page = script.title_page
    title = " by ".join(part for part in (page.title, page.author) if part)
    pages = sum(eighths_of(scene) for scene in script.scenes)
    minutes = seconds_in_words(running_time_s(script))
    sys.stdout.write(f"{title}\n" if title else "")
    sys.stdout.write(f"{len(script.scenes)} scenes, {pages_in_words(pages)} pages, about {minutes} on screen\n\n")
    table(
        ("scene", "pages", "line", "heading", "who speaks"),
        (
            (scene.number, pages_in_words(eighths_of(scene)), scene.lines.first, scene.heading.slug,
             ", ".join(scene.characters))
            for scene in script.scenes
        ),
    )  # fmt: skip
    table(
        ("character", "speeches", "words", "scenes"),
        ((one.name, one.speeches, one.words, ", ".join(one.scenes)) for one in script.characters),
    )
    at, rows = 0, []
    for shot in board.shots:
        rows.append((shot.name, timecode_of(at, rate), shot.frames, shot.lines.first, shot.size,
                     "" if shot.move == "static" else shot.move, shortened(shot)))  # fmt: skip
        at += shot.frames
    table(("shot", "begins", "frames", "line", "size", "move", "what"), rows)
    names = {shot.id: shot.name for shot in board.shots}
    for shot_id, change in board.stale.items():
        sys.stdout.write(f"{names.get(shot_id, shot_id)} is stale. {change}\n")
    for shot in board.orphans:
        sys.stdout.write(f"No longer in the script: {shortened(shot)}\n")
    if folder:
        for shot in board.shots:
            if dropped := reduced(shot.prompt, folder).dropped:
                sys.stdout.write(f"{shot.name}: {folder.name} does not know {', '.join(dropped)}\n")


def say_json(script: Script, board: Board, rate: str, folder: Path | None) -> None:
    """The same for a program: scenes, characters, then shots, one a line."""
    for scene in script.scenes:
        row = {"scene": scene.number, "heading": scene.heading.slug, "eighths": eighths_of(scene)}
        write_json(row | {"first_line": scene.lines.first, "characters": scene.characters})
    for one in script.characters:
        write_json({"character": one.name, "speeches": one.speeches, "words": one.words, "scenes": one.scenes})
    for shot in board.shots:
        change = board.stale.get(shot.id)
        row = {"shot": shot.name, "id": shot.id, "rate": rate, "frames": shot.frames, "size": shot.size}
        row |= {"angle": shot.angle, "move": shot.move, "first_line": shot.lines.first, "text": shot.text}
        row |= {"prompt": shot.prompt, "stale": str(change) if change else ""}
        if folder:
            words = reduced(shot.prompt, folder)
            row |= {"drawn": words.text, "dropped": words.dropped}
        write_json(row)
    for shot in board.orphans:
        write_json({"orphan": shot.id, "text": shot.text})


def shortened(shot: Shot) -> str:
    """What a shot shows, on one line of a table."""
    said = f"{' / '.join(shot.speakers)}: {shot.text}" if shot.speakers else shot.text
    return said if len(said) <= 60 else f"{said[:59]}…"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as what is in them, numbers to the right; nothing when there are no rows."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[index]) for row in (head, *cells)) for index in range(len(head))]
    right = [all(row[index].isdecimal() for row in cells) for index in range(len(head))]
    for row in (head, *cells):
        columns = zip(row, widths, right, strict=True)
        line = "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns)
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.write("\n")
