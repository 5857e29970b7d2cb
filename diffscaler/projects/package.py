"""A film as one folder or zip: its script, its board, the shot list and its clips, for another machine or a shelf.

film.json        title, settings, cast sheet, takes with what was asked for each
board.json       every shot with its id, edits and locks; shots whose text left the script; what is stale
script.fountain  and script.fdx, where the script came from Final Draft
shots.csv        the board for a spreadsheet
clips/           the circled takes, or all
sound/           the sound of one's own that lies under it
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from diffscaler.delivery import place_for
from diffscaler.errors import ClipNotFound, DiffScalerError, InvalidRequest
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import remove_tree, room_for, safe_suffix
from diffscaler.projects.edits import shot_list
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.making import film_clips
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import BOARD, Format, Project, Role, Take
from diffscaler.requests import ClipKey, ShotRequest
from diffscaler.screenplay.fdx_writer import fdx_of

VERSION = 1
#: Of the own sound: three hours of uncompressed stereo at 48 kHz have 2 GB.
SOUND_BYTES = 4_000_000_000
Which = Literal["circled", "all"]


class PackedTake(BaseModel):
    """A take in film.json. file: its clip in the package, "" where it is not in it"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shot: str
    number: int = Field(ge=1)
    roll: int = Field(ge=1)
    draft: bool
    clip: ClipKey
    circled: bool
    created: float
    file: str = Field(max_length=300)
    request: ShotRequest


class Packed(BaseModel):
    """film.json. sound: the own sound of `film`, as it is called in the package, "" where it is not in it"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    title: str = Field(max_length=1000)
    format: Format
    film: FilmSettings
    cast: dict[str, Role]
    takes: tuple[PackedTake, ...]
    sound: str = Field("", max_length=300)


@dataclass(frozen=True)
class Piece:
    """One file of a package: bytes, or the file to copy."""

    name: str
    content: bytes | Path

    @property
    def size_bytes(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def pieces(project: Project, standing: Standing, library: ClipLibrary, which: Which) -> list[Piece]:
    """What a film's package holds. which: "circled" is the clips of the film as it stands"""
    chosen = {take.clip for take in film_clips(project, standing).values()}
    files: dict[str, Path] = {}
    takes: list[dict[str, Any]] = []
    for take in project.takes:
        name = ""
        if which == "all" or take.clip in chosen:
            path = _file_of(library, take.clip) if take.clip in standing.made else None
            if path is not None:
                name = next((known for known, at in files.items() if at == path), "")
                name = name or _unused(f"clips/{_stem(project, take)}", path.suffix, files)
                files[name] = path
        row = PackedTake(**{key: getattr(take, key) for key in PackedTake.model_fields if key != "file"}, file=name)
        takes.append(row.model_dump(mode="json"))
    table = {
        "version": VERSION, "title": project.title, "format": project.format,
        "film": project.film.model_dump(mode="json"),
        "cast": {name: vars(role) for name, role in project.cast.items()}, "takes": takes,
    }  # fmt: skip
    if sound := _sound_of(library, project.film):
        name = f"sound/{_plain(Path(project.film.sound_name).stem) or 'sound'}{safe_suffix(sound)}"
        table["sound"] = name
        files[name] = sound
    found = [
        Piece("film.json", json.dumps(table, ensure_ascii=False, indent=1).encode()),
        Piece("board.json", BOARD.dump_json(project.board, indent=1)),
        Piece("script.fountain", project.script.encode()),
        Piece("shots.csv", shot_list(project).encode("utf-8-sig")),
    ]
    if project.format == "fdx":
        found.append(Piece("script.fdx", fdx_of(project.read)))
    return found + [Piece(name, path) for name, path in files.items()]


def write_folder(found: list[Piece], folder: Path) -> Iterator[int]:
    """Write a package as a folder, whole or not at all, yielding bytes done.

    Raises InvalidRequest for a folder that holds something already, NotEnoughRoom.
    """
    _check_new(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{uuid.uuid4().hex}.part")
    done = 0
    try:
        with room_for("the film's folder"):
            part.mkdir()
            for piece in found:
                path = part / piece.name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(piece.content, bytes):
                    path.write_bytes(piece.content)
                else:
                    shutil.copyfile(piece.content, path)
                done += piece.size_bytes
                yield done
        _check_new(folder)
        if folder.exists():
            folder.rmdir()  # an empty one; Windows renames onto none
        part.rename(folder)
    finally:
        remove_tree(part)


def _check_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidRequest(f"{folder.name} is there already.", "Name a new folder.")


def write_zip(found: list[Piece], path: Path) -> Iterator[int]:
    """Write a package as a zip, whole or not at all, yielding bytes done. Raises NotEnoughRoom."""
    part = place_for(path).with_name(f"{uuid.uuid4().hex}.part")
    done = 0
    try:
        with room_for("the film's zip"), zipfile.ZipFile(part, "w") as packed:
            for piece in found:
                if isinstance(piece.content, bytes):
                    packed.writestr(piece.name, piece.content, zipfile.ZIP_DEFLATED)
                else:
                    packed.write(piece.content, piece.name, zipfile.ZIP_STORED)  # films do not get smaller
                done += piece.size_bytes
                yield done
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _file_of(library: ClipLibrary, key: str) -> Path | None:
    try:
        return library.path(key)
    except DiffScalerError:  # its file was deleted behind our back
        return None


def _sound_of(library: ClipLibrary, film: FilmSettings) -> Path | None:
    """The own sound of a film, None where it has none here or one too large to travel."""
    if not film.sound:
        return None
    try:
        path = library.file_path(film.sound)
    except ClipNotFound:  # chosen again before it is heard again
        return None
    return path if path.is_file() and path.stat().st_size <= SOUND_BYTES else None


def _stem(project: Project, take: Take) -> str:
    shot = project.shots.get(take.shot)
    name = f"{shot.name if shot else take.shot}_T{take.number:02d}{'_draft' if take.draft else ''}"
    return _plain(name) or "clip"


def _plain(name: str) -> str:
    """A name in letters that every system and every reader of zips takes."""
    return re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_")[:80]


def _unused(stem: str, suffix: str, files: dict[str, Path]) -> str:
    taken, count = {name.lower() for name in files}, 1
    name = f"{stem}{suffix}"
    while name.lower() in taken:
        count += 1
        name = f"{stem}-{count}{suffix}"
    return name
