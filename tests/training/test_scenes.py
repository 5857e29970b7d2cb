import numpy as np
import pytest

pytest.importorskip("cv2")

from training.scenes.captions import caption_of
from training.scenes.glyphs import find_font
from training.scenes.render import render_clip
from training.scenes.spec import draw_spec, held_out_pairs, is_held_out, make_spec
from training.scenes.vocabulary import vocabulary, words_of
from training.scenes.world import PLACES, STOPWORDS, SUBJECTS


@pytest.fixture(autouse=True)
def _font():
    try:
        find_font()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def middle_of(mask):
    columns = mask.astype(float).sum(axis=0)
    return float((columns * np.arange(len(columns))).sum() / columns.sum())


def test_a_seed_always_gives_the_same_scene():
    first, first_mask = render_clip(draw_spec(5), size=64, num_frames=4)
    again, again_mask = render_clip(draw_spec(5), size=64, num_frames=4)
    assert np.array_equal(first, again) and np.array_equal(first_mask, again_mask)
    assert not np.array_equal(first, render_clip(draw_spec(6), size=64, num_frames=4)[0])


def test_rendering_in_parallel_changes_nothing():
    from training.scenes.cache import render_scenes

    alone, together = render_scenes(3, 32, 2, processes=1), render_scenes(3, 32, 2, processes=2)
    assert np.array_equal(alone.frames, together.frames) and alone.captions == together.captions


@pytest.mark.parametrize("place", PLACES)
def test_night_is_darker_than_sunset_and_sunset_redder_than_day(place):
    clips = {
        light: render_clip(make_spec(place=place, light=light), 64, 1)[0].astype(float).mean(axis=(0, 1, 2))
        for light in ("day", "sunset", "night")
    }
    assert clips["night"].mean() < clips["sunset"].mean() < clips["day"].mean()
    ratio = {light: colour[0] / colour[2] for light, colour in clips.items()}
    assert ratio["sunset"] > ratio["day"] and ratio["sunset"] > ratio["night"]


@pytest.mark.parametrize("action, subject", [("run", "dog"), ("walk", "man"), ("drive", "car"), ("fly", "bird")])
@pytest.mark.parametrize("facing", [-1, 1])
def test_the_subject_goes_where_the_scene_says(action, subject, facing):
    _, masks = render_clip(make_spec(3, subject, "field", action, facing), 64, 16)
    assert (middle_of(masks[12]) - middle_of(masks[3])) * facing > 4


def test_who_jumps_leaves_the_ground_and_who_sleeps_does_not():
    def feet(action):
        _, masks = render_clip(make_spec(3, "dog", "field", action), 64, 16)
        return [int(np.flatnonzero(m.max(axis=1) > 127).max()) for m in masks]

    assert max(feet("jump")) - min(feet("jump")) > 8
    assert max(feet("sleep")) - min(feet("sleep")) <= 2


def test_captions_tell_the_truth():
    for seed in range(300):
        spec = draw_spec(seed)
        for variant in range(3):
            caption = caption_of(spec, variant).lower()
            words = words_of(caption)
            assert any(w in caption for w in SUBJECTS[spec.subject].words), caption
            if spec.light == "night":
                assert any(w in caption for w in ("night", "moonlight", "stars")), caption
            if spec.light == "sunset":
                assert any(w in caption for w in ("sunset", "dusk", "evening")), caption
            if "left" in words:
                assert spec.direction == -1, caption
            assert ("umbrella" in words) == (spec.prop == "umbrella"), caption
            assert ("laptop" in words) == (spec.prop == "laptop"), caption


def test_captions_vary():
    assert len({caption_of(draw_spec(1), v) for v in range(12)}) > 5


def test_held_out_combinations_are_stable_and_never_drawn_for_training():
    assert held_out_pairs() == [
        ("dog", "forest"),
        ("cat", "snow"),
        ("camel", "forest"),
        ("horse", "desert"),
        ("elephant", "beach"),
        ("car", "field"),
        ("train", "road"),
        ("train", "city"),
        ("train", "field"),
        ("helicopter", "forest"),
        ("helicopter", "desert"),
    ]
    assert not any(is_held_out(s.subject, s.place) for s in map(draw_spec, range(500)))
    assert all(is_held_out(s.subject, s.place) for s in (draw_spec(i, held_out=True) for i in range(50)))


def test_the_vocabulary_knows_every_subject_and_place_but_no_giraffe():
    known = vocabulary()
    assert all(known["words"][name] == f"subject:{name}" for name in SUBJECTS)
    assert {"beach", "road", "city", "forest", "desert", "lake", "snow", "field"} <= set(known["words"])
    assert "giraffe" not in known["words"] and known["stopwords"] == sorted(STOPWORDS)
