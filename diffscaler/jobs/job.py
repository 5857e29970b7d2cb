"""What a job is, as every process sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["plan", "train", "prepare", "measure", "model"]
State = Literal["queued", "running", "done", "failed", "stopped"]

#: Requests whose result is read by the page and shown nowhere else.
LOOKUPS = frozenset({"FindPeopleRequest", "InspectPhotoRequest", "MeasureRequest", "ReviewSwapRequest"})

ENDED: tuple[State, ...] = ("done", "failed", "stopped")


@dataclass(frozen=True)
class Job:
    """One row of the queue.

    progress: {"text", "stage", "index", "count", "done", "total", "fraction", "seconds_left"} of the running job
    result: the key of the finished clip, or the folder of a data set, a trained or a downloaded model; of
    a measuring what was found, in words
    """

    id: str
    kind: Kind
    title: str
    payload: dict[str, Any]
    request: dict[str, Any] | None
    state: State
    created: float
    started: float | None
    finished: float | None
    progress: dict[str, Any]
    result: str | None
    sentence: str
    hint: str
    trace: str
    stop: bool
    crashes: int
    lane: str | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def looks_up(self) -> bool:
        """Whether it only finds something out for the page; what comes of it is no clip."""
        return (self.request or {}).get("type") in LOOKUPS

    def event(self) -> dict[str, Any]:
        """The job as one line of `--json` output."""
        row: dict[str, Any] = {"job": self.id, "state": self.state, "title": self.title}
        if self.progress and self.state == "running":
            row["progress"] = self.progress
        if self.result:
            row["result"] = self.result
        if self.sentence:
            row |= {"error": self.sentence, "hint": self.hint}
        return row


def to_job(row: Any) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        payload=json.loads(row["payload"]),
        request=json.loads(row["request"]) if row["request"] else None,
        state=row["state"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        progress=json.loads(row["progress"]) if row["progress"] else {},
        result=row["result"],
        sentence=row["sentence"],
        hint=row["hint"],
        trace=row["trace"],
        stop=bool(row["stop"]),
        crashes=row["crashes"],
        lane=row["lane"],
    )
