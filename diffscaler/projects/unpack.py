"""Opens a film's folder or zip. Nothing in it is trusted: no name of it is written to, all has limits."""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pydantic import ValidationError

from diffscaler.errors import ClipNotFound, DiffScalerError, InvalidRequest, MediaError, ScriptError
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import room_for, safe_name, safe_suffix, sha256_of
from diffscaler.projects.package import SOUND_BYTES, Packed, PackedTake
from diffscaler.projects.project import BOARD, Project, Take, parsed
from diffscaler.screenplay.board import Board
from diffscaler.screenplay.shot import is_id
from diffscaler.screenplay.source import LARGEST_BYTES, decoded

#: Of film.json and board.json: a film of a thousand shots has two.
TABLE_BYTES = 64_000_000
#: Of all clips together, unpacked.
CLIPS_BYTES = 200_000_000_000
MOST_FILES = 100_000
BLOCK = 1 << 20
#: Clips hardly get smaller in a zip; a file above this size that gets so many times smaller is no clip.
SMALL_BYTES, MOST_SQUEEZED = 1_000_000, 40

#: The only names of clips and sounds that are looked for.
_CLIP = re.compile(r"clips/[A-Za-z0-9_][A-Za-z0-9_-]*\.[a-z0-9]{1,5}")
_SOUND = re.compile(r"sound/[A-Za-z0-9_][A-Za-z0-9_-]*(\.[a-z0-9]{1,5})?")

#: What Python's zip reader raises for broken, locked and unknown contents; ValueError for names in no alphabet.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Opened:
    """A film out of its package. unread: names of clips that could not be read; their takes can be made again

    silent: its own sound's name, where that came along and could not be read; it can be chosen again
    """

    project: Project
    unread: tuple[str, ...]
    silent: str = ""


class _Source(Protocol):
    path: Path

    def has(self, name: str) -> bool: ...

    def open(self, name: str) -> IO[bytes]: ...


class _Folder:
    """A package as a folder. Links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self.path, self.root = root, root.resolve()

    def has(self, name: str) -> bool:
        path = (self.root / name).resolve()
        return path.is_file() and path.is_relative_to(self.root)

    def open(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")


class _Zip:
    """A package as a zip."""

    def __init__(self, path: Path, packed: zipfile.ZipFile) -> None:
        self.path, self.packed, self.names = path, packed, frozenset(packed.namelist())

    def has(self, name: str) -> bool:
        return name in self.names

    def open(self, name: str) -> IO[bytes]:
        info = self.packed.getinfo(name)
        if info.file_size > SMALL_BYTES and info.file_size > MOST_SQUEEZED * max(1, info.compress_size):
            raise InvalidRequest(
                f"{name[:80]} in it unpacks to far more than it is.", "Check where this zip comes from."
            )
        return self.packed.open(name)


def is_package(path: Path) -> bool:
    """Whether a file or folder may be a film's package: a zip by its first bytes, a folder by its film.json."""
    if path.is_dir():
        return (path / "film.json").is_file()
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def open_package(path: Path, library: ClipLibrary) -> Opened:
    """The film in a folder or zip, with its clips in the library; it has no id yet.

    Raises InvalidRequest with a sentence for what is no film or damaged, NotEnoughRoom.
    """
    with _source(path) as source:
        try:
            packed = Packed.model_validate_json(_bytes(source, "film.json", TABLE_BYTES))
            board = BOARD.validate_json(_bytes(source, "board.json", TABLE_BYTES))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its text"
            raise InvalidRequest(
                f"The film in {path.name} cannot be read: {where}: {first['msg']}.",
                "Save it again with this version of the studio.",
            ) from error
        _check_ids(path.name, board, packed.takes)
        written = _bytes(source, "script.fountain", LARGEST_BYTES)
        try:
            script = decoded(written, "script.fountain")
            parsed(script, packed.title)
        except ScriptError as error:
            raise InvalidRequest(f"The script in {path.name}: {error.message}", error.hint) from error
        takes, unread = _takes(source, packed.takes, library)
        heard = not packed.sound or _sound(source, packed, library)
    project = Project("", packed.title, script, packed.format, board, packed.film, packed.cast, takes)
    return Opened(project, unread, "" if heard else packed.film.sound_name or packed.sound)


def _check_ids(name: str, board: Board, takes: Iterable[PackedTake]) -> None:
    """Ids go into pages and into the names of files. Raises InvalidRequest for one that must not, and for a double."""
    shots = [*board.shots, *board.orphans]
    ids = [shot.id for shot in shots]
    used = {*ids, *(shot.part_of for shot in shots if shot.part_of), *board.stale, *(take.shot for take in takes)}
    for one in sorted(used):
        if not is_id(one):
            raise InvalidRequest(f"{name} has a shot whose id is {one[:40]!r}.", "Save the film again in the studio.")
    if len(ids) != len(set(ids)):
        raise InvalidRequest(f"{name} has two shots of one id.", "Save the film again.")


def _takes(
    source: _Source, packed: tuple[PackedTake, ...], library: ClipLibrary
) -> tuple[tuple[Take, ...], tuple[str, ...]]:
    found: dict[tuple[str, int, bool], Take] = {}
    unread: list[str] = []
    keys: dict[str, str] = {}
    left = CLIPS_BYTES
    with tempfile.TemporaryDirectory(prefix="film-", dir=library.root) as scratch:
        for number, row in enumerate(packed):
            name, clip = row.file, row.clip
            if name and name not in keys and not library.complete(clip):
                if not _CLIP.fullmatch(name) or not source.has(name):
                    unread.append(name[:80])
                else:
                    target = Path(scratch) / f"{number}{safe_suffix(Path(name))}"
                    left -= _copy(source, name, target, left)
                    try:
                        keys[name] = library.add_file(target, Path(name).name).key
                    except DiffScalerError:
                        unread.append(name)
                    target.unlink(missing_ok=True)
            clip = keys.get(name, clip)
            take = Take(row.shot, row.number, row.roll, row.draft, clip, row.request, row.circled, row.created)
            found.setdefault((take.shot, take.number, take.draft), take)
    return tuple(found.values()), tuple(unread)


def _sound(source: _Source, packed: Packed, library: ClipLibrary) -> bool:
    """Put a film's own sound into the library. Whether it is there now: a file that is another one, or none, is not."""
    name, wanted = packed.sound, packed.film.sound
    try:
        return library.file_path(wanted).is_file()
    except ClipNotFound:
        pass
    if not _SOUND.fullmatch(name) or not source.has(name):
        return False
    with tempfile.TemporaryDirectory(prefix="film-", dir=library.root) as scratch:
        target = Path(scratch) / f"sound{safe_suffix(Path(name))}"
        _copy(source, name, target, SOUND_BYTES)
        if sha256_of(target) != wanted:
            return False
        # The library knows it by the name its owner gave it.
        named = target.with_name(safe_name(packed.film.sound_name or target.name))
        target.rename(named)
        try:
            library.add_sound(named)
        except MediaError:
            return False
    return True


@contextmanager
def _source(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        yield _Folder(path)
        return
    with _told(path):
        packed = zipfile.ZipFile(path)
    with packed:
        if len(packed.infolist()) > MOST_FILES:
            raise InvalidRequest(f"{path.name} holds too many files to be a film.", "Save the film again.")
        yield _Zip(path, packed)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Around reading and nothing else: what is wrong with the file becomes a sentence, a fault of ours does not."""
    try:
        yield
    except _DAMAGED as error:
        raise InvalidRequest(f"{path.name} is damaged, or no zip.", "Save the film again, or copy it again.") from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, FileNotFoundError):
            raise
        raise InvalidRequest(f"{path.name} cannot be read.", "Check its name and folder.") from error


def _bytes(source: _Source, name: str, limit: int) -> bytes:
    """A small file whole. A header that lies about its size is not believed."""
    if not source.has(name):
        raise InvalidRequest(f"There is no {name} in it: it is no film of the studio.", "Choose a zip saved here.")
    with _told(source.path), source.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InvalidRequest(f"{name} is larger than {limit / 1e6:.0f} MB.", "Save the film again.")
    return data


def _copy(source: _Source, name: str, target: Path, limit: int) -> int:
    """Copy a clip or a sound to `target`; returns its bytes. Raises InvalidRequest past the limit."""
    done = 0
    with room_for("the film's clips"), _told(source.path), source.open(name) as file, target.open("wb") as out:
        while block := file.read(BLOCK):
            done += len(block)
            if done > limit:
                raise InvalidRequest(
                    f"{name[:80]} in it is larger than any film has here.", "Check where this zip comes from."
                )
            out.write(block)
    return done
