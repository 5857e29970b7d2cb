"""`python app.py films`: the films of the Storyboard tab: listed, renamed, taken out of the list, saved and opened."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.projects import edits, making
from diffscaler.projects.making import standing_of
from diffscaler.projects.package import pieces, write_folder, write_zip
from diffscaler.projects.store import Listed
from diffscaler.projects.unpack import is_package, open_package
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, FAILED, show_line
from diffscaler.wording import bytes_in_words


def add_commands(commands: Any) -> None:
    """Add this command to an argparse subparsers object; its subcommands set `run`."""
    top = commands.add_parser("films", help="films of the Storyboard tab: list, rename, rm, back, save, open")
    acts = top.add_subparsers(dest="act", required=True, metavar="ACT")
    at = acts.add_parser("list", help="every film, the one changed last first")
    at.add_argument("--removed", action="store_true", help="those taken out of the list instead")
    at.set_defaults(run=list_films)
    at = acts.add_parser("rename", help="another title for a film")
    at.add_argument("film", help="its title, or its id from the list")
    at.add_argument("title", help="the new one")
    at.set_defaults(run=rename)
    at = acts.add_parser("rm", help="take a film out of the list; its clips stay, and `films back` brings it back")
    at.add_argument("film", help="its title, or its id from the list")
    at.add_argument("--yes", action="store_true", help="do not ask")
    at.set_defaults(run=remove)
    at = acts.add_parser("back", help="a film that was taken out of the list, in it again")
    at.add_argument("film", help="its title, or its id from `films list --removed`")
    at.set_defaults(run=put_back)
    at = acts.add_parser("save", help="a film as a folder, or as a zip when the name ends in .zip")
    at.add_argument("film", help="its title, or its id from the list")
    at.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER|ZIP")
    at.add_argument("--all-takes", action="store_true", help="every take that is made, not only those in the film")
    at.set_defaults(run=save)
    at = acts.add_parser("open", help="a saved film, into this studio")
    at.add_argument("path", type=Path, metavar="FOLDER|ZIP")
    at.set_defaults(run=open_film)


def list_films(args: argparse.Namespace, settings: Settings) -> int:
    for film in Studio(settings).projects.list(removed=args.removed):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(film.changed))
        sys.stdout.write(f"{film.id}  {when}  {film.title}\n")
    return DONE


def rename(args: argparse.Namespace, settings: Settings) -> int:
    films = Studio(settings).projects
    film = films.change(_named(films.list(), args.film).id, lambda film: edits.rename(film, args.title))
    sys.stdout.write(f"{film.id}  {film.title}\n")
    return DONE


def remove(args: argparse.Namespace, settings: Settings) -> int:
    """Ask, then take it out of the list; what is drawn for it is stopped."""
    studio = Studio(settings)
    film = _named(studio.projects.list(), args.film)
    if not args.yes:
        if not sys.stdin.isatty():
            raise InvalidRequest(f"This would take {film.title!r} out of the list.", "Say --yes to do it.")
        sys.stderr.write(f"Take {film.title!r} out of the list? Its clips stay in the library. [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.stderr.write("It stays.\n")
            return FAILED
    removed = making.remove(studio, film.id)
    sys.stdout.write(f"{removed.title} is out of the list; its clips stay in the library.\n")
    sys.stdout.write(f"To have it back: python app.py films back {removed.id}\n")
    return DONE


def put_back(args: argparse.Namespace, settings: Settings) -> int:
    films = Studio(settings).projects
    film = films.put_back(_named(films.list(removed=True), args.film).id)
    sys.stdout.write(f"{film.id}  {film.title}\n")
    return DONE


def save(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    film = studio.projects.get(_named(studio.projects.list(), args.film).id)
    which = "all" if args.all_takes else "circled"
    found = pieces(film, standing_of(studio, film), studio.library, which)
    whole = sum(piece.size_bytes for piece in found)
    write = write_zip if args.output.suffix.lower() == ".zip" else write_folder
    for done in write(found, args.output):
        show_line(f"{bytes_in_words(done)} of {bytes_in_words(whole)}")
    show_line("")
    clips = sum(piece.name.startswith("clips/") for piece in found)
    sys.stdout.write(f"{args.output}: {film.title}, {clips} clips, {bytes_in_words(whole)}\n")
    return DONE


def open_film(args: argparse.Namespace, settings: Settings) -> int:
    if not is_package(args.path):
        raise InvalidRequest(f"{args.path.name} is no film saved by the studio.", "Name its folder or zip.")
    studio = Studio(settings)
    opened = open_package(args.path, studio.library)
    film = studio.projects.add(opened.project)
    sys.stdout.write(f"{film.id}  {film.title}: {len(film.board.shots)} shots, {len(film.takes)} takes\n")
    for name in opened.unread:
        sys.stderr.write(f"{name} could not be read; its take can be made again.\n")
    if opened.silent:
        sys.stderr.write(f"{opened.silent} could not be read; choose the sound again.\n")
    return DONE


def _named(films: list[Listed], name: str) -> Listed:
    """Raises InvalidRequest when no film is called so, or several are."""
    found = [film for film in films if film.id == name]
    found = found or [film for film in films if film.title.casefold() == name.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidRequest(f"{len(found)} films are called {name!r}.", f"Say {' or '.join(one.id for one in found)}.")
    known = ", ".join(film.title for film in films) or "none yet"
    raise InvalidRequest(f"There is no film {name!r}.", f"There are: {known}.")
