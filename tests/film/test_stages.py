"""Shots have exactly their frames, films exactly their shots: at every rate, in any pieces, after any stop."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageDraw

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest, JobCancelled
from diffscaler.film import burn_in
from diffscaler.film.burn_in import MEASURE, SAID, SAID_ABOVE, burnt_in, captioned
from diffscaler.film.card_stage import TitleCard, TitleCardParams, drawn_card
from diffscaler.film.fit_stage import FitShot, FitShotParams
from diffscaler.film.fonts import Letters
from diffscaler.film.frame import placed_in
from diffscaler.film.join_stage import JoinShots, JoinShotsParams
from diffscaler.film.lettering import LINE_HEIGHT, broken, write_lines
from diffscaler.film.recipes import shot_frames
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import ClipMeta
from diffscaler.plan import Node, node
from diffscaler.predict import meta_of_plan
from diffscaler.requests import ShotRequest, Text2VideoRequest
from diffscaler.screenplay.rates import RATES
from diffscaler.video.probe import probe
from diffscaler.video.stage import Encode, EncodeParams
from tests.fakes import FakeClip, FakeClipParams, FakeLender, FakeWatcher, frames_of


def drawn(frames: int = 16, seed: int = 0) -> Node:
    """A clip of noise at 8 frames a second, 24 x 18."""
    return node(FakeClip(FakeClipParams(frames=frames, seed=seed, chunk=3)))


def shot(clip: Node, frames: int, rate: str = "24", width: int = 64, height: int = 64, smooth: bool = False) -> Node:
    count = clip.params["frames"]
    meta = ClipMeta(kind="frames", width=24, height=18, num_frames=count, fps=Fraction(8), duration_s=count / 8)
    words = Text2VideoRequest(prompt="a dog")
    size = {"width": width, "height": height}
    return shot_frames(clip, meta, ShotRequest(name="A", drawn=words, frames=frames, rate=rate, smooth=smooth, **size))


def film(*shots: Node, **told: object) -> Node:
    return node(JoinShots(JoinShotsParams.model_validate(told), ()), *shots)


@pytest.mark.parametrize("rate", RATES)
def test_a_film_has_exactly_the_frames_of_its_shots_at_every_rate(engine: Engine, rate: str) -> None:
    counts = (41, 1, 29)
    root = film(*(shot(drawn(14, seed), count, rate) for seed, count in enumerate(counts)))
    file = node(Encode(EncodeParams(), ()), root)
    engine.run(file, FakeWatcher())
    info = probe(engine.library.path(file.key))
    assert (info.num_frames, info.fps, info.vfr) == (sum(counts), RATES[rate], False)
    assert info.duration_s == pytest.approx(float(sum(counts) / RATES[rate]), abs=1e-4)
    assert frames_of(engine.library, root).shape == (71, 64, 64, 3)


def test_frames_are_shown_again_where_their_moment_lasts() -> None:
    plain = FitShotParams(num_frames=48, fps="24", width=2, height=2, source_frames=16, source_fps="8")
    assert plain.slowed == 1 and [plain.source_of(frame) for frame in (0, 2, 3, 45, 47)] == [0, 0, 1, 15, 15]
    film_rate = FitShotParams(num_frames=48, fps="24000/1001", width=2, height=2, source_frames=17, source_fps="8")
    assert film_rate.slowed == 1 and film_rate.source_of(47) == 15
    slow = FitShotParams(num_frames=96, fps="24", width=2, height=2, source_frames=16, source_fps="8")
    assert slow.slowed == 2 and [slow.source_of(frame) for frame in (0, 5, 6, 95)] == [0, 0, 1, 15]
    quick = FitShotParams(num_frames=24, fps="24", width=2, height=2, source_frames=30, source_fps="30")
    assert [quick.source_of(frame) for frame in range(5)] == [0, 1, 2, 3, 5]


def test_a_clip_that_is_too_short_is_slowed_and_the_film_says_so(engine: Engine) -> None:
    root = shot(drawn(16), 96)
    engine.run(root, FakeWatcher())
    assert engine.library.clip(root.key).notes == (
        "Drawn 2.0 s long and shown 2 times slower, to last 4.0 s.",
    )  # fmt: skip
    frames = frames_of(engine.library, root)
    assert len(np.unique(frames.reshape(96, -1), axis=0)) == 16, "every frame that was drawn is seen"


def test_a_smooth_shot_shows_frames_between(engine: Engine) -> None:
    root = shot(drawn(16), 48, smooth=True)
    assert root.inputs[0].stage == "interpolate" and root.inputs[0].params == {"times": 2}
    assert meta_of_plan(engine.library, root).num_frames == 48


def test_pictures_keep_their_shape() -> None:
    square = np.full((20, 20, 3), 200, np.uint8)
    wide = placed_in(square, 64, 36)
    assert (wide[:, 14:50] == 200).all() and not wide[:, :14].any() and not wide[:, 50:].any()
    tall = placed_in(square, 36, 64)
    assert (tall[14:50] == 200).all() and not tall[:14].any() and not tall[50:].any()
    assert (placed_in(np.full((96, 168, 3), 200, np.uint8), 640, 360) == 200).all(), "no thin lines of black"


@pytest.mark.parametrize("stop_after", (1, 4, 9, 14, 20, 26))
def test_a_stopped_film_goes_on_to_equal_frames_and_draws_nothing_twice(engine: Engine, stop_after: int) -> None:
    def root() -> Node:
        shots = (shot(drawn(8, seed), 24) for seed in (1, 2, 3))
        return film(*shots, labels=("one", "two", "three"))

    engine.run(root(), FakeWatcher())
    whole = frames_of(engine.library, root())
    other = Engine(ClipLibrary(engine.library.root.parent / "other"), FakeLender())
    FakeClip.made.clear()
    with pytest.raises(JobCancelled):
        other.run(root(), FakeWatcher(stop_after))
    other.run(root(), FakeWatcher())
    assert np.array_equal(frames_of(other.library, root()), whole)
    assert len(FakeClip.made) == 24, "three clips of eight frames, each drawn once"


def test_another_shot_in_the_middle_draws_only_that_one(engine: Engine) -> None:
    engine.run(film(shot(drawn(8, 1), 24), shot(drawn(8, 3), 24)), FakeWatcher())
    FakeClip.made.clear()
    longer = film(shot(drawn(8, 1), 24), shot(drawn(8, 2), 30), shot(drawn(8, 3), 24))
    assert [at.stage for at in engine.missing(longer)] == ["fake_clip", "fit_shot", "join_shots"]
    engine.run(longer, FakeWatcher())
    assert len(FakeClip.made) == 8


def test_memory_does_not_grow_with_the_number_of_shots(engine: Engine) -> None:
    def peak(count: int) -> int:
        shots = [shot(drawn(4, seed), 12, width=320, height=240) for seed in range(count)]
        for at in shots:
            engine.run(at, FakeWatcher())
        tracemalloc.start()
        engine.run(film(*shots), FakeWatcher())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)  # what is imported once does not count
    assert peak(24) < peak(3) + 16 * 320 * 240 * 3, "a chunk more or less; 21 shots are 58 MB"


def test_chunks_are_invisible(engine: Engine) -> None:
    made = []
    for chunk in (1, 3, 8):
        clip = node(FakeClip(FakeClipParams(frames=16, chunk=chunk)))
        root = film(shot(clip, 40, "25"), labels=("A",), rate="25")
        engine.run(root, FakeWatcher())
        made.append(frames_of(engine.library, root))
    assert all(np.array_equal(made[0], other) for other in made[1:])


def test_clips_of_several_sizes_are_not_joined(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="several sizes"):
        engine.run(film(shot(drawn(), 24), shot(drawn(), 24, width=96)), FakeWatcher())


def test_burn_in_is_white_along_the_lower_edge_and_leaves_the_picture() -> None:
    frame = np.full((180, 320, 3), 120, np.uint8)
    made = burnt_in(frame, "SC1_SH010  take 1", "01:00:00:00")
    assert (frame == 120).all() and (made[:164] == 120).all()
    strip = made[164:]
    assert strip.min() == 40 and strip[:, :160].max() > 200 and strip[:, 160:].max() > 200
    assert not np.array_equal(made, burnt_in(frame, "SC1_SH010  take 1", "01:00:00:01"))


def test_words_and_strip_are_laid_out_once_for_all_frames_that_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[str] = []
    for name in ("write_lines", "Letters"):
        real = getattr(burn_in, name)
        monkeypatch.setattr(
            burn_in, name, lambda *at, real=real, name=name, **more: laid.append(name) or real(*at, **more)
        )
    frame = np.full((362, 642, 3), 255, np.uint8)  # a size that no other test has
    for number in range(10):
        captioned(burnt_in(frame, "SC7_SH010  take 1", f"01:00:00:{number:02d}"), "Run, dog!")
    assert sorted(laid) == ["Letters", "Letters", "write_lines", "write_lines"]


@pytest.mark.parametrize("text", ["Run, dog!", "- Yes.\n- No, I never said that you should go there by yourself.", ""])
def test_words_lie_over_a_picture_as_if_they_were_written_on_it(text: str) -> None:
    seed = int(np.random.default_rng().integers(2**31))
    print("seed", seed)
    frame = np.random.default_rng(seed).integers(0, 256, (180, 320, 3), np.uint8)
    before = frame.copy()
    made, again = captioned(frame, text), captioned(frame, text)
    assert np.array_equal(frame, before) and np.array_equal(made, again) and made is not again
    letters = Letters(text, round(180 * SAID))
    lines = broken(text, letters, 320 * MEASURE)
    picture = Image.fromarray(frame)
    top = 180 * (1 - SAID_ABOVE) - len(lines) * letters.size_px * LINE_HEIGHT
    write_lines(ImageDraw.Draw(picture), letters, lines, 160, top, align="centre", outline=1)
    apart = np.abs(made.astype(int) - np.asarray(picture))
    assert apart.max() <= 2, "but for rounding"
    assert (made != frame).any() == bool(text)


def test_timecode_of_the_burn_in_counts_over_the_cut(engine: Engine) -> None:
    shots = (shot(drawn(8, 1), 3, "29.97", 320, 180), shot(drawn(8, 2), 3, "29.97", 320, 180))
    clean = film(*shots)
    told = film(*shots, labels=("one", "two"), rate="29.97", timecode="00:00:59;27")
    for root in (clean, told):
        engine.run(root, FakeWatcher())
    pictures, burnt = frames_of(engine.library, clean), frames_of(engine.library, told)
    codes = ("00:00:59;27", "00:00:59;28", "00:00:59;29", "00:01:00;02", "00:01:00;03", "00:01:00;04")
    for index, code in enumerate(codes):
        assert np.array_equal(burnt[index], burnt_in(pictures[index], "one" if index < 3 else "two", code))


def test_a_card_has_its_words_in_the_middle_and_says_what_it_cannot_write(engine: Engine) -> None:
    card, missing = drawn_card("THE END", 320, 180)
    assert card.shape == (180, 320, 3) and missing == "" and card.max() > 200
    rows, columns = np.nonzero(card.max(axis=2) > 128)
    assert abs(rows.mean() - 90) < 8 and abs(columns.mean() - 160) < 8
    long, _ = drawn_card("Many words " * 12, 320, 180)
    assert not long[:, :20].any() and not long[:, 300:].any(), "long titles are broken"
    root = node(TitleCard(TitleCardParams(text="\U0001f68c \ue123", num_frames=40, fps="24", width=64, height=64), ()))
    engine.run(root, FakeWatcher())
    (note,) = engine.library.clip(root.key).notes
    assert note.startswith("No font here draws") and "\ue123" in note
    assert frames_of(engine.library, root).shape == (40, 64, 64, 3)


def test_a_clip_that_held_fewer_frames_than_it_promised_is_held(engine: Engine) -> None:
    params = FitShotParams(num_frames=30, fps="24", width=24, height=18, source_frames=20, source_fps="8")
    root = node(FitShot(params, ()), drawn(4))
    engine.run(root, FakeWatcher())
    frames = frames_of(engine.library, root)
    assert len(frames) == 30 and np.array_equal(frames[12], frames[29])
