"""What a film still needs: drafts before finals, nothing twice, and after a change only what it reaches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from diffscaler import plan
from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest, NotEnoughRoom
from diffscaler.jobs.lanes import holder_of
from diffscaler.jobs.lender import CatalogueLender
from diffscaler.models.device import pick_device
from diffscaler.models.fit import Room
from diffscaler.models.residency import Residency
from diffscaler.projects import edits, making
from diffscaler.projects.asking import Asking
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.forecast import forecast
from diffscaler.projects.freshness import difference, why_stale
from diffscaler.projects.orders import Order, another_take, needed
from diffscaler.projects.project import Project, shown_take
from diffscaler.projects.reading import new_project, read_again
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.fakes import FakeWatcher
from tests.text2video.tiny import save_tiny_animatediff

SCRIPT = "INT. KITCHEN - NIGHT\n\nA dog sleeps.\n\nEXT. BEACH - DAY\n\nMIRA\nRun, dog!\n\n> THE END <\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    model = save_tiny_animatediff(folder / "tiny")
    native = "width = 96\nheight = 64\nnum_frames = 8\nmax_frames = 16\nfps = 2\nnum_inference_steps = 2"
    (model / "model.toml").write_text(f'title = "tiny"\n[native]\n{native}\n', encoding="utf-8")
    return folder


@pytest.fixture
def studio(settings: Settings, models: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.models_dir.symlink_to(models, target_is_directory=True)
    studio = Studio(settings)
    monkeypatch.setattr(studio.keeper, "ensure", lambda: None)  # the tests are the worker
    return studio


@pytest.fixture
def film(studio: Studio) -> Project:
    film = new_project(SCRIPT, "Dog", film=FilmSettings(model="tiny"))
    for shot in film.board.shots:
        film = edits.edit_shot(film, shot.id, frames=6)  # so that they are made soon
    return studio.projects.add(film)


def orders(studio: Studio, film: Project, only: Iterable[str] | None = None) -> list[Order]:
    asking = making.asking_of(studio, film)
    return needed(film, asking, making.standing_of(studio, film), None if only is None else set(only))


def names(found: list[Order]) -> list[str]:
    return [f"{order.shot.name} {order.take.label}" for order in found]


def submitted(studio: Studio, film: Project, found: list[Order]) -> Project:
    making.submit(studio, film.id, found, making.planned(studio, found))
    return studio.projects.get(film.id)


def carried_out(studio: Studio) -> dict[str, list[str]]:
    """Do every job that waits, in order, here; by shot, the stages that ran."""
    lender = CatalogueLender(studio.catalogue, Residency(pick_device("cpu"), 8 * 2**30))
    ran: dict[str, list[str]] = {}
    while job := studio.queue.lease("test"):
        watcher = FakeWatcher()
        Engine(studio.library, lender).run(plan.load(job.payload["plan"]), watcher)
        studio.library.keep(job.payload["key"], job.title, job.request)
        studio.queue.end(job.id, "done", result=job.payload["key"])
        stages = dict.fromkeys(report.stage for report in watcher.reports)
        ran.setdefault(str((job.request or {})["name"]), []).extend(stages)
    return ran


DRAFTS = ["SC1_SH010", "SC1_SH020", "SC2_SH010", "SC2_SH020"]


def test_drafts_of_all_shots_come_before_the_final_of_any_scene_by_scene(studio: Studio, film: Project) -> None:
    assert names(orders(studio, film)) == [*(f"{name} take 1 (draft)" for name in DRAFTS), "SC2_SH030 take 1"]
    film = edits.set_film(film, film.film.model_copy(update={"finals": True}))
    found = names(orders(studio, film))
    assert found[5:] == [f"{name} take 1" for name in DRAFTS]  # a card is no draft
    assert names(orders(studio, film, {film.board.shots[2].id})) == ["SC2_SH010 take 1 (draft)", "SC2_SH010 take 1"]


def test_a_model_that_draws_a_draft_no_quicker_makes_no_drafts(studio: Studio, film: Project) -> None:
    film = edits.set_film(film, FilmSettings(model="tiny", finals=True))
    usual = studio.catalogue.spec("tiny", "text2video")
    one_step = usual.model_copy(update={"native": {**usual.native, "num_inference_steps": 1, "width": 64}})
    found = needed(film, Asking(film, one_step, studio.cast), making.standing_of(studio, film))
    assert [order.take.draft for order in found] == [False] * 5


def test_what_is_asked_for_is_on_the_board_at_once_and_never_asked_twice(studio: Studio, film: Project) -> None:
    found = orders(studio, film)
    film = submitted(studio, film, found)
    jobs = studio.queue.list(ended=False)
    assert [job.title.partition(":")[0] for job in jobs] == [*DRAFTS, "SC2_SH030"]
    assert {take.clip for take in film.takes} == {job.payload["key"] for job in jobs}
    assert orders(studio, film) == []
    film = submitted(studio, film, found)  # another page pressed the button as well
    assert len(film.takes) == 5 and len(studio.queue.list(ended=False)) == 5
    making.stop(studio, film)
    assert {making.standing_of(studio, film).state(take.clip) for take in film.takes} == {"stopped"}
    again = orders(studio, film)
    assert [order.fresh for order in again] == [False] * 5  # the same takes go on; no second ones
    assert len(submitted(studio, film, again).takes) == 5


def test_a_take_that_was_planned_before_an_edit_is_no_take_of_the_edited_shot(studio: Studio, film: Project) -> None:
    film = edits.set_film(film, film.film.model_copy(update={"finals": True}))
    film = studio.projects.change(film.id, lambda _: film)
    at = film.board.shots[1].id
    early = orders(studio, film, [at])  # one page begins to plan
    film = studio.projects.change(film.id, lambda p: edits.edit_shot(p, at, prompt="A white dog sleeps."))
    late = orders(studio, film, [at])  # the other page edits the shot, and is quicker
    film = submitted(studio, film, late)
    film = submitted(studio, film, early)
    takes = {take.label: take for take in film.takes_of(at)}
    assert list(takes) == ["take 1 (draft)", "take 1", "take 2 (draft)", "take 2"]
    prompts = [take.request.drawn.prompt for take in takes.values() if take.request.drawn]
    assert prompts[0] == prompts[1] == "A white dog sleeps." and prompts[2] == prompts[3] != prompts[0]
    jobs = {job.payload["key"] for job in studio.queue.list(ended=False)}
    assert jobs == {take.clip for take in film.takes_of(at)}, "every clip that is drawn is a take of the board"
    assert why(studio, film, at) == "Its prompt has changed."
    again = orders(studio, film, [at])
    assert names(again) == ["SC1_SH020 take 3"]
    film = submitted(studio, film, again)
    assert {job.payload["key"] for job in studio.queue.list(ended=False)} == jobs, "what it asks for is on its way"
    assert why(studio, film, at) == "" and orders(studio, film, [at]) == []


def test_a_mark_that_came_while_a_take_was_planned_stays(studio: Studio, film: Project) -> None:
    at = film.board.shots[1].id
    film = studio.projects.change(film.id, lambda p: edits.edit_shot(p, at, prompt="My own words."))
    film = submitted(studio, film, orders(studio, film, [at]))
    asking = making.asking_of(studio, film)
    early = another_take(film, asking, [film.shot(at)])
    film = studio.projects.change(film.id, lambda p: read_again(p, SCRIPT.replace("sleeps", "snores")))
    film = submitted(studio, film, early)
    assert "snores" in why(studio, film, at), "this take was asked for before the script said so"
    film = submitted(studio, film, another_take(film, making.asking_of(studio, film), [film.shot(at)]))
    assert why(studio, film, at) == ""


def test_an_edit_that_is_taken_back_brings_the_earlier_take_back(studio: Studio, film: Project) -> None:
    at, clips = film.board.shots[4].id, []
    for text in ("THE END", "FIN", "THE END"):
        film = studio.projects.change(film.id, lambda p, text=text: edits.edit_shot(p, at, text=text))
        film = submitted(studio, film, orders(studio, film, [at]))
        carried_out(studio)
        clips.append(making.film_clips(film, making.standing_of(studio, film))[at].clip)
    assert clips[0] == clips[2] != clips[1] and why(studio, film, at) == ""
    assert orders(studio, film, [at]) == []


def test_a_take_whose_model_was_replaced_is_made_under_a_name_of_its_own(studio: Studio, film: Project) -> None:
    at = film.board.shots[4].id  # a card: it is made in a moment
    film = submitted(studio, film, orders(studio, film, [at]))
    making.stop(studio, film)
    old = replace(film.takes_of(at)[0], clip="0" * 40)  # what it was under the model of that day
    other = studio.projects.add(replace(film, takes=(old,)))
    other = studio.projects.change(other.id, lambda p: edits.circle(p, at, 1, False))
    other = submitted(studio, other, orders(studio, other, [at]))
    assert [(take.label, take.circled) for take in other.takes_of(at)] == [("take 1", False), ("take 2", True)]
    assert set(carried_out(studio)) == {"SC2_SH030"}
    assert making.film_clips(other, making.standing_of(studio, other))[at].number == 2


def test_only_what_a_change_reaches_is_made_again(studio: Studio, film: Project, tmp_path: Path) -> None:
    """Real stages of a tiny model: what ran is counted."""
    from PIL import Image
    from skimage import data

    photos = []
    for name, shift in (("one", 0), ("two", 8)):
        Image.fromarray(data.astronaut()[: 300 + shift, 100:360]).save(tmp_path / f"{name}.png")
        photos.append(studio.add_file(tmp_path / f"{name}.png").key)
    ada = studio.cast.add("Ada", (photos[0],), "by mail, 2 May", True)
    film = studio.projects.change(film.id, lambda p: edits.set_role(p, "MIRA", member="Ada"))
    film = studio.projects.change(
        film.id, lambda p: edits.set_film(p, p.film.model_copy(update={"finals": True, "scale": 2}))
    )
    speaking = [shot for shot in film.board.shots if shot.name == "SC2_SH020"]
    everything = orders(studio, film, [speaking[0].id])
    film = submitted(studio, film, everything)
    first = carried_out(studio)["SC2_SH020"]
    assert {"denoise", "decode", "swap_face", "upscale", "fit_shot", "encode"} <= set(first)
    assert [take.label for take in film.takes] == ["take 1 (draft)", "take 1"]

    ada = studio.cast.change_photos(ada.id, (photos[1],))
    found = orders(studio, film, [speaking[0].id])
    assert why(studio, film, speaking[0].id) == "Somebody else plays it." and len(found) == 2
    film = submitted(studio, film, found)
    after = carried_out(studio)["SC2_SH020"]
    assert "swap_face" in after and not {"text", "encode_text", "denoise", "decode", "detect_faces"} & set(after)

    other = film.film.model_copy(update={"scale": 4})
    film = studio.projects.change(film.id, lambda p: edits.set_film(p, other))
    found = orders(studio, film, [speaking[0].id])
    assert why(studio, film, speaking[0].id) == "The upscaling has changed." and len(found) == 1
    film = submitted(studio, film, found)
    after = carried_out(studio)["SC2_SH020"]
    assert "upscale" in after and not {"denoise", "decode", "detect_faces", "swap_face"} & set(after)
    assert orders(studio, film, [speaking[0].id]) == []


def why(studio: Studio, film: Project, shot: str) -> str:
    take = shown_take(film.takes_of(shot))
    assert take is not None
    asked = making.asking_of(studio, film).again(film.shot(shot), take)
    return why_stale(film, film.shot(shot), take, asked)


def test_a_changed_line_marks_its_shot_and_the_new_take_gets_the_circle(studio: Studio, film: Project) -> None:
    film = submitted(studio, film, orders(studio, film))
    assert carried_out(studio)
    at = film.board.shots[1].id
    film = studio.projects.change(film.id, lambda p: edits.circle(p, at, 1, True))
    white = SCRIPT.replace("A dog sleeps.", "A white dog sleeps.")
    film = studio.projects.change(film.id, lambda p: read_again(p, white))
    assert why(studio, film, at) == "Line 3: “A dog sleeps.” is now “A white dog sleeps.”."
    found = orders(studio, film)
    assert names(found) == ["SC1_SH020 take 2 (draft)"] and found[0].take.roll == 1  # the same chance: comparable
    film = submitted(studio, film, found)
    assert [take.circled for take in film.takes_of(at)] == [False, True] and why(studio, film, at) == ""
    standing = making.standing_of(studio, film)
    assert making.film_clips(film, standing)[at].number == 1  # as long as take 2 is not made
    assert set(carried_out(studio)) == {"SC1_SH020"}
    assert making.film_clips(film, making.standing_of(studio, film))[at].number == 2


def test_another_take_is_drawn_with_another_chance(studio: Studio, film: Project) -> None:
    film = submitted(studio, film, orders(studio, film))
    asking = making.asking_of(studio, film)
    (one,) = another_take(film, asking, film.board.shots[:1])
    before = film.takes_of(film.board.shots[0].id)[0].request.drawn
    assert one.take.number == 2 and before and one.take.request.drawn
    assert one.take.request.drawn.seed != before.seed and one.take.request.drawn.prompt == before.prompt
    film = submitted(studio, film, [one])
    assert orders(studio, film) == []  # neither take is stale


def test_a_locked_shot_stays_marked_until_a_person_keeps_it(studio: Studio, film: Project) -> None:
    at = film.board.shots[1].id
    film = studio.projects.change(film.id, lambda p: edits.edit_shot(p, at, locked=True))
    film = submitted(studio, film, orders(studio, film))
    film = studio.projects.change(film.id, lambda p: read_again(p, SCRIPT.replace("sleeps", "snores")))
    assert "snores" in why(studio, film, at) and orders(studio, film, [at]) == []
    assert why(studio, edits.keep_as_is(film, at), at) == ""


def test_faces_are_put_only_where_one_person_is_in_the_picture_and_here(studio: Studio, film: Project) -> None:
    film = edits.set_role(film, "MIRA", member="Nobody here")
    shot = next(shot for shot in film.board.shots if shot.name == "SC2_SH020")
    asked = making.asking_of(studio, film).of(shot, draft=True)
    assert asked.request.drawn and asked.request.drawn.faces == ()
    assert asked.uncast == "Nobody here is not in the cast of this studio."
    both = replace(shot, characters=("MIRA", "OTTO"))
    assert "Several people" in making.asking_of(studio, film).of(both, draft=True).uncast


def test_the_forecast_says_what_the_studio_s_estimate_says(studio: Studio, film: Project) -> None:
    studio.queue.room_seen(holder(studio), Room("cpu", "float32", 8 * 2**30))
    found = orders(studio, film)
    recipes = making.planned(studio, found)
    cost = forecast(studio, [order.shot.scene for order in found], recipes)
    each = [studio.estimate(recipe) for recipe in recipes]
    assert cost.whole.seconds == pytest.approx(sum(one["seconds"] for one in each))
    assert cost.whole.disk_bytes == sum(one["disk_bytes"] for one in each)
    assert cost.whole.memory_bytes == max(one["fit"].needed_bytes for one in each if one["fit"])
    assert set(cost.scenes) == {"1", "2"} and cost.whole.takes == 5
    assert cost.scenes["1"].plus(cost.scenes["2"]) == cost.whole
    with pytest.raises(NotEnoughRoom, match="disk"):
        full = replace(cost, whole=replace(cost.whole, disk_bytes=10**18))
        making.check_room(studio, recipes, full)


def holder(studio: Studio) -> str:
    return holder_of(studio.settings, "device")


def test_a_circled_take_of_a_film_is_not_deleted(studio: Studio, film: Project) -> None:
    shot = film.board.shots[0].id
    film = submitted(studio, film, orders(studio, film, [shot]))
    carried_out(studio)
    kept = making.film_clips(film, making.standing_of(studio, film))[shot].clip
    film = studio.projects.change(film.id, lambda p: edits.circle(p, shot, 1, True))
    with pytest.raises(InvalidRequest, match="circled take of Dog"):
        studio.remove(kept)


def test_shots_that_dissolve_are_drawn_with_frames_for_it(studio: Studio) -> None:
    script = SCRIPT.replace("EXT. BEACH", "DISSOLVE TO:\n\nEXT. BEACH")
    film = new_project(script, "Dog", film=FilmSettings(model="tiny"))
    found = {order.shot.name: order for order in orders(studio, film)}
    handles = {name: order.take.request.frames - order.shot.frames for name, order in found.items()}
    assert handles == {"SC1_SH010": 0, "SC1_SH020": 6, "SC2_SH010": 6, "SC2_SH020": 0, "SC2_SH030": 0}
    heads = {name: order.take.request.head for name, order in found.items()}
    assert heads == {"SC1_SH010": 0, "SC1_SH020": 0, "SC2_SH010": 6, "SC2_SH020": 0, "SC2_SH030": 0}
    last = found["SC1_SH020"].take.request
    assert difference(last.model_copy(update={"head": 6}), last) == "It dissolves at another end now."
    assert difference(last.model_copy(update={"head": None}), last) == "", "a take of before that was noted"
    cuts = edits.set_film(film, film.film.model_copy(update={"dissolve_s": 0}))
    assert all(order.take.request.frames == order.shot.frames for order in orders(studio, cuts))
