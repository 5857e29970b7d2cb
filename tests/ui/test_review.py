"""The review of a swap: what may be corrected, and when it is made without being asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from diffscaler.errors import InvalidRequest
from diffscaler.faceswap.review import COLUMNS, Review
from diffscaler.library.clips import Clip
from diffscaler.media import ClipMeta
from diffscaler.plan import node
from diffscaler.requests import Correction, FaceSwapRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from tests.faceswap import tiny_onnx
from tests.fakes import FakeClip, FakeClipParams
from tests.video.make import VFR_END, VFR_TIMES, vfr_with_sound
from ui import pieces
from ui.faceswap_tab import FaceSwapTab
from ui.moments import moments_of, steady
from ui.review import correction, swap_in

Make = Callable[..., Clip]


@pytest.fixture
def tab(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FaceSwapTab:
    studio = Studio(settings)
    monkeypatch.setattr(studio.keeper, "ensure", lambda: None)  # no worker: jobs wait
    tab = FaceSwapTab(studio)
    with gr.Blocks(), gr.Tabs():
        tab.place()
    return tab


@pytest.fixture
def swap(tab: FaceSwapTab, tmp_path: Path) -> Make:
    """Makes the library's entry of a swapped clip, without any frame of it."""

    def make(**values: Any) -> Clip:
        library, pictures = tab.studio.library, [Image.new("RGB", (64, 48), (6 * i, 90, 120)) for i in range(40)]
        pictures[0].save(tmp_path / "clip.gif", save_all=True, append_images=pictures[1:], duration=100)
        pictures[0].save(tmp_path / "face.png")
        key, face = (tab.studio.add_file(tmp_path / name).key for name in ("clip.gif", "face.png"))
        request = FaceSwapRequest(clip=key, faces=(face,), consent="by mail", engine="builtin", **values)
        recipe = tab.studio.recipes.of(request)
        meta = ClipMeta(kind="file", width=64, height=48, num_frames=40, fps=Fraction(10), duration_s=4)
        library.open(recipe.root, meta)
        library.keep(recipe.root.key, recipe.title, recipe.request_row())
        return library.clip(recipe.root.key)

    return make


SKIP = Correction(start=2, stop=3)


def test_a_correction_is_added_and_all_are_taken_back(tab: FaceSwapTab, swap: Make) -> None:
    clip = swap(corrections=(Correction(start=0, stop=1),))
    assert tab.review.corrected(clip, SKIP).corrections == (Correction(start=0, stop=1), SKIP)
    assert tab.review.corrected(clip, None).corrections == ()


def test_frames_of_another_swap_are_not_corrected(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = swap()
    newer = ModelRef(name="centerface", revision="newer")
    monkeypatch.setattr(tab.studio.recipes, "_detector", lambda *given: newer)
    with pytest.raises(InvalidRequest, match="models have changed"):
        tab.review.corrected(clip, SKIP)


def test_one_correction_too_many_is_said(tab: FaceSwapTab, swap: Make) -> None:
    clip = swap(corrections=tuple(Correction(start=i % 40, stop=i % 40 + 1) for i in range(100)))
    with pytest.raises(ValidationError, match="at most 100"):
        tab.review.corrected(clip, SKIP)


def review(**doubt: float) -> Review:
    """A review of one face in frame 3 of 40."""
    usual = {"frame": 3, "score": 0.9, "changed": 9, "seam": 1, "likeness": 0.9, "weight": 1}
    row = [float({**usual, **doubt}.get(name, 0)) for name in COLUMNS]
    return Review(np.array([row], np.float32), 40)


def test_what_is_in_front_can_be_drawn_over_or_masked_by_what_else_is_installed(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = swap()
    monkeypatch.setattr(tab.review, "_root", lambda clip: "r")
    monkeypatch.setattr(tab.review, "_review", lambda key: review(hidden=0.9))
    html = tab.review.render(clip, None)
    assert "something in front" in html and "Draw over it" in html and "Mask by" not in html
    assert "by how the face looks otherwise. (" in tab.front_line()
    tab.studio.settings.models_dir.mkdir(parents=True, exist_ok=True)
    tiny_onnx.occluder(tab.studio.settings.models_dir / "xseg_1.onnx")
    assert "by the occluder. (" in tab.front_line()
    html = tab.review.render(clip, None)
    assert "Mask by the occluder" in html and "Mask by its looks" not in html and "face parser" not in html
    click = gr.EventData(None, {"do": "correct", "person": "0", "start": "3", "stop": "4", "how": "occluder"})
    made = tab.review.corrected(swap(in_front="looks"), correction(click, moments_of(tab.studio.library, clip)))
    assert made.corrections == (Correction(start=3, stop=4, people=(0,), how="occluder"),)
    node = swap_in(clip.node)
    assert node is not None
    node.params["engine"] = "ghost"  # which kept nothing in front before that could be said
    assert "Mask by its looks" in tab.review.render(clip, None)
    monkeypatch.setattr(tab.review, "_review", lambda key: review(yaw=70))
    assert "Draw over it<" not in tab.review.render(clip, None)


def test_another_engine_can_draw_some_frames_where_it_is_installed(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = swap()
    monkeypatch.setattr(tab.review, "_root", lambda clip: "r")
    monkeypatch.setattr(tab.review, "_review", lambda key: review(seam=3))
    html = tab.review.render(clip, None)
    assert "visible border" in html and 'data-how="builtin"' not in html and 'data-how="inswapper"' not in html
    models = tab.studio.settings.models_dir
    models.mkdir(parents=True, exist_ok=True)
    tiny_onnx.swapper(models / "inswapper_128.onnx")
    assert 'data-how="inswapper"' not in tab.review.render(clip, None), "it needs a recogniser too"
    tiny_onnx.arcface(models / "w600k_r50.onnx")
    html = tab.review.render(clip, None)
    assert html.count('data-how="inswapper"') == 2 and 'data-how="ghost"' not in html
    click = gr.EventData(None, {"do": "correct", "person": "0", "start": "3", "stop": "4", "how": "inswapper"})
    tab.review.on_click({"clip": clip.key}, click)
    (job,) = tab.studio.queue.list()
    assert (job.request or {})["corrections"] == [{"start": 3, "stop": 4, "people": [0], "how": "inswapper"}]
    safe = swap(commercial_only=True)
    assert 'data-how="inswapper"' not in tab.review.render(safe, None)
    node = swap_in(clip.node)
    assert node is not None
    node.params["engine"] = "inswapper"
    html = tab.review.render(clip, None)
    assert 'data-how="builtin"' in html and 'data-how="inswapper"' not in html


def test_a_clip_of_nobody_is_not_said_to_be_in_order(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = swap()
    monkeypatch.setattr(tab.review, "_root", lambda clip: "r")
    monkeypatch.setattr(tab.review, "_review", lambda key: Review(np.zeros((0, len(COLUMNS)), np.float32), 40))
    html = tab.review.render(clip, None)
    assert "Nobody was found" in html and "Nothing stands out" not in html and "data-do" not in html


def test_a_seed_is_told_of_swaps_that_draw_by_chance_only(tab: FaceSwapTab, swap: Make) -> None:
    clip = swap()
    assert "seed" not in pieces.facts(tab.studio, clip)
    redrawn = replace(clip, node=node(FakeClip(FakeClipParams(frames=2))))
    object.__setattr__(redrawn.node, "stage", "redraw_faces")
    assert "<span>seed 0</span>" in pieces.facts(tab.studio, redrawn)


def test_a_review_that_would_run_the_swap_again_waits_to_be_asked_for(tab: FaceSwapTab, swap: Make) -> None:
    state = {"clip": swap().key}
    updates = tab.review.on_state(state)
    assert 'data-do="review"' in updates[tab.review.pane] and tab.studio.queue.list() == []
    updates = tab.review.on_click(state, gr.EventData(None, {"do": "review"}))
    assert "Looking at the result" in updates[tab.review.pane] and len(tab.studio.queue.list()) == 1


def test_a_review_is_made_unasked_once(tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = swap()
    state, node = {"clip": clip.key}, tab.review._planned(clip)
    monkeypatch.setattr("ui.review.missing", lambda library, root: [node])
    assert "Looking at the result" in tab.review.on_state(state)[tab.review.pane]
    (job,) = tab.studio.queue.list()
    tab.studio.queue.end(job.id, "failed", sentence="No <room>.")
    html = tab.review.on_state(state)[tab.review.pane]
    assert 'data-do="review"' in html and "No &lt;room&gt;." in html
    assert tab.studio.queue.list(ended=False) == []


def test_the_quarter_second_around_a_moment_stays_inside_the_clip() -> None:
    moments = steady(40, 8)
    spans = {"0": (0, 1), "1": (7, 9), "1.06": (7, 10), "4.99": (38, 40), "99": (39, 40), "-3": (0, 1)}
    assert {at: moments.around(at) for at in spans} == spans
    for at in ("", "nan", "inf", "<b>"):
        with pytest.raises(InvalidRequest, match="No moment"):
            moments.around(at)


def test_the_moment_shown_can_always_be_corrected_where_frames_keep_a_beat(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = swap()
    monkeypatch.setattr(tab.review, "_root", lambda clip: "r")
    monkeypatch.setattr(tab.review, "_review", lambda key: review())
    html = tab.review.render(clip, None)
    assert html.count('data-do="correct-here"') == 2 and "data-seek" in html
    tab.review.on_click({"clip": clip.key}, gr.EventData(None, {"do": "correct-here", "how": "skip", "at": "1.0"}))
    (job,) = tab.studio.queue.list()
    assert (job.request or {})["corrections"] == [{"start": 8, "stop": 12, "people": [], "how": "skip"}]


def test_frames_that_keep_no_beat_are_found_at_their_own_times(
    tab: FaceSwapTab, swap: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One second of 30 frames, then one of 10: as a player shows them, not where an average rate would put them."""
    file, clip = vfr_with_sound(tmp_path), swap()
    clip = replace(clip, meta=clip.meta.change(vfr=True, fps=Fraction(20), duration_s=VFR_END))
    monkeypatch.setattr(tab.studio.library, "path", lambda key: file)
    monkeypatch.setattr(tab.review, "_root", lambda clip: "r")
    monkeypatch.setattr(tab.review, "_review", lambda key: review())
    html = tab.review.render(clip, None)
    seeks = [float(value) for value in re.findall(r'class="h\d" data-seek="([\d.]+)"', html)]
    ends = [*VFR_TIMES[1:], VFR_END]
    assert len(seeks) == 40
    assert all(start < at < end for start, at, end in zip(VFR_TIMES, seeks, ends, strict=True))
    assert html.count('data-do="correct-here"') == 2
    moments = moments_of(tab.studio.library, clip)
    assert (moments.around("0.5"), moments.around("1.55")) == ((11, 19), (34, 37))
