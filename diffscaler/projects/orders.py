"""Which takes a film still needs, and in which order: drafts of all shots before the final of any, scene by scene."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from diffscaler.jobs.job import Job
from diffscaler.projects.asking import Asked, Asking
from diffscaler.projects.freshness import difference
from diffscaler.projects.project import Project, Take, shown_take, takes_by_shot
from diffscaler.screenplay.board import Change
from diffscaler.screenplay.shot import Shot


@dataclass(frozen=True)
class Standing:
    """Where the takes of a film are. made: clips that are whole; jobs: the latest one of each clip that had any"""

    made: frozenset[str]
    jobs: dict[str, Job]

    def busy(self, clip: str) -> bool:
        """Whether a clip is waited for."""
        job = self.jobs.get(clip)
        return job is not None and not job.ended

    def state(self, clip: str) -> str:
        """ "made", "running", "queued", "failed", "stopped", or "gone": it was deleted, or never begun."""
        if clip in self.made:
            return "made"
        job = self.jobs.get(clip)
        return job.state if job is not None and job.state != "done" else "gone"


@dataclass(frozen=True)
class Order:
    """A take to make. take.clip is "" as long as nobody has planned it; fresh: it is not on the shot's strip yet

    instead_of: the take it makes anew, whose circle it gets; change: the mark its shot bore when it was asked for
    """

    shot: Shot
    take: Take
    fresh: bool = True
    instead_of: Take | None = None
    change: Change | None = None


def needed(project: Project, asking: Asking, standing: Standing, only: Container[str] | None = None) -> list[Order]:
    """Takes that are missing or stale. only: ids of shots, None for all. Raises what Asking.of raises."""
    takes = takes_by_shot(project)
    shots = [shot for shot in project.board.shots if only is None or shot.id in only]
    drafts: list[Order] = []
    finals: list[Order] = []
    for shot in shots:
        first = asking.of(shot, draft=True)
        last = asking.of(shot, draft=False)
        one = _Needs(shot, takes.get(shot.id, []), asking, standing)
        if first.request == last.request:  # the model draws it no quicker than in full
            drafts += one.of(draft=False)
        else:
            ordered = one.of(draft=True)
            drafts += ordered
            finals += one.final(ordered) if project.film.finals or one.is_final else []
    return [*drafts, *finals]


def another_take(project: Project, asking: Asking, shots: Iterable[Shot]) -> list[Order]:
    """One more take of each of these shots, drawn with another chance. Raises what Asking.of raises."""
    takes, found = takes_by_shot(project), []
    for shot in shots:
        number = next_number(takes.get(shot.id, []))
        asked = asking.of(shot, draft=True, roll=number)
        whole = asking.of(shot, draft=False, roll=number)
        draft = asked.request != whole.request
        take = Take(shot.id, number, number, draft, "", asked.request)
        found.append(Order(shot, take, change=project.board.stale.get(shot.id)))
    return found


def ordered(project: Project, orders: Sequence[Order]) -> Project:
    """The project with takes that were planned: on their strips, circled where they stand for a circled one.

    Their shots are no longer marked, but for what the script has come to say since they were asked for."""
    now = time.time()
    takes = list(project.takes)
    board = project.board
    for order in orders:
        if board.stale.get(order.shot.id) == order.change:
            board = board.refreshed(order.shot.id)
        if not order.fresh:
            continue
        old = order.instead_of
        circled = old is not None and any(take.circled and same_take(take, old) for take in takes)
        if circled:
            takes = [replace(take, circled=False) if take.shot == order.shot.id else take for take in takes]
        takes.append(replace(order.take, circled=circled, created=now))
    return replace(project, takes=tuple(takes), board=board)


def same_take(one: Take, other: Take) -> bool:
    return (one.shot, one.number, one.draft) == (other.shot, other.number, other.draft)


class _Needs:
    """What one shot needs."""

    def __init__(self, shot: Shot, takes: list[Take], asking: Asking, standing: Standing) -> None:
        self.shot, self.takes, self.asking, self.standing = shot, takes, asking, standing
        self.shown, self.change = shown_take(takes), asking.project.board.stale.get(shot.id)

    def of(self, *, draft: bool) -> list[Order]:
        """A first take, or the shown one anew when what it was asked for has changed.

        Where an earlier take is what is asked for now, as after an edit that was taken back, the new one is its clip:
        it costs nothing, and the outdated one no longer stands for the shot.
        """
        if self.shown is None:
            return [self._order(1, 1, draft, None)]
        fresh = [take for take in self.takes if take.roll == self.shown.roll and self._is_fresh(take)]
        later = draft and not self.shown.draft  # whether what stands for the shot has its turn in `final`
        if not fresh or not (later or self.shown in fresh):
            return [self._order(next_number(self.takes), self.shown.roll, draft, self.shown)]
        if any(self._there(take) for take in fresh):
            return []
        return [self._go_on(fresh[-1])]

    @property
    def is_final(self) -> bool:
        """Whether a final stands for the shot: it is not to be left behind when its finish changes."""
        return self.shown is not None and not self.shown.draft

    def final(self, drafts: list[Order]) -> list[Order]:
        """The shown take with all steps. drafts: what was ordered before it"""
        base = drafts[0].take if drafts else self.shown
        if base is None:
            return []
        if drafts and drafts[0].fresh:
            return [self._order(base.number, base.roll, False, self.shown)]
        fresh = [take for take in self.takes if not take.draft and take.roll == base.roll and self._is_fresh(take)]
        if base.draft or base in fresh:
            if any(self._there(take) for take in fresh):
                return []
            if fresh:
                return [self._go_on(fresh[-1])]
        taken = any(not take.draft and take.number == base.number for take in self.takes)
        number = next_number([*self.takes, base]) if taken else base.number
        return [self._order(number, base.roll, False, self.shown)]

    def _order(self, number: int, roll: int, draft: bool, instead_of: Take | None) -> Order:
        asked: Asked = self.asking.of(self.shot, draft=draft, roll=roll)
        take = Take(self.shot.id, number, roll, draft, "", asked.request)
        return Order(self.shot, take, instead_of=instead_of, change=self.change)

    def _go_on(self, take: Take) -> Order:
        """A take that is on the strip already and was never finished, or is gone."""
        return Order(self.shot, take, fresh=False, change=self.change)

    def _is_fresh(self, take: Take) -> bool:
        return not difference(take.request, self.asking.again(self.shot, take).request)

    def _there(self, take: Take) -> bool:
        return take.clip in self.standing.made or self.standing.busy(take.clip)


def next_number(takes: Iterable[Take]) -> int:
    """What the next take on a shot's strip is called."""
    return max((take.number for take in takes), default=0) + 1
