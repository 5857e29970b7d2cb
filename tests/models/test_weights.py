"""Getting a model: it is there whole or not at all, it continues, it is mended file by file."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest

from diffscaler.errors import (
    DownloadFailed,
    InvalidRequest,
    JobCancelled,
    NotEnoughRoom,
)
from diffscaler.models import fetch, weights
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.place import Place
from diffscaler.models.source import RECORD, read_record
from diffscaler.models.verify import damages
from diffscaler.models.weights import get
from diffscaler.settings import Settings
from tests.models.fakehub import (
    LOADED,
    REPO,
    FakeHub,
    Fault,
    Quiet,
    bring,
    files_below,
    source,
)


def test_a_model_arrives_with_what_a_pipeline_loads_and_a_record_of_it(hub: FakeHub, place: Place) -> None:
    watch = Quiet()
    record = get(place, source(), hub.web(), watch)
    assert files_below(place.folder) == LOADED | {RECORD}
    assert all((place.folder / name).read_bytes() == hub.repos[REPO][name] for name in LOADED)
    assert read_record(place.folder) == record
    assert (record.repo, record.revision, record.commit) == (REPO, "main", hub.commit(REPO))
    assert (record.licence, record.pipeline) == ("apache-2.0", "AnimateDiffPipeline")
    assert all(len(file.sha256) == 64 for file in record.files)
    assert not place.incoming.exists()
    total = sum(len(hub.repos[REPO][name]) for name in LOADED)
    assert watch.moments[0][0] == "list" and watch.moments[-1] == ("fetch", "", total, total)
    done = [moment[2] for moment in watch.moments]
    assert done == sorted(done), "progress only grows on a good line"


def test_half_a_model_is_no_model_and_the_rest_is_fetched_later(hub: FakeHub, place: Place, settings: Settings) -> None:
    big = "unet/diffusion_pytorch_model.safetensors"
    hub.faults[big] = [Fault(drop_after=4000)] + [Fault(status=503)] * 9
    with pytest.raises(DownloadFailed, match=big):
        bring(hub, place)
    assert not place.folder.exists() and place.incoming_bytes > 4000
    assert [spec.name for spec in Catalogue(settings).specs("text2video")] == ["mini"]
    hub.seen.clear()
    hub.faults.clear()
    watch = Quiet()
    get(place, source(), hub.web(), watch)
    assert hub.fetched() == {"model_index.json", big}, "the index says what belongs to it; the rest is here"
    assert hub.asked(big)[0].start == 4000
    first = next(moment for moment in watch.moments if moment[0] == "fetch")
    assert 0 < first[2] < first[3], "what was fetched before counts"
    assert [spec.name for spec in Catalogue(settings).specs("text2video")] == ["mini", "tiny"]


def test_stop_is_heard_and_the_next_get_continues(hub: FakeHub, place: Place) -> None:
    big = "unet/diffusion_pytorch_model.safetensors"
    hub.faults[big] = [Fault(stall_after=6000)]
    watch = Quiet()
    watch.stop_when = lambda: any(moment[1] == big and moment[2] >= 6000 for moment in watch.moments)
    with pytest.raises(JobCancelled):
        get(place, source(), hub.web(), watch)
    hub.seen.clear()
    bring(hub, place)
    assert hub.asked(big)[0].start == 6000 and files_below(place.folder) == LOADED | {RECORD}


def test_a_branch_that_moved_brings_only_what_changed_and_leaves_nothing_behind(hub: FakeHub, place: Place) -> None:
    big = "unet/diffusion_pytorch_model.safetensors"
    hub.repos[REPO]["vae/old.json"] = b'{"old": 1}'
    hub.faults[big] = [Fault(drop_after=4000)] + [Fault(status=503)] * 9
    with pytest.raises(DownloadFailed):
        bring(hub, place)
    del hub.repos[REPO]["vae/old.json"]
    hub.repos[REPO]["vae/config.json"] = b'{"new": 1}'
    hub.seen.clear()
    hub.faults.clear()
    record = bring(hub, place)
    assert hub.fetched() == {"model_index.json", "vae/config.json", big} and hub.asked(big)[0].start == 4000
    assert files_below(place.folder) == LOADED | {RECORD} and record.commit == hub.commit(REPO)


def test_a_damaged_model_is_mended_file_by_file(hub: FakeHub, place: Place) -> None:
    record = bring(hub, place)
    assert damages(place.folder, record, lambda: False) == []
    target = place.folder / "vae/diffusion_pytorch_model.safetensors"
    target.write_bytes(target.read_bytes().replace(b"vae", b"VAE", 1))
    (place.folder / "tokenizer/merges.txt").unlink()
    (place.folder / "vae/config.json").write_bytes(b"{} ")
    (place.folder / "mine.txt").write_text("a note of the user's")
    assert [str(damage) for damage in damages(place.folder, record, lambda: False)] == [
        "vae/config.json has 3 bytes instead of 2",
        "tokenizer/merges.txt is missing",
        "vae/diffusion_pytorch_model.safetensors has changed since it was downloaded",
    ]
    hub.repos[REPO]["model_index.json"] = b"the branch has moved on"
    hub.seen.clear()
    bring(hub, place)
    assert hub.fetched() == {"vae/config.json", "tokenizer/merges.txt", "vae/diffusion_pytorch_model.safetensors"}
    assert not any("/api/" in seen.path for seen in hub.seen), "the record is enough"
    assert damages(place.folder, record, lambda: False) == []
    assert files_below(place.folder) == LOADED | {RECORD, "mine.txt"} and not place.incoming.exists()


def test_a_sound_model_is_left_alone(hub: FakeHub, place: Place) -> None:
    bring(hub, place)
    before = {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")}
    hub.seen.clear()
    bring(hub, place)
    assert hub.seen == [] and {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")} == before


def test_a_model_the_user_put_there_is_not_overwritten(hub: FakeHub, place: Place) -> None:
    place.folder.mkdir()
    (place.folder / "model_index.json").write_text("mine")
    with pytest.raises(InvalidRequest, match="already"):
        bring(hub, place)
    assert (place.folder / "model_index.json").read_text() == "mine" and hub.seen == []


def test_an_empty_folder_is_no_model(hub: FakeHub, place: Place, settings: Settings) -> None:
    place.folder.mkdir()
    bring(hub, place)
    assert files_below(place.folder) == LOADED | {RECORD}


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    hub: FakeHub, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = sum(len(hub.repos[REPO][name]) for name in LOADED)
    monkeypatch.setattr(weights, "free_bytes", lambda folder: total + 999)
    with pytest.raises(NotEnoughRoom, match=r"tiny needs 14 kB of disk; 14 kB are free"):
        get(place, source(), hub.web(), Quiet(), reserve_bytes=1000)
    assert hub.fetched() == {"model_index.json"}
    monkeypatch.setattr(weights, "free_bytes", lambda folder: total + 1000)
    get(place, source(), hub.web(), Quiet(), reserve_bytes=1000)
    assert place.folder.exists()


def test_a_disk_that_fills_up_on_the_way_is_a_sentence_and_the_rest_comes_later(
    hub: FakeHub, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = fetch.PartFile.note

    def full(self: Any, etag: str) -> None:
        if self.file.size_bytes > 5000:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.notes))
        note(self, etag)

    monkeypatch.setattr(fetch.PartFile, "note", full)
    with pytest.raises(NotEnoughRoom, match="disk is full"):
        bring(hub, place)
    assert not place.folder.exists()
    monkeypatch.setattr(fetch.PartFile, "note", note)
    bring(hub, place)
    assert files_below(place.folder) == LOADED | {RECORD}


def test_two_downloads_of_one_model_do_not_meet(hub: FakeHub, place: Place) -> None:
    big = "unet/diffusion_pytorch_model.safetensors"
    hub.faults[big] = [Fault(stall_after=100)] * 2
    first = threading.Thread(target=bring, args=(hub, place))
    first.start()
    watch = Quiet()
    watch.stop_when = lambda: any(moment[0] == "wait" for moment in watch.moments)
    while not hub.asked(big):
        first.join(0.01)
    with pytest.raises(JobCancelled):
        get(place, source(), hub.web(), watch)
    hub.released.set()
    first.join(20)
    assert not first.is_alive() and files_below(place.folder) == LOADED | {RECORD}


def test_a_record_that_cannot_be_read_is_none(place: Place) -> None:
    place.folder.mkdir()
    for text in ("", "{", "[]", '{"files": [{"path": 3}]}', "\udcff"):
        (place.folder / RECORD).write_text(text, encoding="utf-8", errors="surrogateescape")
        assert read_record(place.folder) is None
