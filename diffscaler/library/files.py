"""Files the user gives: kept once, by content, under a name no path trick can leave the library with."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffscaler.errors import NotEnoughRoom

HASH_BLOCK = 4 * 2**20


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content, read in 4 MiB blocks; of a folder, of its files' names and contents."""
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(entry for entry in path.iterdir() if entry.is_file()):
            digest.update(f"{file.name}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def safe_name(name: str) -> str:
    """`name` without folders, control characters and anything a file system or a page could trip over; never empty."""
    base = re.split(r"[\\/]", name)[-1]
    base = "".join(char for char in base if char.isprintable() and char not in '<>:"|?*').strip(" .")
    return base[-120:] or "file"


def safe_suffix(path: Path) -> str:
    """The file's extension when it is short and plain, "" otherwise."""
    suffix = path.suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


def bytes_in(path: Path) -> int:
    """Size of a file, or of the files in a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def keep_copy(source: Path, target: Path) -> None:
    """Put a copy of a file, or of the files in a folder, at `target`, whole or not at all.

    Hard links are not used: users edit their files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{uuid.uuid4().hex}.part")
    try:
        if source.is_dir():
            part.mkdir()
            for file in source.iterdir():
                if file.is_file():
                    shutil.copyfile(file, part / file.name)
        else:
            shutil.copyfile(source, part)
        os.replace(part, target)
    finally:
        remove_tree(part)


def remove_tree(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Wait until a file's bytes are on the disk: its name must not become known before them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Turns a full disk inside the block into NotEnoughRoom, a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        raise NotEnoughRoom(
            f"The disk is full: no room for {what}.", "Free some space, then run the same request to continue."
        ) from error
