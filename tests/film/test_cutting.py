"""Dissolves, fades and what is burnt in: the film has exactly its frames, mixed as the cut says, after any stop."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest, JobCancelled
from diffscaler.film.burn_in import captioned
from diffscaler.film.cutting import ShotInFilm, mixed, parts_of
from diffscaler.film.join_stage import JoinShots, JoinShotsParams
from diffscaler.film.lettering import fitted
from diffscaler.film.slate_stage import drawn_slate
from diffscaler.library.clips import ClipLibrary
from diffscaler.plan import Node, node
from diffscaler.video.soundtrack import Caption
from tests.fakes import FakeClip, FakeClipParams, FakeLender, FakeWatcher, frames_of, noise

SHOTS = (
    ShotInFilm(start=0, stop=10, fade_in=4),
    ShotInFilm(start=3, stop=12, dissolve=6),
    ShotInFilm(start=0, stop=1),
    ShotInFilm(start=2, stop=9, dissolve=0, fade_out=3),
)
CLIPS = (13, 12, 1, 9)


def film(shots: tuple[ShotInFilm, ...] = SHOTS, clips: tuple[int, ...] = CLIPS, chunk: int = 4, **told: object) -> Node:
    sources = (node(FakeClip(FakeClipParams(frames=count, seed=seed, chunk=chunk, width=64, height=48)))
               for seed, count in enumerate(clips))  # fmt: skip
    return node(JoinShots(JoinShotsParams.model_validate({"shots": shots, **told}), ()), *sources)


def expected() -> list[np.ndarray]:
    """The film of SHOTS, frame by frame, straight from its definition."""

    def frame(seed: int, index: int) -> np.ndarray:
        return noise(seed, index, 48, 64)

    def dimmed(picture: np.ndarray, level: Fraction) -> np.ndarray:
        return np.rint(picture.astype(np.float32) * float(level)).astype(np.uint8)

    found = [dimmed(frame(0, at), min(Fraction(1), Fraction(at, 4))) for at in range(7)]
    for at in range(6):
        a, b, share = frame(0, 7 + at).astype(float), frame(1, at).astype(float), (at + 1) / 7
        found.append(np.rint(a * (1 - share) + b * share).astype(np.uint8))
    found += [frame(1, at) for at in range(6, 12)]
    found.append(frame(2, 0))
    found += [dimmed(frame(3, 2 + at), min(Fraction(1), Fraction(6 - at, 3))) for at in range(7)]
    return found


def test_a_film_is_mixed_frame_for_frame_as_its_cut_says(engine: Engine) -> None:
    root = film()
    engine.run(root, FakeWatcher())
    made = frames_of(engine.library, root)
    assert len(made) == sum(shot.frames for shot in SHOTS) == 27
    for index, (one, other) in enumerate(zip(made, expected(), strict=True)):
        assert np.abs(one.astype(int) - other).max() <= 1, index
    assert not made[0].any() and not made[-1].any(), "fades begin and end in black"
    assert (engine.library.clip(root.key).meta.num_frames) == 27


def test_dissolve_frames_show_both_pictures_and_neither_alone() -> None:
    dark, light = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 240, np.uint8)
    levels = [int(mixed(dark, light, at, 12)[0, 0, 0]) for at in range(12)]
    assert levels == sorted(set(levels)) and 0 < levels[0] < levels[-1] < 240
    assert levels[0] + levels[-1] == 240


def test_parts_are_every_frame_once() -> None:
    frames = [index for part in parts_of(SHOTS) for index in range(part.start, part.stop)]
    assert frames == list(range(27))


@pytest.mark.parametrize("stop_after", (1, 5, 8, 12, 15, 22))
def test_a_film_stopped_in_a_dissolve_goes_on_to_equal_frames(engine: Engine, stop_after: int) -> None:
    root = film(labels=("one", "two", "three", "four"), captions=(Caption(start=6, stop=14, text="Run!"),))
    engine.run(root, FakeWatcher())
    whole = frames_of(engine.library, root)
    other = Engine(ClipLibrary(engine.library.root.parent / "other"), FakeLender())
    with pytest.raises(JobCancelled):
        other.run(root, FakeWatcher(stop_after))
    other.run(root, FakeWatcher())
    assert np.array_equal(frames_of(other.library, root), whole)


def test_chunks_of_the_shots_are_invisible(engine: Engine) -> None:
    made = []
    for chunk in (1, 5, 16):
        root = film(chunk=chunk)
        engine.run(root, FakeWatcher())
        made.append(frames_of(engine.library, root))
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


def test_a_burnt_in_name_changes_at_the_cut_in_the_middle_of_the_dissolve(engine: Engine) -> None:
    roots = film(), film(labels=("one", "one", "one", "one")), film(labels=("one", "two", "one", "one"))
    for root in roots:
        engine.run(root, FakeWatcher())
    _, same, two = (frames_of(engine.library, root) for root in roots)
    differs = [index for index in range(27) if not np.array_equal(same[index], two[index])]
    assert differs == list(range(10, 19))


def test_words_are_shown_for_their_frames_alone(engine: Engine) -> None:
    plain, told = film(), film(captions=(Caption(start=4, stop=9, text="Run, dog!"),))
    for root in (plain, told):
        engine.run(root, FakeWatcher())
    one, other = frames_of(engine.library, plain), frames_of(engine.library, told)
    assert [index for index in range(27) if not np.array_equal(one[index], other[index])] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("shots", "clips"),
    [
        ((ShotInFilm(start=0, stop=5),), (4,)),
        ((ShotInFilm(start=0, stop=4, dissolve=2),), (4,)),
        ((ShotInFilm(start=0, stop=4), ShotInFilm(start=2, stop=4, dissolve=4)), (5, 4)),
        ((ShotInFilm(start=0, stop=4),), (4, 4)),
    ],
)
def test_frames_a_clip_does_not_have_are_not_asked_for(
    engine: Engine, shots: tuple[ShotInFilm, ...], clips: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidRequest, match="frames that its clips do not have"):
        engine.run(film(shots, clips), FakeWatcher())


def test_subtitles_in_the_picture_lie_above_the_strip_and_inside_the_frame() -> None:
    frame = np.full((360, 640, 3), 120, np.uint8)
    changed = np.nonzero((captioned(frame, "A long way to go, said the dog. " * 5) != 120).any(axis=2))
    assert (frame == 120).all() and changed[0].min() > 180 and changed[0].max() < 328
    assert changed[1].min() > 20 and changed[1].max() < 620


def test_words_without_spaces_and_words_without_end_stay_in_their_box() -> None:
    for text in ("最後のバスは海へ向かう" * 8, "x" * 300, "word " * 400):
        letters, lines = fitted(text, 200, 100, 30)
        assert all(letters.width(line) <= 200 + letters.size_px for line in lines), text[:10]
        assert len(lines) * letters.size_px <= 100
    assert lines[-1].endswith("…"), "what is cut off is told"


def test_a_slate_shows_its_rows_within_the_frame() -> None:
    rows = (("Take", "2"), ("Asked for", "a wide shot of a beach, a woman, a dog, " * 12), ("Drawn by", "mini"))
    picture, missing = drawn_slate("SC1_SH010", rows, 320, 180)
    lit = np.nonzero(picture.max(axis=2) > 100)
    assert picture.shape == (180, 320, 3) and missing == ""
    assert lit[0].min() > 5 and lit[0].max() < 178 and lit[1].min() > 15 and lit[1].max() < 305
