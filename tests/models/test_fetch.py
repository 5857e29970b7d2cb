"""One file over a bad line: what arrives is the file, or nothing is said to have arrived."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffscaler.errors import DownloadFailed, JobCancelled, NotEnoughRoom
from diffscaler.models import fetch as fetch_module
from diffscaler.models.fetch import content_range, fetch, strong
from diffscaler.models.source import RemoteFile
from diffscaler.models.web import Patience
from tests.models.fakehub import DATA, QUICK, FakeHub, Fault, never
from tests.models.fakehub import get_file as get


def test_a_file_arrives_whole_with_its_checksum_and_every_byte_is_counted(hub: FakeHub, tmp_path: Path) -> None:
    file, counts = hub.file("a.safetensors", DATA), list[int]()
    assert get(hub, file, tmp_path / "a.part", count=counts.append).sha256 == file.sha256
    assert (tmp_path / "a.part").read_bytes() == DATA and sum(counts) == len(DATA)


def test_an_empty_file_is_a_file(hub: FakeHub, tmp_path: Path) -> None:
    get(hub, hub.file("empty.txt", b""), tmp_path / "e.part")
    assert (tmp_path / "e.part").read_bytes() == b""


def test_a_broken_connection_continues_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    file, counts = hub.file("a.safetensors", DATA), list[int]()
    hub.faults["a.safetensors"] = [Fault(drop_after=1000), Fault(drop_after=1), Fault(drop_after=3000)]
    get(hub, file, tmp_path / "a.part", count=counts.append)
    assert (tmp_path / "a.part").read_bytes() == DATA
    assert [seen.start for seen in hub.seen] == [None, 1000, 1001, 4001]
    assert sum(counts) == len(DATA), "nothing is counted twice"


def test_more_breaks_than_attempts_are_forgiven_while_it_gets_further(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(drop_after=100)] * (QUICK.attempts * 3)
    get(hub, file, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == DATA


def test_a_line_that_gets_no_further_is_given_up_and_what_came_is_kept(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(drop_after=700)] + [Fault(drop_after=0)] * 20
    with pytest.raises(DownloadFailed, match="broke off") as caught:
        get(hub, file, tmp_path / "a.part")
    assert len(hub.seen) == 1 + QUICK.attempts - 1 and "kept" in caught.value.hint
    hub.faults.clear()
    get(hub, file, tmp_path / "a.part")
    assert hub.seen[-1].start == 700 and (tmp_path / "a.part").read_bytes() == DATA


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 3000),
    cuts=st.lists(st.tuples(st.integers(0, 1500), st.booleans(), st.booleans()), max_size=6),
    known=st.booleans(),
)
def test_whatever_breaks_the_file_is_the_file(
    hub: FakeHub, tmp_path: Path, size: int, cuts: list[tuple[int, bool, bool]], known: bool
) -> None:
    """cuts: where a response ends, whether its server ignores Range, whether the process ends there too."""
    data = bytes((i * 7 + i // 251) % 256 for i in range(size))
    name = f"{len(hub.seen)}.safetensors"
    file = hub.file(name, data, None if known else "")
    part = tmp_path / f"{name}.part"
    hub.faults[name] = [Fault(drop_after=after, ignore_range=ignores) for after, ignores, _ in cuts]
    for _ in range(len(cuts) + 1):
        try:
            got = get(hub, file, part)
            break
        except DownloadFailed:
            continue
    assert part.read_bytes() == data and got.sha256 == hub.file(name, data).sha256
    asked = hub.asked(name)
    reached = 0
    for seen, fault in zip(asked, [*(cut for cut in cuts), None], strict=False):
        assert (seen.start or 0) == reached, "every request begins where the bytes on the disk end"
        if fault is not None:
            after, ignores, _ = fault
            begin = 0 if ignores else reached
            reached = min(size, begin + after)


def test_silence_is_not_waited_out(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(stall_after=2000)]
    began = time.monotonic()
    fetch(hub.web(patience=Patience(0.3, 3, 0.01)), file, tmp_path / "a.part", "a", never)
    assert time.monotonic() - began < 10 and [seen.start for seen in hub.seen][:2] == [None, 2000]


def test_a_server_that_stays_silent_is_named(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(stall_after=0)] * 9
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 fell silent"):
        fetch(hub.web(patience=Patience(0.1, 2, 0.01)), file, tmp_path / "a.part", "a", never)


def test_stop_is_heard_while_the_server_says_nothing_and_the_rest_comes_later(hub: FakeHub, tmp_path: Path) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(stall_after=5000)]
    asked: list[float] = []

    def stopped() -> bool:
        if not asked and part.exists() and hub.seen and time.monotonic() - began > 0.5:
            asked.append(time.monotonic())
        return bool(asked)

    began = time.monotonic()
    with pytest.raises(JobCancelled):
        fetch(hub.web(patience=Patience(stall_s=20)), file, part, "a", stopped)
    assert time.monotonic() - began < 5, "the server would have been waited for 20 s"
    assert part.read_bytes() == DATA[:5000]
    get(hub, file, part)
    assert hub.seen[-1].start == 5000 and part.read_bytes() == DATA


def test_a_wrong_checksum_is_a_failure_and_leaves_nothing(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA, "0" * 64)
    counts: list[int] = []
    with pytest.raises(DownloadFailed, match="wrong checksum"):
        get(hub, file, tmp_path / "a.part", count=counts.append)
    assert list(tmp_path.iterdir()) == [] and len(hub.seen) == 1 and sum(counts) == 0


def test_gits_own_checksum_of_a_small_file_counts_too(hub: FakeHub, tmp_path: Path) -> None:
    hub.file("config.json", b"{}")
    (row,) = [row for row in hub.siblings("studio/tiny") if row["rfilename"] == "config.json"]
    file = RemoteFile(
        path="config.json", url="studio/tiny/resolve/main/config.json", size_bytes=2, git_sha1=row["blobId"]
    )
    get(hub, file, tmp_path / "c.part")
    hub.file("config.json", b"[]")
    with pytest.raises(DownloadFailed, match="wrong checksum"):
        get(hub, file, tmp_path / "d.part")


def test_a_damaged_beginning_is_fetched_anew_once(hub: FakeHub, tmp_path: Path) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(drop_after=600)] + [Fault(drop_after=0)] * 2
    with pytest.raises(DownloadFailed):
        get(hub, file, part)
    part.write_bytes(b"\0" * 600)  # as after a power cut
    get(hub, file, part)
    assert part.read_bytes() == DATA and [seen.start for seen in hub.seen[-2:]] == [600, None]


def test_a_server_without_ranges_starts_anew(hub: FakeHub, tmp_path: Path) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(drop_after=4000), Fault(ignore_range=True)]
    get(hub, file, part)
    assert part.read_bytes() == DATA and [seen.start for seen in hub.seen] == [None, 4000]


@pytest.mark.parametrize("ignore_if_range", [False, True], ids=["If-Range kept", "If-Range ignored"])
def test_a_file_that_changed_between_two_attempts_starts_anew(
    hub: FakeHub, tmp_path: Path, ignore_if_range: bool
) -> None:
    """Nothing is known of it but its size, so only the ETag can tell."""
    old, new = DATA, DATA[::-1]
    file, part = hub.file("a.safetensors", old, ""), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(drop_after=4000)] + [Fault(drop_after=0)] * 2
    with pytest.raises(DownloadFailed):
        get(hub, file, part)
    hub.file("a.safetensors", new, "")
    hub.faults["a.safetensors"] = [Fault(ignore_if_range=ignore_if_range)]
    get(hub, file, part)
    assert part.read_bytes() == new
    assert any("If-Range" in seen.headers for seen in hub.seen)


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_checksum_or_a_strong_etag_nothing_is_continued(hub: FakeHub, tmp_path: Path, etag: str) -> None:
    file, part = hub.file("a.safetensors", DATA, ""), tmp_path / "a.part"
    hub.etags["a.safetensors"] = etag
    hub.faults["a.safetensors"] = [Fault(drop_after=4000)]
    get(hub, file, part)
    assert part.read_bytes() == DATA and [seen.start for seen in hub.seen] == [None, None]


def test_a_part_of_another_file_is_not_continued(hub: FakeHub, tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    first, second = hub.file("a.safetensors", DATA), hub.file("b.safetensors", DATA[::-1])
    hub.faults["a.safetensors"] = [Fault(drop_after=4000)] + [Fault(drop_after=0)] * 2
    with pytest.raises(DownloadFailed):
        get(hub, first, part)
    get(hub, second, part)
    assert part.read_bytes() == DATA[::-1] and hub.seen[-1].start is None


def test_a_server_with_fewer_bytes_than_lie_here_starts_anew(hub: FakeHub, tmp_path: Path) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(drop_after=4000), Fault(status=416)]
    get(hub, file, part)
    assert part.read_bytes() == DATA and hub.seen[-1].start is None


@pytest.mark.parametrize("no_length", [True, False])
def test_a_server_that_sends_more_than_it_said_is_cut_off(hub: FakeHub, tmp_path: Path, no_length: bool) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    if not no_length:
        hub.file("a.safetensors", DATA + b"!")
    hub.faults["a.safetensors"] = [Fault(no_length=no_length, extra=b"x" * 3_000_000)] * 9
    with pytest.raises(DownloadFailed, match=r"sends more of|sends 10041 bytes"):
        get(hub, file, part)
    assert not part.exists() or part.stat().st_size <= len(DATA)


def test_a_full_disk_is_a_sentence_and_what_came_is_kept(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    monkeypatch.setattr(fetch_module, "BLOCK_BYTES", 1000)
    with pytest.raises(NotEnoughRoom, match="disk is full"):
        get(hub, file, part, count=full_after(3000))
    assert 0 < part.stat().st_size < len(DATA)
    get(hub, file, part)
    assert part.read_bytes() == DATA


def full_after(size: int) -> Any:
    """A count that raises what a full disk raises, once so many bytes were written."""
    left = [size]

    def count(more: int) -> None:
        left[0] -= more
        if left[0] < 0:
            raise OSError(28, "No space left on device", "a.part")

    return count


def test_a_large_file_takes_little_memory(hub: FakeHub, tmp_path: Path) -> None:
    data = bytes(2**20) * 16
    file = hub.file("big.safetensors", data)
    tracemalloc.start()
    try:
        fetch(hub.web(patience=Patience(stall_s=20)), file, tmp_path / "big.part", "big", never)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "big.part").stat().st_size == len(data) and peak < 5 * 2**20, peak


@given(st.text(max_size=30))
def test_headers_are_read_or_not_trusted(text: str) -> None:
    first, total = content_range(text)
    assert (first is None and total is None) or text.startswith("bytes ")
    assert strong(text) in ("", text)


def test_headers_of_the_rfc() -> None:
    assert content_range("bytes 5-9/10") == (5, 10) and content_range("bytes 5-9/*") == (5, None)
    assert content_range("bytes */10") == content_range("items 5-9/10") == content_range(None) == (None, None)
    assert strong('"a"') == '"a"' and strong('W/"a"') == strong(None) == strong('"a\r\nX: 1"') == ""
