"""Small stages, models and watchers that follow the real protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from diffscaler import stages
from diffscaler.errors import JobCancelled
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.plan import Node
from diffscaler.progress import Progress
from diffscaler.stage import ModelRef, Params, StageContext


class FakeClipParams(Params):
    frames: int = 20
    seed: int = 0
    chunk: int = 4
    width: int = 24
    height: int = 18


class FakeClip:
    """Noise frames, each a function of seed and index."""

    name, version, lookback, joins = "fake_clip", 1, 0, False
    Params = FakeClipParams
    made: ClassVar[list[int]] = []

    def __init__(self, params: FakeClipParams, models: tuple[ModelRef, ...] = ()) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p = self.params
        return ClipMeta(kind="frames", width=p.width, height=p.height, num_frames=p.frames, duration_s=p.frames / 8)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        p = self.params
        for start in range(ctx.start, p.frames, p.chunk):
            stop = min(p.frames, start + p.chunk)
            FakeClip.made += range(start, stop)
            yield FrameChunk(
                np.stack([noise(p.seed, i, p.height, p.width) for i in range(start, stop)]),
                start,
                np.arange(start, stop) / 8,
            )


def noise(seed: int, index: int, height: int, width: int) -> np.ndarray:
    return np.random.RandomState(seed * 1000 + index).randint(0, 256, (height, width, 3), np.uint8)


class FakeBlurParams(Params):
    strength: int = 1


class FakeBlur:
    """Averages each frame with the one before it: needs one frame of lookback."""

    name, version, lookback, joins = "fake_blur", 1, 1, False
    Params = FakeBlurParams
    seen: ClassVar[list[int]] = []

    def __init__(self, params: FakeBlurParams, models: tuple[ModelRef, ...] = ()) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0]

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        before: np.ndarray | None = None
        for chunk in inputs[0]:
            made = []
            for index, frame in zip(range(chunk.start, chunk.stop), chunk.frames, strict=True):
                mean = frame if before is None else ((frame.astype(int) + before) // 2).astype(np.uint8)
                before = frame
                if index >= ctx.start:
                    FakeBlur.seen.append(index)
                    made.append((mean.astype(int) * self.params.strength % 256).astype(np.uint8))
            if made:
                yield FrameChunk(np.stack(made), chunk.stop - len(made), chunk.times[-len(made) :])


class FakeScaleParams(Params):
    scale: int = 2


class FakeScale:
    name, version, lookback, joins = "fake_scale", 1, 0, False
    Params = FakeScaleParams

    def __init__(self, params: FakeScaleParams, models: tuple[ModelRef, ...] = ()) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        s = self.params.scale
        return inputs[0].change(width=inputs[0].width * s, height=inputs[0].height * s)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        for chunk in inputs[0]:
            ctx.step(chunk.stop, inputs[0].meta.num_frames, "frame")
            for ref in self.models:
                with ctx.acquire(ref):
                    pass
            s = self.params.scale
            yield FrameChunk(chunk.frames.repeat(s, 1).repeat(s, 2), chunk.start, chunk.times)


class FakeMixParams(Params):
    pass


class FakeMix:
    """Joins two clips: reads the second wholly before the first."""

    name, version, lookback, joins = "fake_mix", 1, 0, True
    Params = FakeMixParams

    def __init__(self, params: FakeMixParams, models: tuple[ModelRef, ...] = ()) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0]

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        other = np.concatenate([chunk.frames for chunk in inputs[1]])
        shift = int(other.mean())
        for chunk in inputs[0]:
            yield FrameChunk(chunk.frames // 2 + np.uint8(shift // 2), chunk.start, chunk.times)


FAKES = {cls.name: f"tests.fakes:{cls.__name__}" for cls in (FakeClip, FakeBlur, FakeScale, FakeMix)}


def install(monkeypatch: Any) -> None:
    """Let plans name the fakes."""
    for name, where in FAKES.items():
        monkeypatch.setitem(stages.STAGES, name, where)


class FakeWatcher:
    """Stops after `stop_after` progress reports, when given."""

    def __init__(self, stop_after: int | None = None, on_progress: Callable[[Progress], None] | None = None) -> None:
        self.left = stop_after
        self.reports: list[Progress] = []
        self.previews: list[np.ndarray] = []
        self.on_progress = on_progress

    def stopped(self) -> bool:
        return self.left is not None and self.left <= 0

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)
        if self.on_progress:
            self.on_progress(progress)
        if self.left is not None:
            self.left -= 1

    def preview(self, frames: np.ndarray) -> None:
        self.previews.append(frames)


class FakeLender:
    """Lends nothing, notes who asked."""

    def __init__(self, budget_bytes: int = 10**12, sizes: dict[str, int] | None = None) -> None:
        self.budget_bytes = budget_bytes
        self.sizes = sizes or {}
        self.lent: list[str] = []

    def size_bytes(self, ref: ModelRef) -> int:
        return self.sizes.get(ref.name, 0)

    @contextmanager
    def acquire(self, ref: ModelRef) -> Iterator[str]:
        self.lent.append(ref.name)
        yield ref.name

    def notes(self, ref: ModelRef) -> tuple[str, ...]:
        return (f"used {ref.name}",)


def frames_of(library: Any, node: Node) -> np.ndarray:
    """All frames of a clip the library holds."""
    return np.concatenate([chunk.frames for chunk in library.read(node.key)])


__all__ = [
    "FAKES",
    "FakeBlur",
    "FakeClip",
    "FakeLender",
    "FakeMix",
    "FakeScale",
    "FakeWatcher",
    "JobCancelled",
    "frames_of",
    "install",
]
