"""Sizes people deliver in, and a part of a clip to try something on."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest
from diffscaler.media import ClipMeta, Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.plan import Node, node, nodes
from diffscaler.recipes import Recipes
from diffscaler.requests import Region, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.upscale.excerpt import Excerpt, ExcerptParams, excerpt_of
from diffscaler.upscale.resize import BOXES, Resize, ResizeParams, fitted_size
from tests.fakes import FakeClip, FakeClipParams, FakeWatcher, frames_of
from tests.upscale.run import context
from tests.video.make import flashing, in_chunks, meta_for, numbered, video


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [
        ((1280, 720), "1080p", (1920, 1080)),
        ((854, 480), "4K", (3840, 2158)),
        ((720, 1280), "1080p", (1080, 1920)),
        ((100, 100), "1080p", (1080, 1080)),
        ((478, 200), "1080p", (1920, 804)),
        ((1919, 1079), "1080p", (1920, 1080)),
    ],
)
def test_a_target_is_the_largest_even_size_of_the_same_aspect(
    size: tuple[int, int], target: str, expected: tuple[int, int]
) -> None:
    assert fitted_size(*size, target) == expected


@given(st.integers(2, 1079), st.integers(2, 1079), st.sampled_from(sorted(BOXES)))
def test_every_target_fits_its_box_and_touches_it(width: int, height: int, target: str) -> None:
    wide, tall = fitted_size(width, height, target)
    box = BOXES[target] if width >= height else BOXES[target][::-1]
    assert wide % 2 == tall % 2 == 0 and wide <= box[0] and tall <= box[1]
    assert wide == box[0] or tall == box[1]
    if min(wide, tall) > 100:
        assert abs(wide / tall - width / height) < 0.03 * width / height


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (3000, 200)])
def test_a_target_that_would_not_make_it_larger_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match="would not make it larger"):
        fitted_size(*size, "1080p")


def test_resizing_neither_shifts_nor_aliases() -> None:
    """Stripes finer than the result can show become grey; a ramp stays a ramp at the same place."""
    ramp = np.tile(np.linspace(0, 255, 120)[None, :, None], (80, 1, 3)).astype(np.uint8)
    stripes = np.tile(np.uint8([[[0, 0, 0]], [[255, 255, 255]]]), (40, 120, 1))
    frames = np.stack([ramp, stripes])
    stage = Resize(ResizeParams(width=50, height=34), ())
    (made,) = stage.run((Stream(meta_for(frames), in_chunks(frames, 2)),), context())
    assert made.frames.shape == (2, 34, 50, 3)
    expected = (np.arange(50) + 0.5) * 120 / 50 / 119 * 255 - 255 / 238
    assert np.abs(made.frames[0, 17, 2:-2, 0] - expected[2:-2]).max() < 2
    assert np.abs(made.frames[1, 3:-3].astype(int) - 127).max() < 12


@pytest.mark.parametrize("chunk", [1, 3, 20])
def test_an_excerpt_is_the_part_from_zero_on(chunk: int) -> None:
    frames = numbered(12)
    stage = Excerpt(ExcerptParams(start=4, stop=9, x=10, y=6, width=20, height=16), ())
    meta = stage.describe((meta_for(frames, sound="ab"),))
    assert (meta.width, meta.height, meta.num_frames, meta.sound) == (20, 16, 5, None)
    parts = [part.since(stage.reads_from(2)) for part in in_chunks(frames, chunk) if part.stop > 4]
    for start in (0, 2):
        made = list(stage.run((Stream(meta_for(frames), parts),), context(start)))
        assert np.array_equal(np.concatenate([m.frames for m in made]), frames[4 + start : 9, 6:22, 10:30])
        assert np.allclose(np.concatenate([m.times for m in made]), np.arange(start, 5) / 30)
        assert made[0].start == start


def test_a_trial_makes_no_more_frames_than_it_shows(engine: Engine) -> None:
    whole = node(FakeClip(FakeClipParams(frames=20, chunk=2)))
    part = node(Excerpt(ExcerptParams(start=3, stop=7, x=0, y=0, width=24, height=18), ()), whole)
    engine.run(part, FakeWatcher())
    made = frames_of(engine.library, part)
    assert max(FakeClip.made) < 8
    engine.run(whole, FakeWatcher())
    assert np.array_equal(made, frames_of(engine.library, whole)[3:7])


META = ClipMeta(kind="frames", width=64, height=48, num_frames=50, fps=Fraction(25), duration_s=2.0)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"start_s": 0.0}, (0, 25)),
        ({"start_s": 1.5}, (37, 50)),
        ({"start_s": 1.96, "length_s": 0.01}, (49, 50)),
        ({"region": Region(x=0, y=0, width=64, height=48)}, (0, 50)),
    ],
)
def test_seconds_become_frames(given_: dict[str, object], expected: tuple[int, int]) -> None:
    part = excerpt_of(META, UpscaleRequest.model_validate({"clip": "abcdef", **given_}))
    assert part is not None and (part.start, part.stop) == expected


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"start_s": 2.0}, "ends at 2.00 s"),
        ({"region": {"x": 40, "y": 0, "width": 32, "height": 16}}, "reaches to 72 x 16"),
    ],
)
def test_a_part_outside_the_clip_is_refused(given_: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        excerpt_of(META, UpscaleRequest.model_validate({"clip": "abcdef", **given_}))


def test_asking_for_nothing_is_an_error() -> None:
    with pytest.raises(ValidationError, match="neither"):
        UpscaleRequest(clip="abcdef", scale=1)


@pytest.fixture
def recipes(engine: Engine, settings: Settings) -> Recipes:
    return Recipes(engine.library, Catalogue(settings))


def stages_of(root: Node) -> list[str]:
    return [at.stage for at in nodes(root)]


def test_the_order_of_stages_and_the_trials_size(recipes: Recipes, tmp_path: Path) -> None:
    key = recipes.library.add_file(video(tmp_path / "clip.mp4", numbered(9))).key
    whole = recipes.upscale(UpscaleRequest(clip=key, scale="1080p", fps_times=2))
    assert stages_of(whole.root) == ["import", "upscale", "steady", "resize", "interpolate", "encode"]
    assert whole.root.inputs[0].inputs[0].params == {"width": 1440, "height": 1080}
    assert whole.title == "clip.mp4, 1080p, 60 fps"
    region = Region(x=8, y=8, width=32, height=24)
    part = recipes.upscale(UpscaleRequest(clip=key, scale="1080p", region=region))
    assert stages_of(part.root) == ["import", "excerpt", "upscale", "steady", "resize", "encode"]
    assert part.root.inputs[0].params == {"width": 720, "height": 540}
    rate = recipes.upscale(UpscaleRequest(clip=key, scale=1, fps_times=4))
    assert stages_of(rate.root) == ["import", "interpolate", "encode"]


def test_a_picture_has_no_frame_rate(recipes: Recipes, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(flashing(1, 0)[0]).save(tmp_path / "still.png")
    key = recipes.library.add_file(tmp_path / "still.png").key
    with pytest.raises(InvalidRequest, match="no frame rate"):
        recipes.upscale(UpscaleRequest(clip=key, scale=1, fps_times=2))


def test_a_request_survives_the_queue(recipes: Recipes) -> None:
    from diffscaler.recipe_parts import Recipe
    from diffscaler.recipes import request_from

    asked = UpscaleRequest(clip="abcdef", scale="4K", fps_times=2, region=Region(x=0, y=2, width=16, height=16))
    row = Recipe(Node("import", 1, {}), "", asked).request_row()
    assert request_from(json.loads(json.dumps(row))) == asked
