"""Getting a model: what has to be fetched, where it arrives, and the moment at which it is installed.

Files arrive in models/.incoming/<name>.part and are moved to models/<name> once all of them are verified, so that a
model is either there or not. A model that is there is mended file by file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from diffscaler.errors import InvalidRequest, ModelNotFound, NotEnoughRoom
from diffscaler.library.files import flush_to_disk, keep_copy, remove_tree, room_for
from diffscaler.models import digests
from diffscaler.models.fetch import fetch
from diffscaler.models.hub import contents
from diffscaler.models.paths import safe_path
from diffscaler.models.place import Place, Watch
from diffscaler.models.source import RECORD, ModelSource, Record, RemoteFile, read_record, write_record
from diffscaler.models.traits import known, read_families
from diffscaler.models.verify import damages
from diffscaler.models.web import Web
from diffscaler.wording import bytes_in_words


def get(place: Place, source: ModelSource, web: Web, watch: Watch, reserve_bytes: int = 0) -> Record:
    """Install a model, or mend one that was installed this way; a stopped one continues where it stopped.

    reserve_bytes: disk that must stay free
    Raises DownloadFailed, NotEnoughRoom, ModelNotFound (a pipeline this studio cannot run), InvalidRequest (a model
    of that name is there and did not come from a hub), JobCancelled.
    """
    with place.alone(watch):
        if place.folder.is_dir() and not any(place.folder.iterdir()):
            place.folder.rmdir()
        record = read_record(place.folder)
        if record is not None:
            todo = broken(place, record, watch)
        elif place.folder.exists():
            raise InvalidRequest(
                f"There is a model {place.name} already, whose files this studio did not download.",
                "Get it under another --name, or remove the one that is there.",
            )
        else:
            watch.moment("list", "", 0, 0)
            record = contents(web, source, watch.stopped)
            check_pipeline(record)
            todo = list(record.files)
        arrived = Delivery(place, web, watch, todo).bring(reserve_bytes)
        record = record.model_copy(update={"files": tuple(arrived.get(file.path, file) for file in record.files)})
        with room_for(place.name):
            install(place, record, list(arrived.values()))
        return record


def broken(place: Place, record: Record, watch: Watch) -> list[RemoteFile]:
    """The files of an installed model that have to be fetched again."""
    done, total = 0, record.size_bytes

    def count(size: int) -> None:
        nonlocal done
        done += size
        watch.moment("check", "", done, total)

    return [damage.file for damage in damages(place.folder, record, watch.stopped, count)]


def check_pipeline(record: Record) -> None:
    """Raise ModelNotFound when no family of this studio runs the pipeline: before hours of download, not after."""
    families = read_families()
    if record.pipeline and not any(record.pipeline in family.pipelines for family in families):
        raise ModelNotFound(f"{record.repo} is a {record.pipeline[:60]}, which is not supported yet.", known(families))


class Delivery:
    """The files of one model that have to come."""

    def __init__(self, place: Place, web: Web, watch: Watch, files: list[RemoteFile]) -> None:
        self.place = place
        self.web = web
        self.watch = watch
        self.files = files
        self.total_bytes = sum(file.size_bytes for file in files)
        kept = read_record(place.incoming) or Record()
        #: path -> file, verified and waiting to be installed
        self.arrived = {
            file.path: old
            for file in files
            for old in kept.files
            if file.is_same(old) and self.size_of(safe_path(old.path)) == old.size_bytes
        }
        self.done_bytes = sum(file.size_bytes for file in self.arrived.values())
        self.done_bytes += sum(self.size_of(part_of(file)) for file in files if file.path not in self.arrived)

    def size_of(self, path: os.PathLike[str]) -> int:
        """Size of a file that has arrived, or begun to; 0 when there is none."""
        file = self.place.incoming / path
        return file.stat().st_size if file.is_file() else 0

    def bring(self, reserve_bytes: int) -> dict[str, RemoteFile]:
        """Fetch what is missing; returns every file by its path, with its sha256."""
        if not self.files:
            return {}
        self.check_room(reserve_bytes)
        for file in self.files:
            if file.path not in self.arrived:
                self.watch.moment("fetch", file.path, self.done_bytes, self.total_bytes)
                self.arrived[file.path] = self.bring_one(file)
                with room_for(self.place.name):
                    write_record(self.place.incoming, Record(files=tuple(self.arrived.values())))
        self.watch.moment("fetch", "", self.total_bytes, self.total_bytes)
        return self.arrived

    def bring_one(self, file: RemoteFile) -> RemoteFile:
        path = self.place.incoming / safe_path(file.path)
        part = self.place.incoming / part_of(file)

        def count(size: int) -> None:
            self.done_bytes += size
            self.watch.moment("fetch", file.path, self.done_bytes, self.total_bytes)

        part.parent.mkdir(parents=True, exist_ok=True)
        if file.text is None:
            file = fetch(self.web, file, part, label(file), self.watch.stopped, count)
        else:
            part.write_bytes(file.text.encode("utf-8"))
            count(file.size_bytes)
        flush_to_disk(part)
        os.replace(part, path)
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
        return file

    def check_room(self, reserve_bytes: int) -> None:
        """Raise NotEnoughRoom when what is missing does not fit."""
        needed = self.total_bytes - self.done_bytes
        free = free_bytes(self.place.models_dir) - reserve_bytes
        if needed > free:
            raise NotEnoughRoom(
                f"{self.place.name} needs {bytes_in_words(needed)} of disk; {bytes_in_words(max(0, free))} are free.",
                "Make room, or set DIFFSCALER_DATA_DIR to a larger disk.",
            )


def install(place: Place, record: Record, arrived: list[RemoteFile]) -> None:
    """Move what has arrived to where models lie, and remember its checksums."""
    if not place.folder.exists():
        write_record(place.incoming, record)
        keep_only(place.incoming, {file.path for file in record.files} | {RECORD})
        os.replace(place.incoming, place.folder)
    else:
        for file in arrived:
            target = place.folder / safe_path(file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            move(place.incoming / safe_path(file.path), target)
        remove_tree(place.incoming)
    paths = {place.folder / safe_path(file.path): file.sha256 for file in arrived}
    digests.remember(place.models_dir / ".digests.json", paths)


def move(source: Path, target: Path) -> None:
    """Put a file in another's place at once, also onto another disk (a models folder may be a link to one)."""
    try:
        os.replace(source, target)
    except OSError:
        keep_copy(source, target)
        source.unlink()


def keep_only(folder: Path, paths: set[str]) -> None:
    """Delete what an earlier revision left in a folder, and folders that become empty."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in paths:
            path.unlink()


def part_of(file: RemoteFile) -> Path:
    """Where a file arrives, below the folder of its model."""
    path = safe_path(file.path)
    return Path(path.with_name(f"{path.name}.part"))


def label(file: RemoteFile) -> str:
    """A file as sentences name it: "owner/name/path" when it is a hub's."""
    return file.path if "://" in file.url else "/".join([*file.url.split("/")[:2], file.path])


def free_bytes(folder: Path) -> int:
    """Free disk where `folder` lies."""
    return shutil.disk_usage(folder).free
