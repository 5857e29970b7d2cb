"""Carries out plans: reuse what the library has, stream the rest, store every chunk as it passes."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from diffscaler import __version__, plan
from diffscaler.errors import ClipNotFound, JobCancelled
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import Again, Chunk, ClipMeta, Stream
from diffscaler.passes import passes
from diffscaler.plan import Node
from diffscaler.predict import check_room, meta_of_plan, model_names, seconds_of
from diffscaler.progress import Progress, Tracker, units
from diffscaler.stage import ModelRef, Stage, StageContext


class Watcher(Protocol):
    """Who is told about a run, and asked whether to go on."""

    def stopped(self) -> bool: ...

    def progress(self, progress: Progress) -> None: ...

    def preview(self, frames: npt.NDArray[np.uint8]) -> None: ...


class Lender(Protocol):
    """Where models come from; in the worker, catalogue and residency together."""

    @property
    def budget_bytes(self) -> int: ...

    def size_bytes(self, ref: ModelRef) -> int: ...

    def acquire(self, ref: ModelRef) -> AbstractContextManager[Any]: ...

    def notes(self, ref: ModelRef) -> tuple[str, ...]: ...


class Engine:
    """Runs plans against one library with borrowed models.

    disk_reserve_bytes: free disk that a run must leave
    """

    def __init__(self, library: ClipLibrary, lender: Lender, disk_reserve_bytes: int = 0) -> None:
        self.library = library
        self.lender = lender
        self.disk_reserve_bytes = disk_reserve_bytes

    def missing(self, root: Node) -> list[Node]:
        """The nodes that must run for `root`, in order: none behind a clip that is complete."""
        return missing(self.library, root)

    def run(self, root: Node, watcher: Watcher) -> None:
        """Complete the clip of `root`.

        Raises JobCancelled when the watcher asks to stop, NotEnoughRoom when disk or memory would not do, and
        whatever a stage raises. What was finished stays in the library.
        """
        todo = self.missing(root)
        if not todo:
            return
        for node in todo:
            for source in node.inputs:
                if source.stage == plan.IMPORT and not self.library.complete(source.key):
                    raise ClipNotFound("A file this job needs has left the library.", "Import it again.")
        check_room(self.library, todo, self.disk_reserve_bytes)
        expected = {node.key: seconds_of(self.library, node) for node in todo}
        run = _Run(self, Tracker(expected, todo, watcher.progress), watcher)
        groups = passes(
            todo,
            lambda node: sum(self.lender.size_bytes(ref) for ref in node.models),
            lambda node: bool(getattr(node.build(), "joins", False)),
            self.lender.budget_bytes,
        )
        for group in groups:
            run.drain(group[-1])


def missing(library: ClipLibrary, root: Node) -> list[Node]:
    """See Engine.missing; needs only the library, so the page can ask without an engine."""
    found: dict[str, Node] = {}

    def visit(node: Node) -> None:
        if node.key in found or node.stage == plan.IMPORT or library.complete(node.key):
            return
        enough = getattr(node.build(), "reads_only", None)
        for source in node.inputs:
            if enough is None or library.stored_frames(source.key) < enough:
                visit(source)
        found[node.key] = node

    visit(root)
    return list(found.values())


class _Run:
    """One walk through a plan: the state that lives only as long as `Engine.run`."""

    def __init__(self, engine: Engine, tracker: Tracker, watcher: Watcher) -> None:
        self.library = engine.library
        self.lender = engine.lender
        self.tracker = tracker
        self.watcher = watcher
        self._inner: list[float] = []  # seconds spent in upstream stages, one entry per stage on the stack

    def drain(self, node: Node) -> None:
        """Make every chunk of a node's clip."""
        if not self.library.complete(node.key):
            with closing(self.chunks(node, None)) as chunks:
                for _ in chunks:
                    pass

    def chunks(self, node: Node, start: int | None) -> Iterator[Chunk]:
        """A clip's chunks from frame `start` on: the stored ones, then live ones, each stored before it is handed on.

        start None: only live ones (nobody wants the stored part)
        """
        if node.stage == plan.IMPORT or self.library.complete(node.key):
            if start is not None:
                self.library.touch(node.key)
                yield from self.library.read(node.key, start)
            return
        stage = node.build()
        meta = meta_of_plan(self.library, node)
        done = self.library.open(node, meta)
        if done and stage.lookback is None:
            self.library.restart(node.key)
            done = 0
        if start is not None and done > start:
            yield from self.library.read(node.key, start)
        yield from self._live(node, stage, meta, done, start or 0)

    def _live(self, node: Node, stage: Stage, meta: ClipMeta, done: int, start: int) -> Iterator[Chunk]:
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self._scratch_root()))
        spent, worked_from = 0.0, done
        try:
            began_at = max(0, done - (stage.lookback or 0))
            if (reads_from := getattr(stage, "reads_from", None)) is not None:
                began_at = reads_from(done)
            streams = tuple(
                Stream(self._meta_in(source), self._reading(stage, source, self._start_for(source, began_at)))
                for source in node.inputs
            )
            for ref in node.models:
                for text in self.lender.notes(ref):
                    self.library.note(node.key, text)
            produced = stage.run(streams, self._context(node, done, scratch))
            with closing(produced):  # type: ignore[type-var]  # stages are generators
                while True:
                    chunk, seconds = self._timed(produced)
                    spent += seconds
                    if chunk is None:
                        break
                    self.library.store(node.key, chunk)
                    done = chunk.stop
                    self.tracker.update(node, done, max(meta.num_frames, done), "frame")
                    # Asked after storing, so that what was made is kept.
                    if self.watcher.stopped():
                        raise JobCancelled
                    if chunk.stop > start:
                        yield chunk
            final = self._final(node, meta, done)
            self.library.finish(node.key, final)
            # What a stage went on from (`StageContext.unfinished`) it takes off its effort.
            share = (done - worked_from) / max(1, done)
            work = units(final, getattr(stage, "effort", 1.0)) * share
            if work > 0:
                self.library.record_pace(node.stage, model_names(node), spent / work)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _timed(self, produced: Iterator[Chunk]) -> tuple[Chunk | None, float]:
        """The next chunk and the seconds this stage itself took for it, upstream stages' time left out."""
        began = time.monotonic()
        self._inner.append(0.0)
        try:
            chunk = next(produced, None)
        finally:
            inner, whole = self._inner.pop(), time.monotonic() - began
            if self._inner:
                self._inner[-1] += whole
        return chunk, whole - inner

    def _reading(self, stage: Stage, source: Node, start: int) -> Iterator[Chunk] | Again:
        """A stage that joins finds its inputs finished, and may read them again."""
        return Again(lambda: self.chunks(source, start)) if stage.joins else self.chunks(source, start)

    def _start_for(self, source: Node, began_at: int) -> int:
        """Frames are read from where the stage begins; tensors arrive whole."""
        return 0 if self._meta_in(source).kind == "tensors" else began_at

    def _meta_in(self, source: Node) -> ClipMeta:
        return meta_of_plan(self.library, source)

    def _final(self, node: Node, meta: ClipMeta, done: int) -> ClipMeta:
        """The clip's facts once it is made: a container may have promised more frames than it held."""
        if done == meta.num_frames or meta.kind == "tensors":
            return meta
        self.library.note(node.key, f"The source promised {meta.num_frames} frames and held {done}.")
        return meta.change(num_frames=done, duration_s=meta.duration_s * done / max(1, meta.num_frames))

    def _context(self, node: Node, start: int, scratch: Path) -> StageContext:
        def step(done: int, total: int, what: str) -> None:
            if self.watcher.stopped():
                raise JobCancelled
            self.tracker.update(node, done, total, what)

        return StageContext(
            start=start,
            acquire=self.lender.acquire,
            step=step,
            preview=self.watcher.preview,
            note=lambda text: self.library.note(node.key, text),
            scratch=scratch,
            unfinished=self.library.unfinished(node.key),
            media_path=self.library.file_path,
            media_name=self.library.file_name,
            recipe=self.recipe(node),
        )

    def recipe(self, root: Node) -> dict[str, Any]:
        """How a clip was made, for the manifest inside delivered files. Nothing in it changes from run to run."""
        notes: list[str] = []
        for node in plan.nodes(root):
            if node is not root and node.stage != plan.IMPORT and self.library.complete(node.key):
                notes += [text for text in self.library.clip(node.key).notes if text not in notes]
        sources = {
            sha256: self.library.file_story(sha256)
            for node in plan.nodes(root)
            if node.stage == plan.IMPORT and (sha256 := node.params["sha256"])
        }
        return {
            "made_by": f"DiffScaler Studio {__version__}",
            "plan": plan.dump(root),
            "notes": notes,
            "sources": sources,
        }

    def _scratch_root(self) -> Path:
        path = self.library.root / "scratch"
        path.mkdir(parents=True, exist_ok=True)
        return path


__all__ = ["Engine", "Lender", "Watcher", "missing"]
