"""What the Storyboard tab delivers of a film: the files of the film command, from the takes on its board."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import opentimelineio as otio
import pytest
from PIL import Image

from diffscaler import plan
from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest
from diffscaler.film import cards
from diffscaler.film import folder as folders
from diffscaler.film.cutting import ShotInFilm
from diffscaler.film.making import FilmStopped
from diffscaler.projects import edits
from diffscaler.projects.as_made import as_made
from diffscaler.projects.deliver import LEFT_S, Delivered, FilmFiles, Item, Wanted
from diffscaler.projects.handover import Handover, Handovers
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import Project, Take, edges_by_shot
from diffscaler.projects.reading import new_project, read_again
from diffscaler.requests import DeliverRequest, FaceSwapRequest, ShotRequest, UpscaleRequest
from diffscaler.screenplay.shot_table import read_csv
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video.probe import probe
from diffscaler.video.wav import write_wav
from tests.fakes import FakeLender, FakeWatcher
from tests.film.speaking import FakeSpeech
from tests.film.test_soundtrack import heard, onset_s, shown
from ui.film_files import of_handover

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for espeak-ng is a script with a #! line")

SCRIPT = "INT. A - DAY\n\n> ONE <\n\nDISSOLVE TO:\n\nEXT. B - DAY\n\n> TWO <\n\nMIRA\nHello, dog.\n\n> THREE <\n"
FRAMES = 12
MADE = ["SC1_SH020", "SC2_SH010", "SC2_SH030"]


@dataclass
class Told:
    """A teller that writes down what it is told, and stops it at a word."""

    stop_at: str = "never"
    steps: list[str] = field(default_factory=list[str])

    def job(self, *_: Any, **__: Any) -> None: ...
    def shot(self, *_: Any, **__: Any) -> None: ...

    def step(self, what: str, job: Any) -> None:
        self.part(what, 0.0)

    def part(self, what: str, fraction: float) -> None:
        self.steps.append(what)
        if what.startswith(self.stop_at):
            raise FilmStopped


def works_here(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done at once, in this process."""

    def ensure() -> None:
        while job := studio.queue.lease("test"):
            Engine(studio.library, FakeLender()).run(plan.load(job.payload["plan"]), FakeWatcher())
            studio.library.keep(job.payload["key"], job.title, job.request)
            studio.queue.end(job.id, "done", result=job.payload["key"])

    monkeypatch.setattr(studio.keeper, "ensure", ensure)


def take_of(studio: Studio, film: Project, shot: Any, handles: int) -> Take:
    """A card in place of what would be drawn: made in a moment."""
    at = film.film
    request = ShotRequest(
        name=shot.name, card=shot.text, frames=shot.frames + handles, width=at.width, height=at.height
    )  # fmt: skip
    clip = studio.follow(studio.submit(request).id)
    *_, job = clip
    return Take(shot.id, 1, 1, shot.role != "title", job.result or "", request)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deliver")
    at = np.arange(rate := 22050) / rate
    write_wav(root / "sea.wav", 0.5 * np.sin(2 * np.pi * 200 * at)[None], rate)
    return root


@pytest.fixture(scope="module")
def studio(home: Path) -> Iterator[Studio]:
    speech = FakeSpeech(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", speech.path)
        patch.setattr(cards, "SCENE_S", 0.5)
        studio = Studio(Settings(data_dir=home / "data"))
        works_here(studio, patch)
        yield studio


@pytest.fixture(scope="module")
def film(studio: Studio) -> Project:
    """Three of its six shots are made; those that dissolve have frames for it."""
    film = new_project(SCRIPT, "Two: scenes")
    film = edits.set_film(film, film.film.model_copy(update={"aspect": "1:1"}))
    for shot in film.board.shots:
        film = edits.edit_shot(film, shot.id, frames=FRAMES)
    edges = edges_by_shot(film)
    takes = tuple(
        take_of(studio, film, shot, edges[shot.id].head + edges[shot.id].tail)
        for shot in film.board.shots
        if shot.name in MADE
    )
    return studio.projects.add(replace(film, takes=takes))


def write(studio: Studio, film: Project, *items: Item, told: Told | None = None, **more: Any) -> Delivered:
    return FilmFiles(studio, film, Wanted(items=items, **more), told or Told()).write()


def test_the_animatic_dissolves_has_cards_and_speaks(studio: Studio, film: Project) -> None:
    made = write(studio, film, "animatic")
    info = probe(made.files[0])
    drawn = len(film.takes) * FRAMES
    assert info.num_frames == drawn + 2 * 12, "and a card before both scenes"
    assert studio.library.clip(made.animatic).meta.num_frames == info.num_frames
    assert [text for *_, text in shown(made.files[0])] == ["Hello, dog."]
    assert np.abs(heard(made.files[0])[0]).max() > 0.1
    request: Any = studio.library.clip(made.animatic).request
    assert "SC2_SH030  take 1 (draft)" in request["labels"] and "SC1_CARD" in request["labels"][0]
    assert made.said == (
        "3 of 6 shots are not made yet and are left out.",
        "Clips are longer than their shots by the frames they dissolve with, the film is not:"
        " SC1_SH020 (6 behind), SC2_SH010 (6 before).",
        "SC2_SH010 is outdated. It was a card and is a picture now, or the other way round.",
        "SC2_SH030 is outdated. It was a card and is a picture now, or the other way round.",
        "Preview makes what is outdated anew.",
        "Heard: 1 line of scratch dialogue spoken by espeak-ng 9.87.",
    )
    bare = edits.set_film(film, film.film.model_copy(update={"cards": "none"}))
    request = studio.library.clip(write(studio, bare, "animatic").animatic).request
    assert [shot["dissolve"] for shot in request["cut"]] == [0, FRAMES, 0], "without a card between the two scenes"


def test_where_nobody_speaks_it_says_why_and_one_s_own_sound_is_heard(
    studio: Studio, film: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    silent = edits.set_film(film, film.film.model_copy(update={"cards": "none"}))
    assert "The film is silent: espeak-ng is not installed" in write(studio, silent, "animatic").said[-1]
    told = {"sound": studio.library.add_sound(home / "sea.wav"), "sound_name": "sea.wav", "sound_at": "0.5"}
    loud = edits.set_film(silent, silent.film.model_copy(update=told))
    made = write(studio, loud, "animatic")
    samples, rate = heard(made.files[0])
    assert np.abs(samples[:, : rate // 3]).max() < 0.01 < np.abs(samples[:, rate // 2 + 2000 :]).max()
    assert made.said[-1].startswith("Heard: sea.wav; no scratch dialogue: espeak-ng is not installed")
    gone = edits.set_film(loud, loud.film.model_copy(update={"sound": "0" * 64}))
    with pytest.raises(InvalidRequest, match=r"sea\.wav is not in this studio"):
        write(studio, gone, "animatic")


def test_an_animatic_that_is_worked_on_keeps_its_dialogue_its_sound_and_its_subtitles(
    studio: Studio, film: Project, home: Path
) -> None:
    told = {"sound": studio.library.add_sound(home / "sea.wav"), "sound_name": "sea.wav", "sound_at": "0.5"}
    loud = edits.set_film(film, film.film.model_copy(update={**told, "sound_track": "own", "cards": "none"}))
    made = write(studio, loud, "animatic")
    before, clip = heard(made.files[0]), made.animatic
    voice = onset_s(*before)
    asked: list[Any] = [
        DeliverRequest(clip=clip, encoding="prores", frame_rate="30"),
        UpscaleRequest(clip=clip, scale=1, fps_times=2),
    ]
    for request in asked:
        *_, job = studio.follow(studio.submit(request).id)
        path = studio.library.path(job.result or "")
        info = probe(path)
        assert len(info.audio) == 2 and info.duration_s == pytest.approx(len(MADE) * FRAMES / 24, abs=0.05)
        assert onset_s(*heard(path, 0)) == pytest.approx(voice, abs=0.02)
        assert onset_s(*heard(path, 1)) == pytest.approx(0.5, abs=0.02)
        assert [text for *_, text in shown(path)] == ["Hello, dog."]
        assert shown(path)[0][0] == pytest.approx(shown(made.files[0])[0][0], abs=0.02)
        assert info.timecode == "", "at another rate its frames would count differently"
        again = studio.recipe(DeliverRequest(clip=job.result or "", encoding="h264")).root
        assert again.params["soundtrack"]["own"] == told["sound"] and [at.stage for at in again.inputs[1:]] == ["speak"]


def test_an_animatic_that_is_delivered_again_keeps_its_timecode_unless_one_is_said(
    studio: Studio, film: Project
) -> None:
    clip = write(studio, film, "animatic").animatic
    told = {"h264": "01:00:00:00", "prores": "01:00:00:00", "webm": ""}
    codes: dict[str, str] = {}
    for encoding in told:
        *_, job = studio.follow(studio.submit(DeliverRequest(clip=clip, encoding=encoding)).id)
        codes[encoding] = probe(studio.library.path(job.result or "")).timecode
        if encoding == "prores":
            again = DeliverRequest(clip=job.result or "", encoding="dnxhr")
            assert studio.recipe(again).root.params["timecode"] == told["prores"], "and what was made of it as well"
    assert codes == told
    other = studio.recipe(DeliverRequest(clip=clip, encoding="prores", timecode="10:00:00:00"))
    assert other.root.params["timecode"] == "10:00:00:00"


def test_what_is_delivered_says_which_takes_are_outdated(studio: Studio, film: Project) -> None:
    wet = edits.edit_shot(film, film.board.shots[1].id, text="ONE, WET")
    changed = read_again(wet, SCRIPT.replace("TWO", "ZWEI"))
    made = write(studio, changed, "html", "sheet")
    assert "SC1_SH020 is outdated. The words on its card have changed." in made.said
    page = next(path for path in made.files if path.suffix == ".html").read_text("utf-8")
    assert page.count("<strong>Outdated.</strong>") == 3 and "The words on its card have changed." in page
    whole = replace(film, takes=tuple(take for take in film.takes if take.shot == film.board.shots[1].id))
    assert not any("outdated" in said for said in write(studio, whole, "html").said)
    lost = edits.set_film(changed, changed.film.model_copy(update={"model": "gone"}))
    assert not any("It was a card" in said for said in write(studio, lost, "html").said)


def test_faces_and_upscalers_leave_a_film_its_sound_and_take_no_line_for_transparency(
    studio: Studio, film: Project, tmp_path: Path
) -> None:
    clip = write(studio, film, "animatic").animatic
    track = studio.library.clip(clip).node.params["soundtrack"]
    Image.new("RGB", (64, 64)).save(tmp_path / "face.png")
    face = studio.add_file(tmp_path / "face.png").key
    swapped = studio.recipe(FaceSwapRequest(clip=clip, faces=(face,), consent="me")).root
    larger = studio.recipe(UpscaleRequest(clip=clip, scale=2)).root
    for root in (swapped, larger):
        assert root.params["soundtrack"] == track and [at.stage for at in root.inputs[1:]] == ["speak"]
    trial = studio.recipe(UpscaleRequest(clip=clip, scale=2, start_s=0, length_s=0.5)).root
    assert "soundtrack" not in trial.params and trial.inputs[1:] == (), "a part of it is heard out of step"


@pytest.mark.parametrize("media", ["clips", "prores"])
def test_a_cut_that_is_unpacked_elsewhere_finds_its_media(
    studio: Studio, film: Project, tmp_path: Path, media: str
) -> None:
    film = edits.set_film(film, film.film.model_copy(update={"cards": "none"}))
    (path,) = write(studio, film, "cut", media=media).files
    with zipfile.ZipFile(path) as packed:
        packed.extractall(tmp_path)
    (lies,) = tmp_path.glob("*.otio")
    timeline: Any = otio.adapters.read_from_file(str(lies))
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == MADE
    assert len(list(timeline.video_tracks()[0])) == len(clips) + 1, "the dissolve"
    urls = [clip.media_reference.target_url for clip in clips]
    trees = {suffix: ElementTree.parse(lies.with_suffix(suffix)) for suffix in (".xml", ".fcpxml")}
    urls += [node.text or "" for node in trees[".xml"].iter("pathurl")]
    urls += [node.attrib["src"] for node in trees[".fcpxml"].iter("asset")]
    assert len(urls) == 9 and all((tmp_path / url).is_file() for url in urls), urls
    for clip in clips:
        info = probe(tmp_path / clip.media_reference.target_url)
        assert info.num_frames == clip.media_reference.available_range.duration.value
    assert lies.with_suffix(".edl").exists() and lies.with_suffix(".srt").exists() and (tmp_path / "shots.csv").exists()
    assert not [at for at in path.parent.iterdir() if at.name.startswith(".")], "nothing is left of the writing"


def test_boards_lists_and_the_film_come_as_files_or_as_one_zip(studio: Studio, film: Project) -> None:
    items: tuple[Item, ...] = ("pdf", "html", "sheet", "list", "film")
    files = {path.name: path for path in write(studio, film, *items).files}
    assert list(files) == [
        "Two_ scenes shots.csv", "Two_ scenes board.pdf", "Two_ scenes board.html", "Two_ scenes contact sheets.zip",
        "Two_ scenes.zip",
    ]  # fmt: skip
    assert len(read_csv(files["Two_ scenes shots.csv"].read_text("utf-8-sig")).shots) == 6
    page = files["Two_ scenes board.html"].read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 3 and "SC2_SH040" in page, "the shot nobody drew is on it as well"
    (one,) = write(studio, film, *items, one_zip=True).files
    with zipfile.ZipFile(one) as packed:
        names = packed.namelist()
    assert {"shots.csv", "board/board.pdf", "board/board.html", "board/sheet-SC1.jpg", "film/film.json"} <= set(names)
    assert len(names) == len(set(names))


def test_takes_from_before_a_dissolve_are_cut_and_takes_that_fit_no_more_are_refused(
    studio: Studio, film: Project
) -> None:
    first = film.board.shots[1]
    plain = replace(film, takes=(take_of(studio, film, first, 0), *film.takes[1:]))
    plain = edits.set_film(plain, plain.film.model_copy(update={"cards": "none"}))
    made = write(studio, plain, "animatic")
    request: Any = studio.library.clip(made.animatic).request
    assert [shot["dissolve"] for shot in request["cut"]] == [0, 0, 0]
    assert "Without frames to dissolve with, so they are cut: SC1_SH020." in made.said[1]
    for change, sentence in (({"rate": "25"}, "another size or at another frame"), ({"height": 540}, "another size")):
        other = edits.set_film(film, film.film.model_copy(update=change))
        with pytest.raises(InvalidRequest, match=sentence):
            write(studio, other, "cut")
    with pytest.raises(InvalidRequest, match="lasts 90 frames"):
        write(studio, edits.edit_shot(film, first.id, frames=90), "animatic")
    with pytest.raises(InvalidRequest, match="No shot"):
        write(studio, replace(film, takes=()), "animatic")
    with pytest.raises(InvalidRequest, match="Nothing was chosen"):
        write(studio, film)


def test_a_shot_shows_the_frames_it_was_drawn_for_whatever_becomes_of_its_dissolves(film: Project) -> None:
    """Its clip's handles were noted when it was made; the film may have come to need others, or none."""
    one, other = film.board.shots[1:3]
    assert (edges_by_shot(film)[one.id].tail, edges_by_shot(film)[other.id].head) == (FRAMES // 2, FRAMES // 2)

    def made(handles: dict[str, tuple[int, int]], dissolve_s: float = 0.5) -> dict[str, ShotInFilm]:
        takes = []
        for shot, (head, tail) in handles.items():
            request = ShotRequest(name=shot, card="x", frames=head + FRAMES + tail, head=head, width=360, height=360)
            takes.append(Take(shot, 1, 1, False, shot.ljust(40, "0"), request))
        at = edits.set_film(film, film.film.model_copy(update={"cards": "none", "dissolve_s": dissolve_s}))
        standing = Standing(frozenset(take.clip for take in takes), {})
        cut = as_made(replace(at, takes=tuple(takes)), standing).cut("none")
        return {placed.shot.id: placed.in_film for placed in cut}

    for dissolve_s, dissolve in ((0.5, FRAMES), (0.25, 6), (0.0, 0)):
        shown = made({one.id: (0, 6), other.id: (6, 0)}, dissolve_s)
        assert shown[one.id] == ShotInFilm(start=0, stop=FRAMES)
        assert shown[other.id] == ShotInFilm(start=6, stop=6 + FRAMES, dissolve=dissolve), "never a frame of its handle"
    shown = made({one.id: (0, 6), other.id: (0, 6)})
    assert shown[other.id] == ShotInFilm(start=0, stop=FRAMES), "as long, and the frames lie at the other end"
    with pytest.raises(InvalidRequest, match="and its take has 10"):
        made({one.id: (8, -2)})


def test_a_film_that_is_stopped_leaves_nothing_half_written(studio: Studio, film: Project) -> None:
    folder = studio.projects.folder(film.id)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} if folder.exists() else {}
    for word in ("Copying", "Packing"):
        with pytest.raises(FilmStopped):
            write(studio, film, "cut", told=Told(word))
        assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    handover = Handover(studio, film, Wanted(items=("cut",)))
    handover.stop()
    handover.start()
    assert handover.wait(60) and handover.state == "stopped" and "goes on from there" in of_handover(handover)


def test_what_a_studio_that_was_killed_left_behind_is_removed_in_time(studio: Studio, film: Project) -> None:
    folder = studio.projects.folder(film.id)
    folder.mkdir(parents=True, exist_ok=True)
    left = [folder / name for name in (".0123abcd", ".89abcdef", f"{'0a' * 16}.part", ".mine", "mine.zip")]
    for path in left[:2]:
        (path / "clips").mkdir(parents=True)
        (path / "clips" / "SC1_SH010.mp4").write_bytes(b"half a clip")
    for path in left[2:]:
        path.write_bytes(b"x")
    for path in (left[0], *left[2:]):
        os.utime(path, (time.time() - 2 * LEFT_S,) * 2)
    write(studio, film, "list")
    assert [path.name for path in left if path.exists()] == [".89abcdef", ".mine", "mine.zip"], (
        "none that may be at work"
    )
    for path in (*left[3:], left[1] / "clips" / "SC1_SH010.mp4"):
        path.unlink()
    shutil.rmtree(left[1])


def test_a_folder_that_cannot_be_prepared_is_not_left_there(
    studio: Studio, film: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place_for(_: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "place_for", place_for)
    with pytest.raises(InvalidRequest, match="No space left"):
        write(studio, film, "list")
    assert not [path for path in studio.projects.folder(film.id).iterdir() if path.name.startswith(".")]


def test_a_film_is_written_beside_the_page_and_says_what_ended_it(studio: Studio, film: Project) -> None:
    handovers = Handovers(studio)
    made = handovers.begin(film.id, Wanted(items=("list",)))
    assert made.wait(60) and made.state == "done" and "Two_ scenes shots.csv" in of_handover(made)
    failed = handovers.begin(film.id, Wanted(items=()))
    assert failed.wait(60) and "Nothing was chosen." in of_handover(failed) and handovers.of(film.id) is failed
    with pytest.raises(InvalidRequest, match="no longer in the studio"):
        handovers.begin("0123456789ab", Wanted())
