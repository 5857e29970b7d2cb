"""What the library promises: nothing half-written, nothing outside its folder, nothing lost that someone asked for."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import ClipNotFound, MediaError, NotEnoughRoom
from diffscaler.library import segments
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import safe_name
from diffscaler.library.trim import trim, used_bytes
from diffscaler.media import Chunk, ClipMeta, FrameChunk, TensorChunk
from diffscaler.plan import Node

META = ClipMeta(kind="frames", width=6, height=4, num_frames=8, duration_s=1.0)


def chunk(start: int, count: int = 4) -> FrameChunk:
    frames = np.random.RandomState(start).randint(0, 256, (count, 4, 6, 3), np.uint8)
    return FrameChunk(frames, start, np.arange(start, start + count) / 8)


def fill(library: ClipLibrary, node: Node, finish: bool = True) -> None:
    library.open(node, META)
    library.store(node.key, chunk(0))
    library.store(node.key, chunk(4))
    if finish:
        library.finish(node.key, META)


def photo(path: Path, seed: int = 0) -> Path:
    from PIL import Image

    Image.fromarray(np.random.RandomState(seed).randint(0, 256, (9, 7, 3), np.uint8)).save(path)
    return path


def test_frames_and_times_come_back_exactly(library: ClipLibrary) -> None:
    node = Node("clip", 1, {})
    fill(library, node)
    back = list(library.read(node.key))
    assert np.array_equal(np.concatenate([c.frames for c in back]), np.concatenate([chunk(0).frames, chunk(4).frames]))
    assert np.array_equal(np.concatenate([c.times for c in back]), np.arange(8) / 8)
    assert [c.start for c in library.read(node.key, 5)] == [5]


def test_tensors_come_back_exactly(library: ClipLibrary) -> None:
    node = Node("latents", 1, {})
    library.open(node, ClipMeta(kind="tensors", num_frames=3))
    library.store(node.key, TensorChunk({"latents": np.arange(6, dtype=np.float32)}, 0, 3))
    (back,) = library.read(node.key)
    assert isinstance(back, TensorChunk) and np.array_equal(back.tensors["latents"], np.arange(6))


def test_a_disk_that_fills_up_leaves_whole_segments_and_a_sentence(
    library: ClipLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node("clip", 1, {})
    library.open(node, META)
    library.store(node.key, chunk(0))
    real = segments.write

    def full(path: Path, data: Chunk) -> None:
        real(path, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments, "write", full)
    with pytest.raises(NotEnoughRoom, match="disk is full"):
        library.store(node.key, chunk(4))
    assert library.open(node, META) == 4
    assert len(list((library.root / "clips").rglob("*.*"))) == 1


def test_the_same_file_twice_is_one_file(library: ClipLibrary, tmp_path: Path) -> None:
    first = library.add_file(photo(tmp_path / "a.png"), "Ada.png")
    second = library.add_file(photo(tmp_path / "b.png"))
    assert first == second
    assert len(list((library.root / "files").iterdir())) == 1
    assert library.clip(first.key).title == "Ada.png" and library.clip(first.key).meta.still


@given(st.text(max_size=200))
def test_no_name_leaves_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and safe not in (".", "..") and Path("/x", safe).parent == Path("/x")
    assert not set(safe) & set('/\\<>:"|?*\0\n')


def test_path_tricks_in_names_and_keys(library: ClipLibrary, tmp_path: Path) -> None:
    node = library.add_file(photo(tmp_path / "a.png"), "../../../etc/passwd")
    assert library.clip(node.key).title == "passwd"
    for key in ("../../x", "*", "a' OR 1=1", "%"):
        with pytest.raises(ClipNotFound):
            library.clip(key)
        with pytest.raises(ClipNotFound):
            library.remove(key)


def test_a_text_file_is_refused_and_not_kept(library: ClipLibrary, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("this is not a video\n" * 50)
    with pytest.raises(MediaError) as error:
        library.add_file(path)
    assert "notes.mp4" in error.value.message and error.value.hint
    assert not (library.root / "files").exists() and library.list() == []


def test_removing_a_file_others_are_made_from_keeps_its_bytes(library: ClipLibrary, tmp_path: Path) -> None:
    source = library.add_file(photo(tmp_path / "a.png"))
    made = Node("upscale", 1, {}, (), (source,))
    fill(library, made)
    library.remove(source.key)
    assert library.file_path(source.params["sha256"]).exists()
    library.remove(made.key)
    again = library.add_file(photo(tmp_path / "a.png"))
    library.remove(again.key)
    with pytest.raises(ClipNotFound):
        library.file_path(source.params["sha256"])


def test_trimming_drops_idle_intermediates_and_never_results(library: ClipLibrary) -> None:
    nodes = [Node("clip", 1, {"n": n}) for n in range(4)]
    for node in nodes:
        fill(library, node)
    library.keep(nodes[0].key, "a result", None)
    removed = trim(library, 0, spare=[nodes[3]])
    assert set(removed) == {nodes[1].key, nodes[2].key}
    assert library.complete(nodes[0].key) and library.complete(nodes[3].key)


def test_what_an_unfinished_clip_can_go_on_from_counts_and_goes_with_it(
    library: ClipLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Node("clip", 1, {"n": 9})
    fill(library, begun, finish=False)
    before = used_bytes(library)
    folder = library.unfinished(begun.key)
    folder.mkdir()
    (folder / "000000.safetensors").write_bytes(bytes(5000))
    assert used_bytes(library) == before + 5000
    assert trim(library, 0) == [] and folder.exists(), "somebody may be about to go on"
    monkeypatch.setattr("diffscaler.library.trim.STALE_S", -1.0)
    assert trim(library, before + 4999) == [begun.key]
    assert not folder.exists() and used_bytes(library) == 0


def test_a_key_prefix_is_enough_when_only_one_has_it(library: ClipLibrary) -> None:
    node = Node("clip", 1, {})
    fill(library, node)
    assert library.clip(node.key[:8]).key == node.key
    with pytest.raises(ClipNotFound):
        library.clip(node.key[:3])


def test_two_writers_at_once_do_not_disturb_each_other(library: ClipLibrary) -> None:
    nodes = [Node("clip", 1, {"n": n}) for n in range(6)]
    failures: list[BaseException] = []

    def work(node: Node) -> None:
        try:
            fill(ClipLibrary(library.root), node)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(sum(len(c.frames) for c in library.read(node.key)) == 8 for node in nodes)


def test_search_takes_the_users_words_literally(library: ClipLibrary) -> None:
    for title in ("100% rain", "100 dogs", "snow_cat"):
        node = Node("encode", 1, {"t": title})
        fill(library, node)
        library.keep(node.key, title, {"type": "x"})
    assert [clip.title for clip in library.list(search="100%")] == ["100% rain"]
    assert [clip.title for clip in library.list(search="w_c")] == ["snow_cat"]


def test_a_clip_whose_files_were_deleted_by_hand_is_made_again(library: ClipLibrary) -> None:
    node = Node("clip", 1, {})
    fill(library, node)
    assert library.complete(node.key)
    next((library.root / "clips").rglob("00000004-*.mkv")).unlink()
    assert not library.complete(node.key)
    assert library.open(node, META) == 4


def test_a_damaged_segment_is_made_anew(library: ClipLibrary) -> None:
    node = Node("clip", 1, {})
    fill(library, node)
    path = next((library.root / "clips").rglob("00000004-*.mkv"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert not library.complete(node.key) and library.open(node, META) == 4
    fill(library, node)
    path.write_bytes(b"x" * len(path.read_bytes()))  # same size, other bytes: found when it is read
    with pytest.raises(MediaError):
        list(library.read(node.key))
    assert not library.complete(node.key) and library.open(node, META) == 4


def test_deleting_a_result_deletes_what_only_it_was_made_from(library: ClipLibrary, tmp_path: Path) -> None:
    source = library.add_file(photo(tmp_path / "a.png"))
    shared = Node("upscale", 1, {}, (), (source,))
    results = [Node("encode", 1, {"n": n}, (), (shared,)) for n in range(2)]
    for node in (shared, *results):
        fill(library, node)
    for node in results:
        library.keep(node.key, "a result", None)
    library.remove(results[0].key)
    assert library.complete(shared.key), "the other result still stands on it"
    library.remove(results[1].key)
    assert not library.complete(shared.key)
    assert library.clip(source.key).kept, "what a person gave stays until they delete it"


def test_what_was_only_looked_up_holds_nothing_back_and_goes_along(library: ClipLibrary, tmp_path: Path) -> None:
    source = library.add_file(photo(tmp_path / "a.png"))
    face = library.add_file(photo(tmp_path / "face.png", 1))
    sha256 = face.params["sha256"]
    found = Node("detect_faces", 1, {}, (), (source,))
    swapped = Node("swap_face", 1, {"photos": [sha256]}, (), (source, found))
    corrected = Node("correct_swap", 1, {}, (), (source, found, swapped))
    reviews = [Node("review_swap", 1, {}, (), (source, found, at)) for at in (swapped, corrected)]
    results = [Node("encode", 1, {}, (), (at,)) for at in (swapped, corrected)]
    inspected = Node("inspect_photo", 1, {"photo": sha256})
    for node in (found, swapped, corrected, *reviews, *results, inspected):
        fill(library, node)
    for node in results:
        library.keep(node.key, "a result", None)
    library.remove(results[0].key)
    assert library.complete(swapped.key), "the corrected result stands on it"
    library.remove(source.key)
    assert library.complete(found.key) and library.file_path(source.params["sha256"]).exists()
    library.remove(results[1].key)
    library.remove(face.key)
    assert list((library.root / "files").iterdir()) == [] and used_bytes(library) == 0
    with library.db.reading() as db:
        assert db.execute("SELECT key FROM clip").fetchall() == []


def test_a_lookup_that_was_kept_still_counts(library: ClipLibrary, tmp_path: Path) -> None:
    source = library.add_file(photo(tmp_path / "a.png"))
    found = [Node("detect_faces", n, {}, (), (source,)) for n in range(2)]
    for node in found:
        fill(library, node)
    library.keep(found[0].key, "faces", None)
    library.remove(source.key)
    assert library.complete(found[0].key) and library.file_path(source.params["sha256"]).exists()
    library.remove(found[0].key)
    assert used_bytes(library) == 0


def test_a_folder_of_pictures_is_one_clip(library: ClipLibrary, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(3):
        photo(folder / f"frame_{n}.png", n)
    node = library.add_file(folder)
    assert library.clip(node.key).meta.num_frames == 3
    assert sum(len(c.frames) for c in library.read(node.key)) == 3
    library.remove(node.key)
    assert list((library.root / "files").iterdir()) == []
