"""What is asked of a model for a shot: long enough, always the same, in words it knows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from diffscaler.errors import ScriptError
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec
from diffscaler.models.traits import Traits
from diffscaler.requests import MAX_FRAMES
from diffscaler.screenplay.compile import Film, compiled, frames_to_draw, seed_of
from diffscaler.screenplay.rates import RATES
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import Shot
from diffscaler.settings import Settings

SHOT = Shot("abc", "1", 1, "action", "EXT. ROAD - DAY", "A dog runs.", Lines(3, 3), 79, prompt="EXT. ROAD. A dog runs.")


def model(
    fps: float = 8, longest: int | None = None, native: tuple[int, int] = (832, 480), **traits: object
) -> ModelSpec:
    row: dict[str, object] = {"width": native[0], "height": native[1], "fps": fps, "num_inference_steps": 20}
    row |= {"max_frames": longest} if longest else {}
    about = {"name": "m", "title": "M", "kind": "text2video", "loader": "x:y"}
    return ModelSpec.model_validate(about | {"native": row, "traits": Traits.model_validate(traits)})


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", (1, 2, 29, 79, 241))
def test_enough_is_drawn_and_not_much_more(rate: str, frames: int) -> None:
    for spec in (model(8), model(16, frame_step=4, frame_offset=1), model(25, frame_step=8, frame_offset=1)):
        count = frames_to_draw(frames, rate, spec)
        fps = Fraction(spec.native["fps"])
        assert count / fps >= frames / RATES[rate] or count + spec.traits.frame_step > MAX_FRAMES
        assert count == spec.traits.legal_frames(count) <= MAX_FRAMES
        assert (count - spec.traits.frame_step) / fps < frames / RATES[rate]


def test_a_long_shot_is_drawn_as_long_as_the_model_can() -> None:
    assert frames_to_draw(240, "24", model(8, 32)) == 32
    assert frames_to_draw(240, "24", model(16, 81, frame_step=4, frame_offset=1)) == 81
    assert frames_to_draw(240, "24", model(8, 32, windows=True)) == 80
    assert frames_to_draw(24_000, "24", model(8, 32, windows=True)) == MAX_FRAMES


def test_the_same_shot_and_take_ask_for_the_same_clip() -> None:
    film = Film(model(), takes={"abc": 2})
    assert compiled(SHOT, film) == compiled(SHOT, film)
    moved = compiled(replace(SHOT, number=7, lines=Lines(90, 90)), film)
    assert moved.request.drawn == compiled(SHOT, film).request.drawn, "where it stands in the script changes nothing"
    assert len({seed_of(shot, take) for shot in ("abc", "abd") for take in (1, 2, 3)}) == 6
    assert compiled(SHOT, film).label == "SC1_SH010  take 2"


def test_pictures_are_drawn_in_the_films_shape_and_drafts_smaller() -> None:
    final, rough = compiled(SHOT, Film(model())).request.drawn, compiled(SHOT, Film(model(), draft=True)).request.drawn
    assert final and rough
    assert abs(final.width / final.height - 16 / 9) < 0.04 and 0.9 < final.width * final.height / (832 * 480) < 1.1
    assert (final.num_inference_steps, rough.num_inference_steps) == (None, 10)
    assert 0.4 < rough.width * rough.height / (final.width * final.height) < 0.6
    small = compiled(SHOT, Film(model(native=(128, 128), size_step=8), draft=True)).request.drawn
    assert small and small.width * small.height > 0.9 * 128 * 128


def test_a_small_model_draws_the_shape_it_was_taught_unless_it_is_told_otherwise() -> None:
    small = model(native=(128, 128))
    for shape, sizes in {"auto": (128, 128), "model": (128, 128), "film": (168, 96)}.items():
        drawn = compiled(SHOT, Film(small, shape=shape)).request.drawn
        assert drawn and (drawn.width, drawn.height) == sizes
    drawn = compiled(SHOT, Film(model(), shape="model", width=1000, height=1000)).request.drawn
    assert drawn and (drawn.width, drawn.height) == (832, 480)


def test_mini_is_asked_in_its_own_words_and_the_others_are_told() -> None:
    mini = Catalogue(Settings()).spec("mini")
    shot = replace(SHOT, prompt="EXT. ROAD - DAY. A dog runs past the cathedral. 16 mm.")
    found = compiled(shot, Film(mini))
    assert found.words and "cathedral" in found.words.dropped
    assert found.request.drawn and "cathedral" not in found.request.drawn.prompt
    assert "dog runs" in found.request.drawn.prompt


def test_titles_are_cards_and_a_shot_without_a_prompt_is_told() -> None:
    card = compiled(replace(SHOT, role="title", text="THE END", prompt=""), Film(model()))
    assert card.request.drawn is None and card.request.card == "THE END" and card.words is None
    with pytest.raises(ScriptError, match="SC1_SH010 has no prompt"):
        compiled(replace(SHOT, prompt=" "), Film(model()))
