"""What the engine promises: reuse, resume to equal frames, flat passes, honest sizes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest, JobCancelled, NotEnoughRoom
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import ClipMeta
from diffscaler.passes import passes
from diffscaler.plan import Node, node
from diffscaler.stage import ModelRef
from tests.fakes import (
    FakeBlur,
    FakeBlurParams,
    FakeClip,
    FakeClipParams,
    FakeLender,
    FakeMix,
    FakeMixParams,
    FakeScale,
    FakeScaleParams,
    FakeWatcher,
    frames_of,
)


def chain(frames: int = 20, scale: int = 2, seed: int = 0, chunk: int = 4) -> Node:
    clip = node(FakeClip(FakeClipParams(frames=frames, seed=seed, chunk=chunk)))
    return node(FakeScale(FakeScaleParams(scale=scale)), node(FakeBlur(FakeBlurParams()), clip))


def test_changing_the_last_stage_runs_only_the_last_stage(engine: Engine) -> None:
    engine.run(chain(scale=2), FakeWatcher())
    FakeBlur.seen.clear()
    assert [at.stage for at in engine.missing(chain(scale=3))] == ["fake_scale"]
    engine.run(chain(scale=3), FakeWatcher())
    assert frames_of(engine.library, chain(scale=3)).shape == (20, 54, 72, 3)
    assert FakeBlur.seen == []


def test_a_finished_plan_runs_nothing(engine: Engine) -> None:
    engine.run(chain(), FakeWatcher())
    FakeClip.made.clear()
    engine.run(chain(), FakeWatcher())
    assert FakeClip.made == []


@pytest.mark.parametrize("stop_after", range(1, 16))
def test_a_stopped_run_continues_to_equal_frames(engine: Engine, stop_after: int) -> None:
    engine.run(chain(seed=1), FakeWatcher())
    whole = frames_of(engine.library, chain(seed=1))
    other = Engine(ClipLibrary(engine.library.root.parent / "other"), FakeLender())
    FakeBlur.seen.clear()
    with pytest.raises(JobCancelled):
        other.run(chain(seed=1), FakeWatcher(stop_after))
    other.run(chain(seed=1), FakeWatcher())
    assert np.array_equal(frames_of(other.library, chain(seed=1)), whole)
    assert len(FakeBlur.seen) == len(set(FakeBlur.seen)) == 20, "no frame was made twice"


def test_chunking_is_invisible(engine: Engine) -> None:
    results = []
    for chunk in (1, 3, 8):
        engine.run(chain(chunk=chunk), FakeWatcher())
        results.append(frames_of(engine.library, chain(chunk=chunk)))
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_lost_segment_files_are_made_again(engine: Engine) -> None:
    root = chain(seed=2)
    engine.run(root, FakeWatcher())
    whole = frames_of(engine.library, root)
    for path in sorted((engine.library.root / "clips").rglob("*.mkv"))[::2]:
        path.unlink()
    for at in (root, root.inputs[0], root.inputs[0].inputs[0]):
        engine.library.open(at, ClipMeta(kind="frames"))
    engine.run(root, FakeWatcher())
    assert np.array_equal(frames_of(engine.library, root), whole)


def test_a_join_reads_inputs_that_share_a_live_source(engine: Engine) -> None:
    clip = node(FakeClip(FakeClipParams()))
    mixed = node(FakeMix(FakeMixParams()), clip, node(FakeBlur(FakeBlurParams()), clip))
    engine.run(mixed, FakeWatcher())
    assert frames_of(engine.library, mixed).shape == (20, 18, 24, 3)
    assert sorted(FakeClip.made) == list(range(20)), "the shared clip was made once"


def test_passes_split_where_memory_ends_and_where_stages_join() -> None:
    a, b, c = ModelRef(name="a", revision="1"), ModelRef(name="b", revision="1"), ModelRef(name="c", revision="1")
    clip = node(FakeClip(FakeClipParams(), (a,)))
    blur = node(FakeBlur(FakeBlurParams(), (b,)), clip)
    scale = node(FakeScale(FakeScaleParams(), (c,)), blur)
    sizes = {"a": 4, "b": 4, "c": 4}

    def groups(budget: int, joins: str = "") -> list[int]:
        size = lambda at: sum(sizes[ref.name] for ref in at.models)  # noqa: E731
        return [len(group) for group in passes([clip, blur, scale], size, lambda at: at.stage == joins, budget)]

    assert groups(12) == [3]
    assert groups(8) == [2, 1]
    assert groups(4) == [1, 1, 1]
    assert groups(12, joins="fake_scale") == [2, 1]


def test_every_model_and_note_is_on_the_clip(engine: Engine) -> None:
    lender = FakeLender()
    engine.lender = lender
    root = node(FakeScale(FakeScaleParams(), (ModelRef(name="big", revision="1"),)), node(FakeClip(FakeClipParams())))
    engine.run(root, FakeWatcher())
    assert set(lender.lent) == {"big"}
    assert engine.library.clip(root.key).notes == ("used big",)


def test_progress_rises_to_one_and_names_the_stage(engine: Engine) -> None:
    watcher = FakeWatcher()
    engine.run(chain(), watcher)
    fractions = [report.fraction for report in watcher.reports]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
    assert {report.stage for report in watcher.reports} == {"fake_clip", "fake_blur", "fake_scale"}
    assert all(report.count == 3 for report in watcher.reports)


def test_sizes_that_cannot_fit_are_refused_before_anything_runs(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        engine.run(chain(scale=2000), FakeWatcher())
    engine.disk_reserve_bytes = 10**18
    with pytest.raises(NotEnoughRoom, match="disk"):
        engine.run(chain(), FakeWatcher())
    assert FakeClip.made == []


def test_random_interruptions_never_change_the_result(engine: Engine) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    engine.run(chain(seed=5), FakeWatcher())
    whole = frames_of(engine.library, chain(seed=5))
    other = Engine(ClipLibrary(engine.library.root.parent / "other"), FakeLender())
    for _ in range(40):
        try:
            other.run(chain(seed=5), FakeWatcher(chance.randrange(1, 5)))
            break
        except JobCancelled:
            continue
    other.run(chain(seed=5), FakeWatcher())
    assert np.array_equal(frames_of(other.library, chain(seed=5)), whole)


def test_when_the_disk_is_short_other_clips_intermediates_go_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from diffscaler import predict
    from diffscaler.library.trim import used_bytes

    engine.run(chain(seed=1), FakeWatcher())
    # A disk on which the next plan fits only once the first one's clips are gone.
    need = sum(predict.disk_bytes(predict.meta_of_plan(engine.library, at)) for at in engine.missing(chain(seed=2)))
    size = used_bytes(engine.library) + need // 2
    usage = shutil.disk_usage(engine.library.root)
    monkeypatch.setattr(
        predict.shutil, "disk_usage", lambda path: usage._replace(free=size - used_bytes(engine.library))
    )
    engine.run(chain(seed=2), FakeWatcher())
    assert engine.library.complete(chain(seed=2).key)
    assert not engine.library.complete(chain(seed=1).key)
