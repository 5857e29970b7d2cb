"""What a stopped job has finished becomes a clip, and nothing more is made for it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from diffscaler.beginning import Beginning, BeginningParams, finished
from diffscaler.engine import Engine
from diffscaler.errors import JobCancelled
from diffscaler.plan import Node, node
from diffscaler.video.stage import Encode, EncodeParams
from tests.fakes import FakeBlur, FakeBlurParams, FakeClip, FakeClipParams, FakeScale, FakeScaleParams, FakeWatcher
from tests.fakes import frames_of as frames_in


def file_of(frames: Node) -> Node:
    return node(Encode(EncodeParams(), ()), frames)


def plan_of(frames: int = 20) -> Node:
    clip = node(FakeClip(FakeClipParams(frames=frames)))
    return file_of(node(FakeScale(FakeScaleParams(scale=2)), node(FakeBlur(FakeBlurParams()), clip)))


def stopped_after(engine: Engine, root: Node, reports: int) -> None:
    with pytest.raises(JobCancelled):
        engine.run(root, FakeWatcher(reports))


@pytest.mark.parametrize("reports", range(3, 16, 3))
def test_the_finished_frames_are_those_of_the_whole_clip_and_no_other_is_made(engine: Engine, reports: int) -> None:
    root = plan_of()
    stopped_after(engine, root, reports)
    done = finished(engine.library, root)
    assert done is not None and 1 <= done.num_frames < 20 and done.of == 20
    FakeClip.made.clear()
    FakeBlur.seen.clear()
    part = node(Beginning(BeginningParams(num_frames=done.num_frames), ()), done.frames)
    assert [at.stage for at in engine.missing(file_of(part))] == ["beginning", "encode"]
    engine.run(file_of(part), FakeWatcher())
    assert FakeClip.made == [] == FakeBlur.seen
    kept = frames_in(engine.library, part)
    # The job that was stopped goes on as if nothing had been taken from it.
    engine.run(root, FakeWatcher())
    assert np.array_equal(kept, frames_in(engine.library, done.frames)[: done.num_frames])
    assert len(frames_in(engine.library, root.inputs[0])) == 20
    assert finished(engine.library, root) is None


def test_what_did_not_come_to_a_stage_is_said(engine: Engine) -> None:
    clip = node(FakeClip(FakeClipParams(frames=8)))
    root = file_of(node(FakeScale(FakeScaleParams(scale=2)), clip))
    assert finished(engine.library, root) is None
    engine.run(clip, FakeWatcher())
    done = finished(engine.library, root)
    assert done is not None and done.frames == clip and done.left_out == ("fake_scale",)
    assert done.words == "first 8 of 8 frames"


def test_frames_that_were_lost_are_made_again_and_only_as_many_as_are_asked_for(engine: Engine) -> None:
    clip = node(FakeClip(FakeClipParams(frames=20, chunk=4)))
    part = node(Beginning(BeginningParams(num_frames=6), ()), clip)
    FakeClip.made.clear()
    engine.run(part, FakeWatcher())
    assert frames_in(engine.library, part).shape[0] == 6
    assert FakeClip.made == list(range(8)), "the chunk with the last frame, and none after it"


def test_a_part_has_a_part_of_the_length() -> None:
    clip = FakeClip(FakeClipParams(frames=20)).describe(())
    lengths = [Beginning(BeginningParams(num_frames=n), ()).describe((clip,)).duration_s for n in range(1, 21)]
    assert lengths[-1] == clip.duration_s and all(a < b for a, b in itertools.pairwise(lengths))
