"""A film of the Storyboard tab as files to take along, written by what `python app.py film` writes with."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from diffscaler.delivery import place_for
from diffscaler.errors import ClipNotFound, InvalidRequest, ModelNotFound
from diffscaler.film.animatic import Placed
from diffscaler.film.boards.panels import BoardPages, Panel, panels_of
from diffscaler.film.boards.write import BoardName, write_boards
from diffscaler.film.delivering import FilmDelivery, FilmFacts, OwnSound, Report
from diffscaler.film.folder import FilmFolder
from diffscaler.film.sound_choice import heard, sound_start
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import remove_tree
from diffscaler.projects.as_made import AsMade, as_made, outdated_in_words, scenes_of
from diffscaler.projects.asking import Asking
from diffscaler.projects.making import asking_of, standing_of
from diffscaler.projects.package import Piece, Which, pieces, write_zip
from diffscaler.projects.project import Project, appearances
from diffscaler.requests import Request
from diffscaler.screenplay.export.cut import START
from diffscaler.studio import Studio

MediaChoice = Literal["clips", "prores", "dnxhr", "mp4"]
Item = Literal["animatic", "cut", "pdf", "html", "sheet", "list", "film", "everything"]
BOARDS: tuple[BoardName, ...] = ("pdf", "html", "sheet")
PACKAGES: tuple[tuple[Item, Which], ...] = (("film", "circled"), ("everything", "all"))

#: Names of what is not finished: a folder that is being filled, a zip or a copy on its way.
_WORK = re.compile(r"\.[0-9a-f]{8}(\.part)?|[0-9a-f]{32}\.part")
LEFT_S = 24 * 3600.0

#: What comes behind the film's name, and the files of it.
Found = tuple[str, list[Piece]]


class Wanted(Request):
    """What to write. media: how the cut's clips are written, "clips" for as they are; one_zip: all of it in one"""

    items: tuple[Item, ...] = Field(("animatic",), title="What")
    media: MediaChoice = Field(
        "clips", title="Clips of the cut", description="For an edit suite: from before compression, with timecode."
    )
    one_zip: bool = Field(False, title="All in one zip")


@dataclass(frozen=True)
class Delivered:
    """files: to download; animatic: the key of its clip, "" where none was asked for; said: what to know of them"""

    files: tuple[Path, ...] = ()
    animatic: str = ""
    said: tuple[str, ...] = ()


class Teller(Report, Protocol):
    """Who is told how far it is; stops it by raising FilmStopped."""

    def part(self, what: str, fraction: float) -> None: ...


@dataclass
class FilmFiles:
    """Writes what is wanted of a film into the folder it has in the studio. name: what the files are called"""

    studio: Studio
    project: Project
    wanted: Wanted
    teller: Teller
    said: list[str] = field(default_factory=list[str])
    animatic: str = ""

    def write(self) -> Delivered:
        """Files are there whole or not at all; a film that was stopped goes on with what the library keeps.

        Raises FilmStopped, InvalidRequest when no shot is made or its clips fit no more, DiffScalerError, OSError.
        """
        if not self.wanted.items:
            raise InvalidRequest("Nothing was chosen.", "Say what to write.")
        target = self.studio.projects.folder(self.project.id)
        target.mkdir(parents=True, exist_ok=True)
        sweep(target)
        folder = FilmFolder(target / f".{uuid.uuid4().hex[:8]}")
        try:
            folder.prepare()
            found = list(self._made(folder))
            files = self._one_zip(found, target) if self.wanted.one_zip else self._each(found, target)
            return Delivered(tuple(files), self.animatic, tuple(self.said))
        finally:
            remove_tree(folder.root)

    @property
    def name(self) -> str:
        return re.sub(r"[^\w -]+", "_", self.project.title, flags=re.ASCII).strip(" _")[:100] or "film"

    # -- what is made -------------------------------------------------------------------------------------------------

    def _made(self, folder: FilmFolder) -> Iterator[Found]:
        """Everything wanted."""
        wanted, film = self.wanted.items, self.project
        standing = standing_of(self.studio, film)
        made = as_made(film, standing) if {*BOARDS, "animatic", "cut"} & set(wanted) else None
        outdated: dict[str, str] = {}
        if made is not None:
            outdated = made.outdated(self._asking())
            self.said += made.notes() if {"animatic", "cut"} & set(wanted) else ()
            self.said += outdated_in_words(film.board.shots, outdated)
        if {"list", "cut"} & set(wanted):
            folder.write_shots(film.board, film.film.rate)
        if "list" in wanted:
            yield " shots", [Piece("shots.csv", folder.shot_list)]
        if made is not None and (boards := [name for name in BOARDS if name in wanted]):
            yield from self._boards(folder, made, boards, outdated)
        if made is not None and {"animatic", "cut"} & set(wanted):
            yield from self._film(folder, made)
        for item, which in PACKAGES:
            if item in wanted:
                yield " all takes" if which == "all" else "", pieces(film, standing, self.studio.library, which)

    def _asking(self) -> Asking | None:
        """None where the film's model is not installed: what its script says otherwise is known all the same."""
        with suppress(ModelNotFound):
            return asking_of(self.studio, self.project)
        return None

    def _film(self, folder: FilmFolder, made: AsMade) -> Iterator[Found]:
        film, library = self.project, self.studio.library
        if not made.shots:
            raise InvalidRequest("No shot of this film is made yet.", "Press Preview first.")
        at = film.film
        sound = own_sound(film, library) if "animatic" in self.wanted.items else None
        facts = FilmFacts(film.title, at.rate, START, at.width, at.height, at.model, appearances(film))
        delivery = FilmDelivery(self.studio, folder, self.teller, facts)
        shots = made.cut(at.cards)
        keys = delivery.complete(shots, made.clips)
        if "animatic" in self.wanted.items:
            cut = delivery.cut(shots, [library.path(key) for key in keys])
            speaker = heard(at.speech, off="speech is switched off")
            path, clip, told = delivery.animatic(
                shots, keys, cut, speaker, sound, at.burn_in, at.burn_subtitles, at.language
            )
            self.animatic = clip.key
            self.said.append(told)
            yield " animatic", [Piece(path.name, path)]
        if "cut" in self.wanted.items:
            yield " cut", self._cut(delivery, folder, shots, keys)

    def _cut(
        self, delivery: FilmDelivery, folder: FilmFolder, shots: Sequence[Placed], keys: Sequence[str]
    ) -> list[Piece]:
        if self.wanted.media == "clips":
            files: list[Path] = []
            for file in delivery.copies(shots, keys):
                files.append(file)
                self.teller.part("Copying clips", len(files) / len(shots))
            cut = delivery.cut(shots, files)
        else:
            cut = delivery.media(shots, keys, self.wanted.media)
        written = [folder.shot_list, *folder.write_cut(cut, moves=True), *(event.clip for event in cut.events)]
        return _pieces(folder, written)

    def _boards(
        self, folder: FilmFolder, made: AsMade, names: Sequence[BoardName], outdated: Mapping[str, str]
    ) -> Iterator[Found]:
        film, shots, panels = self.project, made.board(), list[Panel]()
        paths = {shot: self.studio.library.path(clip) for shot, clip in made.clips.items()}
        for number, shot in enumerate(shots, 1):
            (panel,) = panels_of([shot], paths, self.said.append)
            panels.append(replace(panel, outdated=outdated.get(shot.shot.id, "")))
            self.teller.part("Boards", number / len(shots))
        script = film.read
        pages = BoardPages(film.title, script.title_page.author, film.film.rate, scenes_of(film))
        for name in names:
            files = write_boards([name], folder, pages, panels, film.film.width / film.film.height, self.said.append)
            self.teller.part("Boards", 1.0)
            yield " contact sheets" if name == "sheet" else " board", _pieces(folder, files)

    # -- as downloads -------------------------------------------------------------------------------------------------

    def _each(self, found: Sequence[Found], target: Path) -> list[Path]:
        """A file that is alone is moved; those of several are packed before that, as the shot list lies in both."""
        names = [target / f"{self.name}{ending}.zip" for ending, _ in found]
        alone = {at: one for at, (_, files) in enumerate(found) if len(files) == 1
                 if isinstance(one := files[0].content, Path)}  # fmt: skip
        for at, (_, files) in enumerate(found):
            if at not in alone:
                _packed(files, names[at], self.teller.part)
        for at, made in alone.items():
            names[at] = names[at].with_suffix(made.suffix)
            os.replace(made, names[at])
        return names

    def _one_zip(self, found: Sequence[Found], target: Path) -> list[Path]:
        """A folder as the command writes it, with the packed film in a folder of its own; nothing is in it twice."""
        every: dict[str, Piece] = {}
        for ending, files in found:
            below = "all takes/" if ending == " all takes" else "film/" if not ending else ""
            every |= {below + piece.name: Piece(below + piece.name, piece.content) for piece in files}
        path = target / f"{self.name} delivered.zip"
        _packed(list(every.values()), path, self.teller.part)
        return [path]


def sweep(target: Path) -> None:
    """Remove what was left in a film's folder by writing that ended with the studio itself, a day ago or more: what is
    younger may be written just now."""
    for left in target.iterdir():
        if _WORK.fullmatch(left.name) and time.time() - left.stat().st_mtime > LEFT_S:
            remove_tree(left)


def own_sound(project: Project, library: ClipLibrary) -> OwnSound | None:
    """The sound that was laid under a film. Raises InvalidRequest when it is not in this studio, ScriptError."""
    film = project.film
    if not film.sound:
        return None
    try:
        library.file_path(film.sound)
    except ClipNotFound as error:
        raise InvalidRequest(
            f"{film.sound_name or 'The own sound'} is not in this studio.", "Choose the file again, or take it away."
        ) from error
    at = sound_start(film.sound_at, START, film.rate)
    return OwnSound(film.sound, film.sound_name, at, film.sound_track)


def _pieces(folder: FilmFolder, files: Sequence[Path]) -> list[Piece]:
    return [Piece(path.relative_to(folder.root).as_posix(), path) for path in files]


def _packed(found: list[Piece], path: Path, tell: Callable[[str, float], None]) -> None:
    place_for(path)
    whole, packing = max(1, sum(piece.size_bytes for piece in found)), write_zip(found, path)
    try:
        for done in packing:
            tell("Packing", done / whole)
    finally:
        packing.close()
