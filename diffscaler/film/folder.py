"""The folder a film is written to: its shots' clips, the animatic, the shot list and the cut in every form."""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Iterable
from pathlib import Path

from diffscaler.delivery import place_for, put
from diffscaler.errors import InvalidRequest
from diffscaler.screenplay.board import Board, reimport
from diffscaler.screenplay.export.cut import Cut, beside
from diffscaler.screenplay.export.files import write_cut
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.shot_table import ShotList, csv_of, read_csv
from diffscaler.screenplay.source import decoded, read_bytes


class FilmFolder:
    """OUT/animatic.mp4, OUT/shots.csv, OUT/clips/SC1_SH010.mp4, OUT/<film>.otio and its like; where they are asked for,
    OUT/media/SC1_SH010.mov and OUT/board.

    Files are replaced whole; what is not named here is left alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clips, self.media, self.boards = root / "clips", root / "media", root / "board"
        self.shot_list, self.orphans = root / "shots.csv", root / "shots-orphans.csv"

    def prepare(self) -> None:
        """Make the folder, and see that it can be written to. Raises InvalidRequest, OSError: now, not after hours."""
        for folder in (self.root, self.clips):
            if folder.exists() and not folder.is_dir():
                raise InvalidRequest(f"{folder.name} is a file, not a folder.", "Name a folder to write the film to.")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                place_for(folder / "animatic.mp4")
            except OSError as error:
                raise InvalidRequest(
                    f"{folder.name} cannot be written to: {error.strerror or error}.", "Name another folder."
                ) from error

    def board(self, drafted: tuple[Shot, ...], rate: str) -> Board:
        """A draft of the script, with what was set in the shot list that lies here.

        Raises ScriptError for a damaged list, InvalidRequest for one that counts at another rate.
        """
        if not self.shot_list.exists():
            return Board(drafted)
        earlier = self._opened(self.shot_list)
        if earlier.rate != rate:
            raise InvalidRequest(
                f"The film in {self.root.name} counts at {earlier.rate} frames a second.",
                f"Use --fps {earlier.rate}, or another folder.",
            )
        aside = self._opened(self.orphans).shots if self.orphans.exists() else ()
        return reimport(Board(earlier.shots, aside), drafted)

    def write_shots(self, board: Board, rate: str) -> None:
        """The shot list, and beside it the shots whose text left the script."""
        self._write(self.shot_list, csv_of(ShotList(rate, board.shots)).encode("utf-8-sig"))
        if board.orphans:
            self._write(self.orphans, csv_of(ShotList(rate, board.orphans)).encode("utf-8-sig"))
        else:
            self.orphans.unlink(missing_ok=True)  # all of them are back in the list

    def names(self, shots: Iterable[Shot], suffix: str, folder: Path | None = None) -> dict[str, Path]:
        """By shot id, the file of its clip: named as the shot, in letters every system can write.

        folder: the one for clips unless said
        """
        found: dict[str, Path] = {}
        taken: set[str] = set()
        for shot in shots:
            stem = name = re.sub(r"[^\w.-]+", "_", shot.name).strip(".") or "shot"
            number = 1
            while stem.lower() in taken:
                number += 1
                stem = f"{name}-{number}"
            taken.add(stem.lower())
            found[shot.id] = (folder or self.clips) / f"{stem}{suffix}"
        return found

    def put(self, made: Path, target: Path) -> None:
        """A copy of a file of the library. One that is the same already is left as it is."""
        if target.is_file() and filecmp.cmp(made, target, shallow=False):
            return
        put(made, target, place_for(target))

    def write_cut(self, cut: Cut, *, moves: bool = False) -> tuple[Path, ...]:
        """The cut in every form; returns the files. moves: the folder will, so files are named from where it lies"""
        return write_cut(beside(cut, self.root) if moves else cut, self.root)

    def put_bytes(self, data: bytes, target: Path) -> Path:
        """A file of the boards, replaced whole; returns it."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._write(target, data)
        return target

    def _opened(self, path: Path) -> ShotList:
        return read_csv(decoded(read_bytes(path), path.name))

    def _write(self, path: Path, data: bytes) -> None:
        part = place_for(path)
        part.write_bytes(data)
        os.replace(part, path)
