import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.data.manifest import read_manifest
from training.data.moving import digits, shapes
from training.data.moving.make import drawn

REPOSITORY = Path(__file__).resolve().parents[3]
WAYS = {"to the right": (1, 0), "to the left": (-1, 0), "up": (0, -1), "down": (0, 1)}


def where(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """bool (H, W): pixels of a colour."""
    return np.abs(frame.astype(int) - colour).max(-1) < 24


def centre(mask: np.ndarray) -> np.ndarray:
    """x and y of the middle of a mask, as shares of the side."""
    y, x = np.nonzero(mask)
    return np.array([x.mean(), y.mean()]) / mask.shape[0]


def travelled(masks: list[np.ndarray]) -> np.ndarray:
    return centre(masks[-1]) - centre(masks[0])


@pytest.mark.parametrize("action", shapes.ACTIONS)
def test_a_caption_says_what_the_pixels_show(action):
    seed = int(np.random.SeedSequence().entropy % 2**31)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    specs = [spec for spec in (shapes.draw_spec(rng) for _ in range(150)) if spec.action == action]
    assert len(specs) > 5
    for spec in specs:
        caption = shapes.caption_of(spec)
        clip = shapes.draw_clip(spec, 64, 12)
        said = [name for name in re.findall(r"[a-z]+", caption) if name in shapes.COLOURS]
        assert said, caption
        seen = {name: [where(frame, shapes.COLOURS[name]) for frame in clip] for name in shapes.COLOURS}
        assert {name for name, masks in seen.items() if any(mask.sum() > 6 for mask in masks)} == set(said), caption
        edge = [mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any() for mask in seen[said[0]]]
        assert not any(edge), f"{caption}: it leaves the picture"
        way = next((vector for words, vector in WAYS.items() if f" {words} over" in caption), None)
        if " slide" in caption:
            far = 0.4 if "quickly" in caption else 0.15
            for name in said:
                moved = travelled(seen[name])
                assert np.dot(moved, way) > far and abs(np.dot(moved, way[::-1])) < 0.03, (caption, moved)
        elif " grows " in caption or " shrinks " in caption:
            areas = [mask.sum() for mask in seen[said[0]]]
            assert (areas[-1] > 1.5 * areas[0]) == ("grows" in caption), (caption, areas)
        elif " bounces " in caption:
            path = np.array([centre(mask) for mask in seen[said[0]]])
            turns = np.count_nonzero(np.diff(np.sign(np.diff(path[:, 1]))))
            assert np.ptp(path[:, 0]) < 0.03 and np.ptp(path[:, 1]) > 0.3 and turns >= 1, (caption, path)
        elif " turns " in caption:
            assert np.linalg.norm(travelled(seen[said[0]])) < 0.05
            assert (turn_of(seen[said[0]]) > 0) == (" clockwise" in caption), caption
        else:
            first = [next(i for i, mask in enumerate(seen[name]) if mask.sum() > 6) for name in said]
            assert " to ".join(said) in caption and first == sorted(first) and first[0] == 0


def turn_of(masks: list[np.ndarray]) -> float:
    """Degrees from the first to the second frame, above 0 clockwise: the turn that lays one over the other best."""
    import cv2

    first, second = (mask.astype(np.float32) for mask in masks[:2])
    x, y = centre(masks[0]) * len(first)
    fits = {
        angle: float(
            (cv2.warpAffine(first, cv2.getRotationMatrix2D((x, y), -angle, 1), first.shape[::-1]) * second).sum()
        )
        for angle in range(-20, 21, 2)
    }
    return max(fits, key=fits.__getitem__)


def test_the_background_stands_still():
    rng = np.random.default_rng(5)
    for spec in (shapes.draw_spec(rng) for _ in range(60)):
        clip = shapes.draw_clip(spec, 48, 6).astype(int)
        corners = clip[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == corners[:1]).all(), shapes.caption_of(spec)


def test_digits_go_where_the_caption_says_and_look_like_what_it_says():
    shown = {}
    rng = np.random.default_rng(7)
    for spec in (digits.draw_spec(rng) for _ in range(120)):
        clip = digits.draw_clip(spec, 64, 8)
        halves = [slice(0, 64)] if len(spec.digits) == 1 else [slice(0, 32), slice(32, 64)]
        said = digits.caption_of(spec).split(" and ")
        for words, half in zip(said, halves, strict=True):
            name, speed, way = re.fullmatch(r"the digit (\w+) moves (\w+) (.+)", words).groups()
            masks = [frame[half, :, 0] > 128 for frame in clip]
            moved = np.dot(travelled(masks) * (1, 1) * len(masks[0]) / 64, WAYS[way])
            assert moved > (0.4 if speed == "quickly" else 0.15), (words, moved)
            y, x = np.nonzero(masks[0])
            glyph = masks[0][y.min() : y.max() + 1, x.min() : x.max() + 1]
            shown.setdefault(name, []).append(glyph.sum())
    assert set(shown) == set(digits.NAMES)
    ink = {name: np.median(values) for name, values in shown.items()}
    assert ink["one"] < ink["seven"] < ink["four"] < ink["five"] < ink["six"] < ink["eight"], ink


@pytest.mark.parametrize("kind", ["shapes", "digits"])
def test_the_same_seed_draws_the_same_clips_and_no_caption_comes_twice(kind):
    first, second = ([clip.captions for clip in drawn(kind, 60, seed)] for seed in (3, 3))
    other = [clip.captions for clip in drawn(kind, 60, 4)]
    assert first == second != other and len(set(first)) == 60
    one, two = (next(drawn(kind, 1, 3)).draw(32, 4) for _ in range(2))
    assert np.array_equal(one, two)


def test_drawn_data_are_a_data_set_like_any_other(tmp_path):
    command = [
        sys.executable,
        "-m",
        "training",
        "make",
        "shapes",
        "-o",
        str(tmp_path / "set"),
        "--count",
        "9",
        "--size",
        "32",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "9 shots, 9 kept" in done.stdout, done.stderr
    data = read_manifest(tmp_path / "set")
    assert len(data) == 9 and all(item.num_frames == 16 and item.fps == 8 for item in data)
    from training.folder import read_folder

    clips = read_folder(tmp_path / "set", 32, 8)
    assert clips.frames.shape == (18, 8, 32, 32, 3) and clips.captions[0] == list(data[0].captions)
