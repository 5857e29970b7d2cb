from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from diffscaler.datasets.selection import Thresholds, is_still, kept, reasons
from tests.training.data.draw import clip, frames_folder, page, scene, texture, travelling
from training.data.footage import open_footage, shrink
from training.data.measure import content_of, measured
from training.data.options import Options
from training.data.writing import writing_share

CLIPS = Path(__file__).resolve().parents[4] / "shared" / "data" / "clips"


def shots_of(path: Path, pictures: Path):
    pictures.mkdir(exist_ok=True)
    return measured(path, content_of(path), Options(), pictures, lambda: None).shots


def only_shot(path: Path, pictures: Path):
    (shot,) = shots_of(path, pictures)
    return shot


def test_three_scenes_make_two_cuts_to_the_frame(tmp_path):
    scenes = [((200, 60, 50), 17), ((40, 180, 70), 23), ((50, 70, 210), 12)]
    frames = np.concatenate([scene(colour, i, count) for i, (colour, count) in enumerate(scenes)])
    shots = shots_of(clip(tmp_path / "a.mp4", frames), tmp_path / "pictures")
    cuts = [shot.start for shot in shots[1:]]
    assert len(cuts) == 2 and abs(cuts[0] - 17) <= 1 and abs(cuts[1] - 40) <= 1, cuts
    assert [shot.stop for shot in shots] == [*cuts, 52]
    assert shots[1].seconds == pytest.approx((cuts[1] - cuts[0]) / 24, abs=0.01)


def test_black_between_scenes_is_a_shot_of_its_own_and_left_out(tmp_path):
    fade = np.linspace(1, 0, 8)[:, None, None, None]
    day = travelling(1, 8, 1.0)
    frames = np.concatenate(
        [day, (day * fade).astype(np.uint8), np.zeros_like(day), (day * fade[::-1]).astype(np.uint8)]
    )
    shots = shots_of(clip(tmp_path / "a.mp4", frames), tmp_path / "pictures")
    assert len(shots) == 3 and "dark" in reasons(shots[1], Thresholds()), shots
    assert all("dark" not in reasons(shot, Thresholds()) for shot in (shots[0], shots[2]))


@pytest.mark.parametrize("size", [(160, 90), (400, 225), (90, 160)])
@pytest.mark.parametrize("share", [1 / 400, 1 / 100, 1 / 25])
def test_a_travelling_texture_scores_its_speed(tmp_path, size, share):
    speed = share * max(size)
    frames = travelling(3, 12, speed, size, grain=max(1.5, max(size) / 90))
    shot = only_shot(frames_folder(tmp_path / "clip", frames), tmp_path / "pictures")
    assert shot.scores.motion_px == pytest.approx(speed, rel=0.05)
    assert shot.scores.motion == pytest.approx(100 * share * Options().folder_fps, rel=0.05)


@pytest.mark.parametrize("grain", [0, 5])
def test_a_still_is_flagged_grain_or_not_and_what_moves_is_not(tmp_path, grain):
    rng = np.random.default_rng(4)
    still = np.repeat(texture(5, 180, 320)[None], 16, 0) + rng.normal(0, grain, (16, 180, 320, 3))
    still = np.clip(still, 0, 255).astype(np.uint8)
    moving = still.copy()
    for i in range(16):  # a small thing in a large still picture
        moving[i, 60:90, 40 + 4 * i : 80 + 4 * i] = 250
    first = only_shot(clip(tmp_path / "still.mp4", still), tmp_path / "pictures")
    second = only_shot(clip(tmp_path / "moving.mp4", moving), tmp_path / "pictures")
    assert is_still(first) and "nothing moves" in reasons(first, Thresholds()), first.scores
    assert not is_still(second) and kept(second, Thresholds()), second.scores


@pytest.mark.parametrize("size", [14, 22, 34])
@pytest.mark.parametrize("ink, paper", [(20, 235), (240, 10), (90, 190)])
def test_a_page_of_writing_is_flagged(tmp_path, size, ink, paper):
    assert writing_share(shrink(page(size, ink=ink, paper=paper), 512)) > 2 * (Thresholds().text_max or 0)


def test_a_filmed_page_is_left_out_and_pictures_of_things_are_not(tmp_path):
    sheet = page(20)
    frames = np.stack([sheet[i : i + 320, i : i + 600] for i in range(12)])
    shot = only_shot(clip(tmp_path / "page.mp4", frames), tmp_path / "pictures")
    assert "writing in the picture" in reasons(shot, Thresholds()), shot.scores
    for seed in range(4):
        for grain in (1.0, 2.0, 5.0):
            assert writing_share(texture(seed, 288, 512, grain)) < 0.02
    brick = np.full((288, 512, 3), 170, np.uint8)
    for row in range(0, 288, 18):
        brick[row : row + 3] = 60
        brick[row : row + 18, (row // 18 % 2) * 20 :: 40] = 60
    assert writing_share(brick) < (Thresholds().text_max or 0)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="real footage is not here")
def test_ordinary_film_is_not_taken_for_writing():
    share = {}
    for path in sorted(CLIPS.iterdir()):
        footage = open_footage(path, 8)
        share[path.name] = [writing_share(frame.shrunk(512)) for frame in footage.frames if frame.index % 60 == 5]
    assert max(max(values) for values in share.values()) < (Thresholds().text_max or 0), share


def test_what_is_sharp_scores_higher_whatever_its_size(tmp_path):
    import cv2

    sharp = travelling(6, 3, 2.0, (640, 360), grain=2.0)
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in sharp])
    small = np.stack([cv2.resize(frame, (512, 288), interpolation=cv2.INTER_AREA) for frame in sharp])
    of = {
        name: only_shot(frames_folder(tmp_path / name, frames), tmp_path / "pictures").scores.sharpness
        for name, frames in (("sharp", sharp), ("soft", soft), ("small", small))
    }
    assert of["sharp"] > 4 * of["soft"] and of["small"] == pytest.approx(of["sharp"], rel=0.1), of


def test_tighter_limits_never_let_more_in(tmp_path):
    scenes = [scene((40 * i, 200 - 30 * i, 90), i, 6 + 3 * i) for i in range(5)]
    shots = shots_of(clip(tmp_path / "a.mp4", np.concatenate(scenes)), tmp_path / "pictures")
    for field in ("motion_min", "sharpness_min", "seconds_min", "motion_max", "text_max", "seconds_max"):
        steps = np.linspace(0, 400, 40)
        counts = [sum(kept(shot, Thresholds(**{field: step})) for shot in shots) for step in steps]
        tighter = counts if field.endswith("min") else counts[::-1]
        assert all(a >= b for a, b in pairwise(tighter)), (field, counts)
