"""What a stage is: it reads streams of chunks and yields a stream of chunks.

Stage classes are light (parameters and declarations): plans are built and keyed without torch. Whatever is heavy is
imported inside `run`, which only a worker calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from diffscaler.media import Chunk, ClipMeta, Stream


class Params(BaseModel):
    """A stage's parameters: frozen, JSON-serialisable, every value part of the clip's key.

    later: fields a stage got after clips had been made with it. At their defaults they are left out of its JSON, so a
    plan that does not use them has the key it always had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        usual = {name for name in self.later if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in values.items() if name not in usual}


class ModelRef(BaseModel):
    """A model by name and revision (a digest of its files), as it enters a clip's key."""

    model_config = ConfigDict(frozen=True)

    name: str
    revision: str


@dataclass
class StageContext:
    """What the engine gives a running stage.

    start: index of the first frame the stage must yield (earlier ones are in the library already)
    acquire: lends a model for a `with` block; it stays loaded until the block ends
    step: reports (done, total, what) and raises JobCancelled when Stop was pressed; call it at least every second
    preview: shows frames of unfinished work, uint8 RGB (N, H, W, 3)
    note: records a fact that the page and the file must tell ("preview engine", "no face in frames 3-9")
    scratch: a folder for temporary files, removed after the stage
    unfinished: a folder that need not be there yet, for what this very clip can go on from after a stop; removed when
    the clip is whole
    media_path: SHA-256 of an imported file -> its path; media_name: -> what its owner called it
    recipe: how the clip being made was made, for the manifest in delivered files
    """

    start: int
    acquire: Callable[[ModelRef], AbstractContextManager[Any]]
    step: Callable[[int, int, str], None]
    preview: Callable[[npt.NDArray[np.uint8]], None]
    note: Callable[[str], None]
    scratch: Path
    unfinished: Path
    media_path: Callable[[str], Path]
    media_name: Callable[[str], str]
    recipe: dict[str, Any]


class Stage(Protocol):
    """One step of a plan.

    name, version: part of every key; raise `version` whenever output for the same input changes
    lookback: earlier frames of its own inputs a stage needs to begin mid-clip; None: it can only start over
    joins: reads all inputs more than once or out of step, so they are finished before it starts
    A stage whose frames are not numbered as those of its inputs has a method `reads_from(start)` as well: the first
    frame of its inputs that its output from frame `start` on is made of.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def lookback(self) -> int | None: ...

    @property
    def joins(self) -> bool: ...

    @property
    def params(self) -> Any: ...

    @property
    def models(self) -> tuple[ModelRef, ...]: ...

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        """The facts of the clip this stage will make. Pure: used to predict size before anything runs."""
        ...

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        """Yield the clip's chunks from frame `ctx.start` on.

        Inputs of kind "frames" or "file" arrive as FrameChunks beginning at `ctx.start - lookback` (or 0), or at
        `reads_from(ctx.start)`; tensor inputs arrive whole.
        """
        ...
