"""A film leaves the studio as one folder or zip and comes back whole; a zip from elsewhere is not trusted."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from diffscaler.errors import ClipNotFound, DiffScalerError, InvalidRequest
from diffscaler.library.clips import ClipLibrary
from diffscaler.projects import edits, package, unpack
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.orders import Standing
from diffscaler.projects.package import Piece, pieces, write_folder, write_zip
from diffscaler.projects.project import Project, Take
from diffscaler.projects.reading import new_project
from diffscaler.projects.store import ProjectStore
from diffscaler.projects.unpack import is_package, open_package
from diffscaler.requests import ShotRequest
from diffscaler.settings import Settings
from diffscaler.video.wav import write_wav
from ui.commands import run

SCRIPT = "INT. KITCHEN - NIGHT\n\nA dog sleeps.\n\nMIRA\nSleep, dog.\n\nEXT. BEACH - DAY\n\nThe dog runs.\n"


@pytest.fixture
def film(library: ClipLibrary, tmp_path: Path) -> Project:
    """A film with two clips, one of them circled, and everything a person can have set."""
    project = new_project(SCRIPT, "Dog")
    first, second = project.board.shots[:2]
    project = edits.edit_shot(project, first.id, prompt="A dog <b>sleeps</b>.", note="Ask Anna")
    project = edits.edit_shot(project, second.id, locked=True)
    project = edits.set_role(project, "MIRA", member="Anna", appearance="a tall woman")
    takes = []
    for number, colour in ((1, "red"), (2, "blue")):
        path = tmp_path / f"{colour}.png"
        Image.new("RGB", (32, 24), colour).save(path)
        request = ShotRequest(name=first.name, card=colour, frames=5)
        takes.append(Take(first.id, number, number, False, library.add_file(path).key, request, number == 1, 1.0))
    return replace(project, takes=tuple(takes), film=FilmSettings(look="Noir", rate="25"))


def standing(film: Project) -> Standing:
    return Standing(frozenset(take.clip for take in film.takes), {})


def zipped(film: Project, library: ClipLibrary, path: Path, which: str = "all") -> Path:
    list(write_zip(pieces(film, standing(film), library, which), path))  # type: ignore[arg-type]
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> ClipLibrary:
    """The library of another machine."""
    return ClipLibrary(tmp_path / "elsewhere")


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_film_comes_back_whole_on_another_machine(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "film"
    if form == "zip":
        zipped(film, library, path)
    else:
        assert list(write_folder(pieces(film, standing(film), library, "all"), path))
    assert is_package(path)
    opened = open_package(path, elsewhere)
    assert opened.unread == () and opened.project == film  # a picture's key is its content, on every machine
    for take in opened.project.takes:
        assert elsewhere.path(take.clip).read_bytes() == library.path(take.clip).read_bytes()


def test_only_what_is_in_the_film_travels_when_the_circled_takes_are_asked_for(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path
) -> None:
    path = zipped(film, library, tmp_path / "film.zip", "circled")
    with zipfile.ZipFile(path) as packed:
        names = set(packed.namelist())
    clips = {"clips/SC1_SH010_T01.png"}
    assert names == {"film.json", "board.json", "script.fountain", "shots.csv"} | clips
    opened = open_package(path, elsewhere)
    assert len(opened.project.takes) == 2  # the other take can be made again
    assert elsewhere.complete_of([take.clip for take in opened.project.takes]) == {film.takes[0].clip}


def test_a_script_from_final_draft_goes_along_as_such(film: Project, library: ClipLibrary) -> None:
    found = {piece.name: piece.content for piece in pieces(replace(film, format="fdx"), standing(film), library, "all")}
    assert b"<FinalDraft" in found["script.fdx"]  # type: ignore[operator]


def test_a_folder_that_holds_something_is_not_written_over(film: Project, library: ClipLibrary, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InvalidRequest, match="there already"):
        list(write_folder(pieces(film, standing(film), library, "all"), tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A zip with other contents."""
    with zipfile.ZipFile(path) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out


def with_table(files: dict[str, bytes], change: Callable[[dict], None]) -> None:
    table = json.loads(files["film.json"])
    change(table)
    files["film.json"] = json.dumps(table).encode()


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/passwd", "clips/../../evil.png", "clips\\evil.png", "clips/"])
def test_a_clip_whose_name_leads_out_of_the_zip_is_left_alone(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, name: str
) -> None:
    path = zipped(film, library, tmp_path / "film.zip")

    def lead_out(files: dict[str, bytes]) -> None:
        files[name] = files["clips/SC1_SH010_T01.png"]
        with_table(files, lambda table: table["takes"][0].update(file=name))

    before = set(tmp_path.rglob("*"))
    opened = open_package(rewritten(path, lead_out), elsewhere)
    assert opened.unread == (name,)
    new = set(tmp_path.rglob("*")) - before
    assert all(at.is_relative_to(elsewhere.root) or at.name == "changed.zip" for at in new)


def with_board(files: dict[str, bytes], change: Callable[[dict], None]) -> None:
    board = json.loads(files["board.json"])
    change(board)
    files["board.json"] = json.dumps(board).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.pop("film.json"), "no film of the studio"),
        (lambda files: files.pop("board.json"), "no film of the studio"),
        (lambda files: files.update({"film.json": b"{"}), "cannot be read"),
        (lambda files: with_table(files, lambda table: table.update(version=2)), "cannot be read"),
        (lambda files: with_table(files, lambda table: table["takes"][0].update(clip="../x")), "cannot be read"),
        (lambda files: files.update({"board.json": b'{"shots": [{"id": 1}]}'}), "cannot be read"),
        (lambda files: with_board(files, lambda board: board["shots"][0].update(id='"><b>')), "whose id is '\"><b>'"),
        (lambda files: with_board(files, lambda board: board["shots"][0].update(part_of="../x")), "whose id is '../x'"),
        (lambda files: with_table(files, lambda table: table["takes"][0].update(shot="")), "whose id is ''"),
        (lambda files: files.update({"script.fountain": b"\0\1\2" * 50}), "not a text file"),
        (lambda files: files.update({"script.fountain": b"Nothing."}), "no scene"),
        (lambda files: files.update({"clips/SC1_SH010_T01.png": b"\0" * 30_000_000}), "unpacks to far more"),
        (lambda files: files.update({"film.json": b" " * 70_000_000}), "unpacks to far more"),
    ],
)
def test_a_zip_that_is_no_film_gets_a_sentence(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, change: Callable, said: str
) -> None:
    path = rewritten(zipped(film, library, tmp_path / "film.zip"), change)
    with pytest.raises(InvalidRequest, match=said):
        open_package(path, elsewhere)
    assert elsewhere.list() == [] or "unpacks" in said


@pytest.fixture
def loud(film: Project, library: ClipLibrary, tmp_path: Path) -> Project:
    """The film with a sound of one's own under it."""
    at = np.arange(rate := 8000) / rate
    sound = library.add_sound(write_wav(tmp_path / "See & Möwen.wav", 0.5 * np.sin(2 * np.pi * 200 * at)[None], rate))
    told = {"sound": sound, "sound_name": "See & Möwen.wav", "sound_at": "1.5"}
    return replace(film, film=film.film.model_copy(update=told))


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_ones_own_sound_travels_with_the_film(
    loud: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "film"
    if form == "zip":
        zipped(loud, library, path)
    else:
        assert list(write_folder(pieces(loud, standing(loud), library, "all"), path))
    opened = open_package(path, elsewhere)
    assert (opened.project, opened.silent) == (loud, "")
    sound = loud.film.sound
    assert elsewhere.file_path(sound).read_bytes() == library.file_path(sound).read_bytes()
    assert elsewhere.file_name(sound) == "See & Möwen.wav"


@pytest.mark.parametrize("wrong", ["another sound", "no sound", "a name that leads out", "is not there"])
def test_a_sound_that_is_not_the_films_is_left_out_and_told(
    loud: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, wrong: str
) -> None:
    def changed(files: dict[str, bytes]) -> None:
        (name,) = [name for name in files if name.startswith("sound/")]
        data = files.pop(name)
        if wrong == "another sound":
            files[name] = data[:-2] + b"\1\1"
        elif wrong == "no sound":
            files[name] = b"no sound at all"
            wanted = hashlib.sha256(files[name]).hexdigest()
            with_table(files, lambda table: table["film"].update(sound=wanted))
        elif wrong == "a name that leads out":
            files["sound/../../evil.wav"] = data
            with_table(files, lambda table: table.update(sound="sound/../../evil.wav"))

    before = set(tmp_path.rglob("*"))
    opened = open_package(rewritten(zipped(loud, library, tmp_path / "film.zip"), changed), elsewhere)
    assert opened.silent == "See & Möwen.wav" and opened.project.takes == loud.takes and opened.unread == ()
    with pytest.raises(ClipNotFound):
        elsewhere.file_path(opened.project.film.sound)
    new = {at.name for at in set(tmp_path.rglob("*")) - before if not at.is_relative_to(elsewhere.root)}
    assert new == {"film.zip", "changed.zip"}


def test_a_sound_that_is_too_large_is_refused_before_it_fills_the_disk(
    loud: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(loud, library, tmp_path / "film.zip")
    for module in (package, unpack):
        monkeypatch.setattr(module, "SOUND_BYTES", 1000)
    with pytest.raises(InvalidRequest, match=r"sound/See_M_wen\.wav in it is larger"):
        open_package(path, elsewhere)
    names = [piece.name for piece in pieces(loud, standing(loud), library, "all")]
    assert names and not any(name.startswith("sound/") for name in names)


def test_a_folder_that_cannot_be_finished_is_not_there(film: Project, library: ClipLibrary, tmp_path: Path) -> None:
    target = tmp_path / "out" / "film"
    found = pieces(film, standing(film), library, "all")
    writing = write_folder(found, target)
    next(writing)
    writing.close()  # somebody stops it
    assert list(target.parent.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        list(write_folder([*found, Piece("clips/gone.png", tmp_path / "gone.png")], target))
    assert list(target.parent.iterdir()) == []
    target.mkdir()  # an empty folder is as good as none
    assert list(write_folder(found, target)) and (target / "film.json").is_file()
    assert [path.name for path in target.parent.iterdir()] == ["film"]


def test_a_clip_that_is_no_picture_is_told_and_its_take_stays(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path
) -> None:
    path = rewritten(
        zipped(film, library, tmp_path / "film.zip"),
        lambda files: files.update({"clips/SC1_SH010_T01.png": b"no picture at all"}),
    )
    opened = open_package(path, elsewhere)
    assert opened.unread == ("clips/SC1_SH010_T01.png",) and opened.project.takes == film.takes


def test_a_folder_with_a_link_that_leads_out_of_it_is_not_followed(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path
) -> None:
    folder, secret = tmp_path / "film", tmp_path / "secret.png"
    list(write_folder(pieces(film, standing(film), library, "all"), folder))
    Image.new("RGB", (8, 8)).save(secret)
    (folder / "clips" / "SC1_SH010_T01.png").unlink()
    (folder / "clips" / "SC1_SH010_T01.png").symlink_to(secret)
    assert open_package(folder, elsewhere).unread == ("clips/SC1_SH010_T01.png",)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_zip_gets_a_sentence_or_opens(
    film: Project, library: ClipLibrary, elsewhere: ClipLibrary, tmp_path: Path, data: st.DataObject
) -> None:
    whole = zipped(film, library, tmp_path / "film.zip").read_bytes()
    broken = bytearray(whole)
    if data.draw(st.booleans()):
        broken = broken[: data.draw(st.integers(0, len(whole) - 1))]
    for _ in range(data.draw(st.integers(0, 5))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "broken.zip"
    path.write_bytes(broken)
    try:
        opened = open_package(path, elsewhere)
    except DiffScalerError as error:
        assert error.message and error.hint
    else:
        assert opened.project.board.shots


def test_a_film_is_saved_and_opened_from_the_command_line(
    film: Project, library: ClipLibrary, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ProjectStore(settings.projects_dir).add(film)
    assert library.root == settings.library_dir
    for out in (tmp_path / "saved", tmp_path / "saved.zip"):
        name = "dog" if out.suffix == "" else kept.id  # by then there are two called so
        assert run(["films", "save", name, "-o", str(out), "--all-takes"]) == 0
        assert "2 clips" in capsys.readouterr().out
        assert run(["films", "open", str(out)]) == 0
        opened = capsys.readouterr().out.split()[0]
        assert replace(ProjectStore(settings.projects_dir).get(opened), id="", changed=0.0) == film
    assert run(["films", "list"]) == 0
    assert kept.id in capsys.readouterr().out
    assert run(["films", "save", "cat", "-o", str(tmp_path / "x")]) == 1
    assert "There is no film 'cat'" in capsys.readouterr().err
    assert run(["films", "save", "dog", "-o", str(tmp_path / "x")]) == 1
    assert "3 films are called" in capsys.readouterr().err
    assert run(["films", "open", str(tmp_path / "red.png")]) == 1


def test_a_film_is_renamed_deleted_and_brought_back_from_the_command_line(
    film: Project, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ProjectStore(settings.projects_dir).add(film)
    assert run(["films", "rename", "dog", "Night of the dog"]) == 0
    assert capsys.readouterr().out == f"{kept.id}  Night of the dog\n"
    answers = io.StringIO("\n")
    monkeypatch.setattr("sys.stdin", answers)
    assert run(["films", "rm", kept.id]) == 1 and "Say --yes" in capsys.readouterr().err
    monkeypatch.setattr(answers, "isatty", lambda: True, raising=False)
    assert run(["films", "rm", kept.id]) == 1 and "It stays." in capsys.readouterr().err
    assert run(["films", "rm", "Night of the dog", "--yes"]) == 0
    assert f"films back {kept.id}" in capsys.readouterr().out
    assert run(["films", "list"]) == 0 and capsys.readouterr().out == ""
    assert run(["films", "list", "--removed"]) == 0 and "Night of the dog" in capsys.readouterr().out
    assert run(["films", "back", "Night of the dog"]) == 0
    assert ProjectStore(settings.projects_dir).get(kept.id).takes == kept.takes
