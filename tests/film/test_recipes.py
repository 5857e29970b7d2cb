"""A film's plans: found again as long as its file is there, and never a reason to draw again."""

from __future__ import annotations

from diffscaler.engine import Engine
from diffscaler.models.catalogue import Catalogue, CatalogueOnce
from diffscaler.recipes import Recipes, request_from
from diffscaler.requests import AnimaticRequest, ShotRequest
from diffscaler.settings import Settings
from diffscaler.video.probe import probe
from tests.fakes import FakeWatcher


def test_a_film_whose_stored_frames_were_trimmed_is_joined_from_its_files(engine: Engine, settings: Settings) -> None:
    recipes = Recipes(engine.library, Catalogue(settings))
    shots = [
        recipes.of(ShotRequest(name=f"SC1_SH0{n}0", card=f"Card {n}", frames=12, rate="25", width=64, height=64))
        for n in (1, 2)
    ]
    for shot in shots:
        assert request_from(shot.request_row()) == shot.request
        engine.run(shot.root, FakeWatcher())
    asked = AnimaticRequest(title="Cards", clips=tuple(shot.root.key for shot in shots), rate="25")
    film = recipes.of(asked)
    engine.run(film.root, FakeWatcher())
    info = probe(engine.library.path(film.root.key))
    assert (info.num_frames, info.fps, info.timecode) == (24, 25, "01:00:00:00")

    for at in (film.root.inputs[0], *(shot.root.inputs[0] for shot in shots)):
        engine.library.drop(at.key)
    assert recipes.of(asked).root.key == film.root.key and engine.missing(film.root) == []
    engine.library.drop(film.root.key)
    again = recipes.of(asked)
    assert [at.stage for at in engine.missing(again.root)] == ["join_shots", "encode"]
    engine.run(again.root, FakeWatcher())
    assert probe(engine.library.path(again.root.key)).num_frames == 24


def test_a_catalogue_for_many_plans_says_what_the_usual_one_says(settings: Settings) -> None:
    usual, once = Catalogue(settings), CatalogueOnce(settings)
    assert once.specs() == usual.specs() and once.specs("upscaler") == usual.specs("upscaler")
    assert once.spec("mini", "text2video") == usual.spec("mini", "text2video") and once.specs() == usual.specs()
