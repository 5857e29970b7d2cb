"""One file over HTTP, continued where it stopped and taken only when it is what was promised."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffscaler.errors import DownloadFailed
from diffscaler.library.files import room_for
from diffscaler.models.background import in_background
from diffscaler.models.source import RemoteFile
from diffscaler.models.verify import Count, Digests
from diffscaler.models.web import RangeRefused, TryAgain, Web, host_of, told_apart

BLOCK_BYTES = 256 * 2**10


class Changed(TryAgain):
    """What lies here no longer belongs to what the server has: the file starts anew."""


@dataclass(frozen=True)
class Start:
    """Where a response begins in the file. etag: the server's name for this content, "" when it gives none."""

    offset: int
    etag: str


def fetch(
    web: Web, file: RemoteFile, part: Path, what: str, stopped: Callable[[], bool], count: Count = lambda size: None
) -> RemoteFile:
    """Download `file` into `part` and return it with its sha256; `part` then holds exactly what was promised.

    A part from an earlier try is continued. count: told of bytes that come, negative when some had to be dropped; those
    that lay here before are not told.
    Raises DownloadFailed, NotEnoughRoom, JobCancelled; except after a wrong checksum, what arrived is kept.
    """
    download = PartFile(web, file, part, what, stopped, count)
    return web.patiently(what, download.attempt, stopped, lambda: download.size_bytes)


class PartFile:
    """A file on its way."""

    def __init__(
        self, web: Web, file: RemoteFile, part: Path, what: str, stopped: Callable[[], bool], count: Count
    ) -> None:
        self.web = web
        self.file = file
        self.url = web.hub.url(file.url)
        self.host = host_of(self.url)
        self.part = part
        self.notes = part.with_name(f"{part.name}.json")
        self.what = what
        self.stopped = stopped
        self._count = count
        self._counted = self.size_bytes

    @property
    def size_bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def attempt(self) -> RemoteFile:
        """Continue from what lies here to the end. Raises TryAgain when the line breaks."""
        etag = self.kept()
        kept = self.size_bytes
        digests = Digests(self.file)
        if kept:
            digests.add_file(self.part, self.stopped)
        self.counted(kept)
        if kept < self.file.size_bytes or not self.part.exists():
            digests = self.receive(digests, kept, etag)
        if not digests.fit():
            self.drop()
            if kept:  # an earlier piece may be at fault, after a crash for example
                raise Changed("what arrived earlier does not fit")
            raise DownloadFailed(
                f"{self.what} arrived with a wrong checksum.", "Try again later; if it stays so, use another mirror."
            )
        return self.file.model_copy(update={"sha256": digests.sha256})

    def receive(self, digests: Digests, kept: int, etag: str) -> Digests:
        """Write what the server sends behind the first `kept` bytes; returns the digests of all of it."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        blocks = in_background(lambda: self.blocks(kept, etag), self.stopped)
        with room_for(self.what), self.part.open("ab") as out:
            try:
                for block in blocks:
                    if isinstance(block, Start):
                        if block.offset == 0 and kept:
                            out.truncate(0)  # the server sends all of it
                            digests = Digests(self.file)
                        self.counted(block.offset)
                        self.note(block.etag)
                        continue
                    if self._counted + len(block) > self.file.size_bytes:
                        raise Changed(f"{self.host} sends more of {self.what} than it said")
                    out.write(block)
                    digests.update(block)
                    self.counted(self._counted + len(block))
            except Changed:
                out.truncate(0)
                self.counted(0)
                raise
        if self._counted < self.file.size_bytes:
            raise TryAgain(f"the connection to {self.host} broke off")
        return digests

    def blocks(self, kept: int, etag: str) -> Iterator[Start | bytes]:
        """What the server says and sends; runs beside the writing and touches no file."""
        headers = {"Range": f"bytes={kept}-"} if kept else {}
        if kept and etag:
            headers["If-Range"] = etag
        try:
            response = self.web.open(self.url, self.what, headers)
        except RangeRefused:
            raise Changed(f"{self.host} has fewer bytes of {self.what} than lie here") from None
        with response, told_apart(self.host):
            yield self.start(response, kept, etag)
            while block := response.read1(BLOCK_BYTES):
                yield block

    def start(self, response: http.client.HTTPResponse, kept: int, etag: str) -> Start:
        """Where a response begins. Raises Changed when it cannot continue what lies here."""
        now = strong(response.headers.get("ETag"))
        if response.status != 206:
            size = response.length
            if size not in (None, self.file.size_bytes):
                raise DownloadFailed(
                    f"{self.host} sends {size} bytes of {self.what} instead of {self.file.size_bytes}.",
                    "Try again later; if it stays so, use another mirror.",
                )
            return Start(0, now)
        first, total = content_range(response.headers.get("Content-Range"))
        if first != kept or total not in (None, self.file.size_bytes) or (etag and now and now != etag):
            raise Changed(f"{self.what} has changed at {self.host}")
        return Start(kept, now or etag)

    def kept(self) -> str:
        """The ETag under which the part may be continued; drops a part that belongs to another content."""
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            same, etag = notes["of"] == self.file.identity, str(notes["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            same, etag = False, ""
        # Without a checksum to tell in the end, only the server can say that it is still the same file.
        told = bool(etag or self.file.sha256 or self.file.git_sha1)
        if not (same and told) or self.size_bytes > self.file.size_bytes:
            self.drop()
            return ""
        return etag

    def note(self, etag: str) -> None:
        self.notes.write_text(json.dumps({"of": self.file.identity, "etag": etag}), encoding="utf-8")

    def drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)
        self.counted(0)

    def counted(self, size_bytes: int) -> None:
        """Tell that so many bytes of the file are in place now."""
        if size_bytes != self._counted:
            self._count(size_bytes - self._counted)
            self._counted = size_bytes


def strong(etag: str | None) -> str:
    """An ETag that stands for the very same bytes; "" for a weak one or none (RFC 9110, 8.8.1)."""
    return etag if etag and re.fullmatch(r'"[!#-~]*"', etag) else ""


def content_range(text: str | None) -> tuple[int | None, int | None]:
    """(first byte, size of the whole file) of a Content-Range; None for what it does not say."""
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", text or "")
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
