"""The shots of a film over the life of its script: importing it again moves and marks them, and never erases one."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from diffscaler.screenplay.matching import Unit, match, units_of, words_of
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import EDITABLE, OUT, Shot, renumbered

ChangedField = Literal["text", "dialogue", "heading", "speakers"]


@dataclass(frozen=True)
class Change:
    """What the script says otherwise since a shot was made. line: where it stands now, from 1."""

    field: ChangedField
    before: str
    after: str
    line: int

    def __str__(self) -> str:
        return f"Line {self.line}: “{self.before}” is now “{self.after}”."


@dataclass(frozen=True)
class Board:
    """shots: in the order of the film; orphans: shots whose text left the script, kept with all that was made for them

    stale: by shot id, what has changed since it was made; empty when everything is up to date
    """

    shots: tuple[Shot, ...]
    orphans: tuple[Shot, ...] = ()
    stale: dict[str, Change] = field(default_factory=dict)

    def refreshed(self, shot_id: str) -> Board:
        """The board after a shot was made anew."""
        return replace(self, stale={key: change for key, change in self.stale.items() if key != shot_id})


def reimport(board: Board, drafted: Sequence[Shot], worth_keeping: Container[str] | None = None) -> Board:
    """The board with the script as it is now.

    drafted: a draft of the new script, by the same rules and with the same cast and look
    worth_keeping: ids with a take; other shots that leave the script are dropped unless a person has set something.
      None: all are kept
    What a person has set stays; everything else follows the script. Orphans come back when their text does, but for
    those a person took out.
    """
    new = units_of(drafted)
    placed_before = {shot.id for shot in board.shots}
    aside = units_of(shot for shot in board.orphans if shot.id not in placed_before)
    pairs = match(units_of(board.shots), aside, new)
    known = {shot.id: shot for shot in (*board.shots, *board.orphans)}
    found: dict[str, list[tuple[Unit, Shot, Unit]]] = {}
    order: list[Shot | str] = []
    for unit, draft in zip(new, drafted, strict=True):
        old = pairs.get(unit.place)
        if old is None:
            order.append(draft)
        else:
            found.setdefault(old.shot, []).append((old, draft, unit))
            if len(found[old.shot]) == 1:
                order.append(old.shot)
    stale = dict(board.stale)
    headings = {shot.scene: shot.lines.first for shot in reversed(drafted)}
    taken = set(known)
    shots: list[Shot] = []
    for entry in order:
        if isinstance(entry, str):
            drafts = [draft for _, draft, _ in found[entry]]
            shots.append(_followed(known[entry], drafts))
            _mark(stale, known[entry], found[entry], headings)
            parts = _parts(board, shots[-1])
            shots += parts
            for part in parts:
                stale.pop(part.id, None)
                if entry in stale:
                    stale[part.id] = stale[entry]
        else:
            shots.append(_with_new_id(entry, taken))
            taken.add(shots[-1].id)
    out = {shot.id for shot in board.orphans if OUT in shot.edited}
    followed = {shot.id: shot for shot in shots if shot.id in out}
    shots = [shot for shot in shots if shot.id not in out]
    on_board = {shot.id for shot in shots}
    orphans = tuple(
        followed.get(shot.id, shot)
        for shot in (*board.orphans, *board.shots)
        if shot.id not in on_board and (worth_keeping is None or shot.edited or shot.id in worth_keeping)
    )
    kept = on_board | {shot.id for shot in orphans}
    placed = renumbered(tuple(_as_arranged(board, shots)))
    return Board(placed, orphans, {key: change for key, change in stale.items() if key in kept})


def _followed(old: Shot, drafts: list[Shot]) -> Shot:
    """An old shot where the script has it now, saying what the script says but for what a person has set."""
    new = drafts[0]
    source = tuple(dict.fromkeys(text for draft in drafts for text in draft.source))
    lines = Lines(min(draft.lines.first for draft in drafts), max(draft.lines.last for draft in drafts))
    shot = replace(old, scene=new.scene, lines=lines, source=source)
    if old.locked:
        return shot
    values = {name: getattr(new, name) for name in EDITABLE if name not in old.edited and name != "note"}
    return replace(shot, heading=new.heading, role=new.role, **values)


def _parts(board: Board, shot: Shot) -> list[Shot]:
    """What was split from a shot, behind it."""
    return [
        replace(part, scene=shot.scene, heading=shot.heading, lines=shot.lines)
        for part in (*board.shots, *board.orphans)
        if part.part_of == shot.id and not part.source
    ]


def _mark(stale: dict[str, Change], old: Shot, found: list[tuple[Unit, Shot, Unit]], headings: dict[str, int]) -> None:
    """Note what has changed; a text that is again what it was is not stale."""
    changes: list[Change] = []
    for before, draft, after in found:
        if before.words != after.words:
            kind: ChangedField = "dialogue" if draft.speakers else "text"
            changes.append(Change(kind, before.text, after.text, draft.lines.first))
        if before.speakers is not None and before.speakers != draft.speakers:
            changes.append(
                Change("speakers", " / ".join(before.speakers), " / ".join(draft.speakers), draft.lines.first)
            )
    draft = found[0][1]
    if words_of(old.heading) != words_of(draft.heading) and draft.role != "establishing":
        changes.append(Change("heading", old.heading, draft.heading, headings[draft.scene]))
    earlier = stale.get(old.id)
    if not changes:
        return
    change = changes[0]
    if earlier and earlier.field == change.field:
        change = replace(change, before=earlier.before)
    elif earlier:
        change = earlier
    if words_of(change.before) == words_of(change.after):
        stale.pop(old.id, None)
    else:
        stale[old.id] = change


def _with_new_id(shot: Shot, taken: set[str]) -> Shot:
    """A shot under its own id, or one of its own kind where a shot of another text has that id by now."""
    count, wanted = 0, shot.id
    while wanted in taken:
        count += 1
        wanted = hashlib.sha256(f"{shot.id}\0{count}".encode()).hexdigest()[:12]
    return replace(shot, id=wanted)


def _as_arranged(board: Board, shots: list[Shot]) -> list[Shot]:
    """Scenes whose shots a person has put in another order than the script's keep that order; new ones come behind
    the shot they follow in the script."""
    rank = {shot.id: index for index, shot in enumerate(board.shots)}
    by_scene: dict[str, list[Shot]] = {}
    for shot in shots:
        by_scene.setdefault(shot.scene, []).append(shot)
    found: list[Shot] = []
    for scene in by_scene.values():
        known = [shot for shot in scene if shot.id in rank]
        before = sorted((board.shots[rank[shot.id]] for shot in known), key=lambda shot: rank[shot.id])
        if [shot.lines.first for shot in before] == sorted(shot.lines.first for shot in before):
            found += scene
            continue
        now = {shot.id: shot for shot in known}
        arranged = [now[shot.id] for shot in before]
        for index, shot in enumerate(scene):
            if shot.id not in rank:
                at = next((i for i, one in enumerate(arranged) if index and one.id == scene[index - 1].id), -1)
                arranged.insert(at + 1, shot)
        found += arranged
    return found
