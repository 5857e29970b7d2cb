"""Films in SQLite. A change reads, edits and writes in one transaction, so two open pages never undo each other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from diffscaler.database import Database
from diffscaler.errors import InvalidRequest
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.history import KEPT, SIDE, Step, between, put
from diffscaler.projects.project import BOARD, CAST, Project, Take
from diffscaler.requests import ShotRequest

SCHEMA = Path(__file__).with_name("schema.sql")
_COLUMNS = "id, title, script, format, board, film, cast_sheet, created, changed"
_LISTED = "id NOT IN (SELECT project FROM removed)"


class FilmGone(InvalidRequest):
    """There is no such film, or no longer."""


@dataclass(frozen=True)
class Listed:
    """A film in a list. changed: seconds since 1970"""

    id: str
    title: str
    changed: float


class ProjectStore:
    """The films below `root`. Safe to use from several processes and threads at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.db = Database(root / "projects.db", SCHEMA.read_text(encoding="utf-8"))

    def folder(self, project_id: str) -> Path:
        """Where files delivered for a film lie. The id is one of ours, so it is safe in a path.

        Raises FilmGone when there is none.
        """
        self.get(project_id)
        return self.root / "delivered" / project_id

    def list(self, *, removed: bool = False) -> list[Listed]:
        """Every film, the one changed last first. removed: those that were taken out of the list instead"""
        with self.db.reading() as db:
            rows = db.execute(
                f"SELECT id, title, changed FROM project WHERE id {'' if removed else 'NOT '}IN"
                " (SELECT project FROM removed) ORDER BY changed DESC"
            ).fetchall()
        return [Listed(**dict(row)) for row in rows]

    def remove(self, project_id: str) -> Project:
        """Take a film out of the list; it and its takes are kept. Returns it. Raises FilmGone when there is none."""
        with self.db.transaction() as db:
            film = _read(db, project_id)
            db.execute("INSERT INTO removed VALUES (?, ?)", (project_id, time.time()))
        return film

    def put_back(self, project_id: str) -> Project:
        """A film that was taken out of the list, in it again. Raises FilmGone when there is none."""
        with self.db.transaction() as db:
            db.execute("DELETE FROM removed WHERE project = ?", (project_id,))
            return _read(db, project_id)

    def add(self, project: Project) -> Project:
        """A new film from one that has no id yet, with the takes it brings."""
        made = replace(project, id=secrets.token_hex(6), changed=time.time())
        with self.db.transaction() as db:
            marks = ", ".join("?" * 9)
            db.execute(f"INSERT INTO project ({_COLUMNS}) VALUES ({marks})", (made.id, *_row(made), made.changed))
            _save_takes(db, made.id, made.takes)
        return made

    def get(self, project_id: str) -> Project:
        """Raises FilmGone when there is none, InvalidRequest for one that another version kept in another way."""
        with self.db.reading() as db:
            return _read(db, project_id)

    def glance(self, project_id: str) -> tuple[float, tuple[str, ...]]:
        """When a film was changed last, and the clips of its takes: whether it must be read again. Raises FilmGone."""
        with self.db.reading() as db:
            row = db.execute(f"SELECT changed FROM project WHERE id = ? AND {_LISTED}", (project_id,)).fetchone()
            if row is None:
                raise _gone()
            clips = db.execute("SELECT clip FROM take WHERE project = ?", (project_id,)).fetchall()
        return float(row["changed"]), tuple(str(clip["clip"]) for clip in clips)

    def change(
        self, project_id: str, edit: Callable[[Project], Project], what: str = "the last change", of: str = ""
    ) -> Project:
        """The film after an edit, kept, and what it did to shots and script as a step that can be undone.

        Nothing is kept of an edit that raises; takes that it leaves out stay. what, of: the edit does, "split",
        and to which shot, by its id
        Raises InvalidRequest when there is no such film, and what `edit` raises.
        """
        with self.db.transaction() as db:
            before = _read(db, project_id)
            after = _write(db, before, edit(before))
            name = f" {before.shots[of].name}" if of in before.shots else ""
            if (step := between(before, after, f"{what}{name}")) is not None:
                _record(db, project_id, step)
        return after

    def steps(self, project_id: str) -> tuple[str, str]:
        """What undoing a step would undo and doing again would do: their words, "" where there is none."""
        with self.db.reading() as db:
            rows = [_step(db, project_id, undone) for undone in (False, True)]
        undo, redo = (str(row["what"]) if row is not None else "" for row in rows)
        return undo, redo

    def undo(self, project_id: str) -> str:
        """Take the last step back; returns what it was. Raises InvalidRequest when there is none or no such film."""
        return self._stepped(project_id, back=True)

    def redo(self, project_id: str) -> str:
        """Do again what was undone last; returns what it was. Raises as `undo` does."""
        return self._stepped(project_id, back=False)

    def _stepped(self, project_id: str, *, back: bool) -> str:
        with self.db.transaction() as db:
            before = _read(db, project_id)
            row = _step(db, project_id, undone=not back)
            if row is None:
                raise InvalidRequest(f"There is nothing to {'undo' if back else 'do again'}.", "")
            _write(db, before, put(before, SIDE.validate_json(row["before"] if back else row["after"])))
            db.execute("UPDATE step SET undone = ? WHERE project = ? AND number = ?",
                       (int(back), project_id, row["number"]))  # fmt: skip
        return str(row["what"])

    def circled_in(self, clip: str) -> str | None:
        """The title of a film in which a clip is a circled take."""
        with self.db.reading() as db:
            row = db.execute(
                "SELECT title FROM take JOIN project ON project.id = take.project WHERE clip = ? AND circled = 1"
                f" AND project.{_LISTED}",
                (clip,),
            ).fetchone()
        return str(row["title"]) if row else None

    def film_of(self, clip: str) -> tuple[str, str] | None:
        """(film, shot) of a take, by its clip."""
        with self.db.reading() as db:
            row = db.execute(
                f"SELECT project, shot FROM take JOIN project ON project.id = take.project WHERE clip = ?"
                f" AND project.{_LISTED} ORDER BY take.created DESC",
                (clip,),
            ).fetchone()
        return (str(row["project"]), str(row["shot"])) if row else None


def _gone() -> FilmGone:
    return FilmGone("That film is no longer in the studio.", "Open another, or import its folder.")


def _write(db: Any, before: Project, after: Project) -> Project:
    """The film after an edit, with the takes it has left out."""
    if after == before:
        return before
    known = {_name(take): take for take in before.takes}
    now = {**known, **{_name(take): take for take in after.takes}}
    # Later than before even where the clock is coarse: pages tell by it whether something has changed.
    moment = max(time.time(), before.changed + 1e-6)
    after = replace(after, id=before.id, changed=moment, takes=tuple(now.values()))
    db.execute(
        "UPDATE project SET title = ?, script = ?, format = ?, board = ?, film = ?, cast_sheet = ?, changed = ?"
        " WHERE id = ?",
        (*_row(after), after.id),
    )
    _save_takes(db, after.id, [take for name, take in now.items() if known.get(name) != take])
    return after


def _record(db: Any, project_id: str, step: Step) -> None:
    """A step behind those that are done: what was undone before it can no longer be done again."""
    db.execute("DELETE FROM step WHERE project = ? AND undone = 1", (project_id,))
    last = _step(db, project_id, undone=False)
    number = last["number"] + 1 if last is not None else 1
    sides = [SIDE.dump_json(side).decode() for side in (step.before, step.after)]
    db.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?, 0)", (project_id, number, step.what[:200], *sides))
    db.execute("DELETE FROM step WHERE project = ? AND number <= ?", (project_id, number - KEPT))


def _step(db: Any, project_id: str, undone: bool) -> Any:
    """The row of the last step that is done, or of the first that was undone; None where there is none."""
    return db.execute(
        f"SELECT * FROM step WHERE project = ? AND undone = ? ORDER BY number {'ASC' if undone else 'DESC'} LIMIT 1",
        (project_id, int(undone)),
    ).fetchone()


def _name(take: Take) -> tuple[str, int, bool]:
    return take.shot, take.number, take.draft


def _row(project: Project) -> tuple[Any, ...]:
    return (
        project.title, project.script, project.format, BOARD.dump_json(project.board).decode(),
        project.film.model_dump_json(), CAST.dump_json(dict(project.cast)).decode(), project.changed,
    )  # fmt: skip


def _save_takes(db: Any, project_id: str, takes: Iterable[Take]) -> None:
    db.executemany(
        "INSERT INTO take (project, shot, number, draft, roll, clip, request, circled, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, shot, number, draft)"
        " DO UPDATE SET circled = excluded.circled",
        [
            (project_id, take.shot, take.number, int(take.draft), take.roll, take.clip, take.request.model_dump_json(),
             int(take.circled), take.created)
            for take in takes
        ],
    )  # fmt: skip


def _read(db: Any, project_id: str) -> Project:
    row = db.execute(f"SELECT {_COLUMNS} FROM project WHERE id = ? AND {_LISTED}", (project_id,)).fetchone()
    if row is None:
        raise _gone()
    takes = db.execute("SELECT * FROM take WHERE project = ? ORDER BY created, number, draft DESC", (project_id,))
    try:
        return Project(
            row["id"], row["title"], row["script"], row["format"], BOARD.validate_json(row["board"]),
            FilmSettings.model_validate_json(row["film"]), CAST.validate_json(row["cast_sheet"]),
            tuple(_take(row) for row in takes), row["changed"],
        )  # fmt: skip
    except ValidationError as error:
        raise InvalidRequest(
            f"{row['title']} was kept by another version of the studio and cannot be read.",
            "Open it with that version and save it as a folder.",
        ) from error


def _take(row: Any) -> Take:
    return Take(
        row["shot"], row["number"], row["roll"], bool(row["draft"]), row["clip"],
        ShotRequest.model_validate_json(row["request"]), bool(row["circled"]), row["created"],
    )  # fmt: skip
