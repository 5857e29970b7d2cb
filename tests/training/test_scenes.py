import re

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from training.scenes.captions import caption_of
from training.scenes.motion import FPS, view_at
from training.scenes.render import render_clip
from training.scenes.spec import (
    DEFAULT_PLACE,
    draw_spec,
    facing_right,
    held_out_pairs,
    is_held_out,
    make_spec,
    turned,
)
from training.scenes.vocabulary import NEAR, vocabulary, words_of
from training.scenes.world import (
    ACTION_WORDS,
    CAMERAS,
    LIGHTS,
    NUMBERS,
    PLACES,
    STOPWORDS,
    SUBJECTS,
    places_of,
)

pytestmark = pytest.mark.usefixtures("emoji_font")


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


def hue_of(frame, mask):
    """The commonest hue in degrees of the colourful pixels under a mask."""
    hsv = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hues = hsv[..., 0][(mask > 200) & (hsv[..., 1] > 0.45)]
    return float(np.argmax(np.histogram(hues, 36, (0, 360))[0])) * 10 + 5


@pytest.mark.parametrize("place", [p for p in PLACES if p != "room"])
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


@pytest.mark.parametrize("subject", ["dog", "camel", "horse", "helicopter"])
def test_who_faces_left_is_the_mirror_image_of_who_faces_right(subject):
    left, right = (render_clip(make_spec(3, subject, "field", "still", facing), 96, 1)[1][0] for facing in (-1, 1))
    boxes = [mask[:, mask.max(axis=0) > 127] > 127 for mask in (left, right)]
    width = min(box.shape[1] for box in boxes)
    same, mirrored = (np.mean(boxes[0][:, :width] != other[:, :width]) for other in (boxes[1], boxes[1][:, ::-1]))
    assert mirrored < 0.04 and mirrored < same / 2


def test_who_jumps_leaves_the_ground_and_who_sleeps_does_not():
    def feet(action):
        _, masks = render_clip(make_spec(3, "dog", "field", action), 64, 16)
        return [int(np.flatnonzero(m.max(axis=1) > 127).max()) for m in masks]

    assert max(feet("jump")) - min(feet("jump")) > 8
    assert max(feet("sleep")) - min(feet("sleep")) <= 2


@pytest.mark.parametrize("subject", ["car", "bus", "helicopter"])
@pytest.mark.parametrize(("colour", "hue"), [("red", 0), ("yellow", 48), ("green", 130), ("blue", 215)])
def test_the_colour_in_the_caption_is_the_colour_of_the_pixels(subject, colour, hue):
    spec = make_spec(4, subject, "desert", colour=colour)
    frames, masks = render_clip(spec, 96, 1)
    off = abs(hue_of(frames[0], masks[0]) - hue) % 360
    assert min(off, 360 - off) < 25
    assert all(colour in caption_of(spec, v) for v in range(6))


@pytest.mark.parametrize(("camera", "sign"), [("pan right", -1), ("pan left", 1), ("static", 0)])
def test_the_background_moves_against_the_camera(camera, sign):
    frames, _ = render_clip(make_spec(8, "cat", "city", camera=camera), 96, 16)
    # The upper part is background only; what is far moves less than what is near, but the same way.
    strips = [cv2.cvtColor(f[20:50], cv2.COLOR_RGB2GRAY).astype(np.float32) for f in (frames[4], frames[12])]
    (shift, _), _ = cv2.phaseCorrelate(*strips, cv2.createHanningWindow(strips[0].shape[::-1], cv2.CV_32F))
    assert abs(shift) < 0.3 if sign == 0 else shift * sign > 2


def test_the_far_background_moves_less_than_the_ground():
    from training.scenes.places import draw_place

    backdrop = draw_place("field", "day", 128, 192, np.random.default_rng(1))
    here, there = backdrop.at(0), backdrop.at(20)
    # In world coordinates the ground stays where it is and the sky comes along with the camera.
    assert np.array_equal(here[120], there[120]) and not np.array_equal(here[:40], there[:40])


def test_zooming_in_makes_the_subject_larger():
    _, masks = render_clip(make_spec(2, "dog", "field", camera="zoom"), 96, 16)
    assert masks[15].astype(float).sum() > 1.5 * masks[0].astype(float).sum()


@pytest.mark.parametrize("count", NUMBERS)
def test_as_many_are_drawn_as_the_caption_counts(count):
    spec = make_spec(6, "penguin", "snow", count=count)
    _, masks = render_clip(spec, 128, 1)
    assert cv2.connectedComponents((masks[0] > 127).astype(np.uint8))[0] - 1 == count
    assert count == 1 or all(NUMBERS[count] in caption_of(spec, v).lower().split() for v in range(6))


def test_who_stands_beside_is_drawn_and_named():
    alone, _ = render_clip(make_spec(3, "man", "field", "still"), 96, 1)
    spec = make_spec(3, "man", "field", "still", second="cow")
    both, masks = render_clip(spec, 96, 1)
    assert not np.array_equal(alone, both)
    assert all("cow" in caption_of(spec, v) for v in range(6))
    columns = np.flatnonzero(masks[0].max(axis=0) > 127)
    assert columns.max() - columns.min() > 45


@pytest.mark.parametrize(("subject", "action", "place"), [
    ("cat", "sleep", "road"), ("camel", "drink", "lake"), ("dog", "jump", "field"), ("boat", "still", "lake"),
])  # fmt: skip
def test_what_stays_in_its_place_loops_without_a_jump(subject, action, place):
    frames, _ = render_clip(make_spec(5, subject, place, action), 64, 17)
    assert np.abs(frames[16].astype(int) - frames[0]).max() <= 1


def test_people_move_their_legs_when_they_walk_and_not_when_they_stand():
    def legs(action):
        _, masks = render_clip(make_spec(9, "man", "field", action), 96, 8)
        boxes = [m[np.flatnonzero(m.max(axis=1) > 127)[-12:]] > 127 for m in masks]
        return np.ptp([int(np.ptp(np.flatnonzero(box.any(axis=0)))) for box in boxes])

    assert legs("walk") >= 4 and legs("still") <= 1


def test_no_two_scenes_are_the_same_clip():
    seen = {render_clip(draw_spec(seed), 32, 2)[0].tobytes() for seed in range(60)}
    assert len(seen) == 60


def test_rain_falls_indoors_nowhere_and_vehicles_stay_outside():
    for seed in range(3000):
        spec = draw_spec(seed)
        if PLACES[spec.place].indoors:
            assert spec.light in ("day", "sunset", "night") and SUBJECTS[spec.subject].kind not in (
                "car",
                "air",
                "boat",
            )
        assert spec.second == "none" or spec.place in places_of(SUBJECTS[spec.second])


def words_in_all(phrases):
    return {w for phrase in phrases for w in phrase.split()} - set(STOPWORDS)


def test_captions_tell_the_truth():
    said = {light: words_in_all(phrases) - {"day", "during"} for light, phrases in LIGHTS.items()}
    actions = {
        name: words_in_all((*a.participles, *a.verbs, *a.plural_verbs)) - {"up", "down", "taking", "takes", "water"}
        for name, a in ACTION_WORDS.items()
    }
    slugs = {name: place.slug.lower() for name, place in PLACES.items()}
    for seed in range(600):
        spec = draw_spec(seed)
        for variant in range(3):
            caption = caption_of(spec, variant).lower()
            words = words_of(caption)
            subject = SUBJECTS[spec.subject]
            names = subject.plurals if spec.count > 1 else subject.words
            assert any(name in words for name in names), caption
            if spec.light != "day":
                assert spec.light in words or said[spec.light] & set(words), caption
            if spec.camera == "static":
                assert "pan" not in words and "zoom" not in words
                # The usual way, to the right, may be left unsaid; the other never is.
                assert ("left" in words) == (spec.facing == -1), caption
                assert ("right" in words) <= (spec.facing == 1), caption
                assert ("facing" in words) <= (spec.direction == 0), caption
            assert ("umbrella" in words) == (spec.prop == "umbrella"), caption
            assert ("laptop" in words) == (spec.prop == "laptop"), caption
            assert not spec.colour or spec.colour in words, caption
            heading = re.match(r"(?:.*\. )?(int|ext)\. (.+) - (\w+)\.", caption)
            where = [
                name
                for name, place in PLACES.items()
                if any(re.search(rf"\b{phrase}\b", caption) for phrase in (*place.phrases, *place.afloat))
                or (heading and heading[2] == slugs[name])
            ]
            drinks_there = spec.action == "drink" and re.search(r"from (a|the) lake", caption)
            assert where == [spec.place] or (not where and (spec.place == DEFAULT_PLACE or drinks_there)), caption
            if heading:
                assert heading[3] == spec.light
                assert (heading[1] == "int") == PLACES[spec.place].indoors
            doing = [name for name, known in actions.items() if known & set(words)]
            doing = [name for name in doing if name != "still"]
            # Some words serve several actions ("moving"); none may be of another action only.
            assert not doing or spec.action in doing, caption
            assert doing or spec.action == "still", caption
            if spec.second != "none":
                named = [n for n, s in SUBJECTS.items() if set(s.words) & set(words)]
                assert set(named) == {spec.subject, spec.second}, caption
            assert [n for n in NUMBERS.values() if n in words] == ([NUMBERS[spec.count]] if spec.count > 1 else [])
            for name, wordings in CAMERAS.items():
                if name != "static" and any(caption.endswith(f", {wording}") for wording in wordings):
                    assert spec.camera == name, caption


def test_boats_float_on_water_and_nobody_sees_stars_indoors():
    captions = [(spec, caption_of(spec, v)) for spec in map(draw_spec, range(1500)) for v in range(3)]
    assert not any("stars" in text or "moonlight" in text for spec, text in captions if PLACES[spec.place].indoors)
    assert not any("on a beach" in text or "on the beach" in text for spec, text in captions if spec.subject == "boat")
    assert any("on the sea" in text for _, text in captions)


def test_every_subject_seen_in_many_places_has_an_unseen_one_and_the_default_place_is_never_it():
    pairs = held_out_pairs()
    assert {name for name, _ in pairs} == set(SUBJECTS) - {"boat"}
    assert DEFAULT_PLACE not in {place for _, place in pairs}
    # What people ask for first stays in.
    assert not {("camel", "lake"), ("cat", "beach"), ("helicopter", "road"), ("cat", "road")} & set(pairs)


@pytest.mark.parametrize("camera", ["pan right", "pan left"])
def test_who_stands_still_stays_on_its_ground_when_the_camera_pans(camera):
    spec = make_spec(8, "cow", "road", camera=camera)
    _, masks = render_clip(spec, 96, 16)
    went = middle_of(masks[12]) - middle_of(masks[4])
    # The ground is as far away as its feet: it moves by the whole of the camera's way.
    ground = (view_at(spec, 4 / FPS)[0] - view_at(spec, 12 / FPS)[0]) * 96
    assert abs(ground) > 15 and abs(went - ground) < 1.5


def test_the_camera_pans_with_whoever_goes():
    for spec in map(draw_spec, range(2000)):
        if spec.direction and spec.camera.startswith("pan"):
            assert spec.camera == ("pan right" if spec.direction > 0 else "pan left")
        elif spec.camera.startswith("pan"):
            assert spec.count == 1 and spec.second == "none"


def test_captions_vary():
    assert len({caption_of(draw_spec(1), v) for v in range(12)}) > 5


def test_held_out_combinations_are_stable_and_never_drawn_for_training():
    assert held_out_pairs() == [
        ("dog", "forest"),
        ("cat", "snow"),
        ("camel", "forest"),
        ("horse", "desert"),
        ("elephant", "beach"),
        ("penguin", "beach"),
        ("rabbit", "beach"),
        ("rabbit", "lake"),
        ("cow", "forest"),
        ("bird", "forest"),
        ("man", "forest"),
        ("woman", "city"),
        ("car", "desert"),
        ("bus", "lake"),
        ("train", "road"),
        ("train", "city"),
        ("helicopter", "forest"),
        ("helicopter", "desert"),
    ]
    for spec in map(draw_spec, range(1000)):
        assert not is_held_out(spec.subject, spec.place)
        assert spec.second == "none" or not is_held_out(spec.second, spec.place)
    assert all(is_held_out(s.subject, s.place) for s in (draw_spec(i, held_out=True) for i in range(50)))


def test_the_vocabulary_knows_every_subject_and_place_but_no_giraffe():
    known = vocabulary()
    assert all(known["words"][name] == f"subject:{name}" for name in SUBJECTS)
    assert set(PLACES) <= set(known["words"])
    assert "giraffe" not in known["words"] and known["near"]["giraffe"] in known["words"]
    assert known["stopwords"] == sorted(STOPWORDS)
    # A word for something else must itself be known, or nothing would be drawn for it.
    assert all(word in known["words"] or word in STOPWORDS for word in known["near"].values())
    # And nothing of the list may be lost because the word turned out to be known.
    assert known["near"] == NEAR


def test_the_truth_travels_with_the_clips(tmp_path):
    from training.clips import ClipSet
    from training.scenes.cache import render_scenes

    clips = render_scenes(3, 32, 2, processes=1)
    clips.save(tmp_path / "clips")
    assert ClipSet.load(tmp_path / "clips").records == clips.records
    assert [r["subject"] for r in clips.records] == [draw_spec(i).subject for i in range(3)]


def test_a_scene_turned_is_the_same_place_and_the_same_words_but_for_the_sides():
    differ = 0
    for spec in map(draw_spec, range(80)):
        other = turned(spec)
        assert (other.facing, other.direction, other.seed) == (-spec.facing, -spec.direction, spec.seed)
        assert turned(other) == spec
        assert facing_right(spec) == facing_right(other) and facing_right(spec).direction >= 0
        if spec.direction:  # who goes nowhere says it only on the unusual side
            for variant in range(4):
                said = [re.sub(r" (to the )?(left|right)", "", caption_of(s, variant)) for s in (spec, other)]
                assert said[0] == said[1]
        if spec.camera == "static" and spec.light != "rain":
            (one, mask), (two, other_mask) = render_clip(spec, 64, 3), render_clip(other, 64, 3)
            nobody = (cv2.dilate(np.maximum(mask, other_mask).max(axis=0), np.ones((15, 15))) == 0)[:40]
            assert np.array_equal(one[:, :40][:, nobody], two[:, :40][:, nobody])
            differ += not np.array_equal(one, two)
    assert differ > 40


def test_what_mini_is_taught_goes_nowhere_left(tmp_path):
    from training.scenes.cache import cached_scenes

    clips = cached_scenes(tmp_path, 40, 32, 2, 1)
    assert all(record["facing"] > 0 and record["direction"] >= 0 for record in clips.records)
    words = " ".join(text for group in clips.captions for text in group).lower()
    assert "right" in words and not re.search(r"left(?<!pans left)(?<!pan to the left)(?<!pan left)", words)
