"""The queue: jobs in SQLite, taken by workers as leases that lapse when a worker dies."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diffscaler import plan
from diffscaler.database import Database, batched
from diffscaler.errors import InvalidRequest
from diffscaler.jobs.job import ENDED, Job, Kind, to_job
from diffscaler.jobs.lanes import KINDS, Lane, lane_held_by, lane_of
from diffscaler.models.fit import Room
from diffscaler.recipe_parts import Recipe

SCHEMA = Path(__file__).with_name("schema.sql")

LEASE_S = 15.0
# A job whose worker is lost this often in a row without one new segment would take every worker down with it.
MAX_CRASHES = 8
# Ended jobs kept for the page; clips stay in the library whatever happens to their job.
KEEP_ENDED = 200

EVERY_KIND: tuple[Kind, ...] = tuple(kind for kinds in KINDS.values() for kind in kinds)


class JobQueue:
    """The queue below `root`. Safe to use from several processes and threads at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.db = Database(root / "jobs.db", SCHEMA.read_text(encoding="utf-8"))

    # -- for whoever asks -----------------------------------------------------------------------------------------

    def submit(self, recipe: Recipe) -> Job:
        """Queue a plan. The same plan waiting or running already is that job: two clicks make one clip."""
        payload = {"plan": plan.dump(recipe.root), "key": recipe.root.key}
        return self.get(self._add("plan", recipe.title, payload, recipe.request_row(), "key"))

    def submit_training(self, title: str, config: Path, output_dir: Path) -> Job:
        """Queue a training run. Raises InvalidRequest when its output folder is in use by another."""
        self.check_training(output_dir)
        payload = {"config": str(config), "output_dir": str(output_dir)}
        return self.get(self._add("train", title, payload, None, "output_dir"))

    def submit_prepare(self, title: str, arguments: list[str], dataset: Path) -> Job:
        """Queue the preparing or drawing of a data set. One that waits or runs for the same folder is that job.

        arguments: of `python -m training`; dataset: the folder it writes
        """
        payload = {"arguments": arguments, "output_dir": str(dataset)}
        return self.get(self._add("prepare", title, payload, None, "output_dir"))

    def submit_measure(self, title: str, config: Path) -> Job:
        """Queue throw-away steps of a run. The same file waiting or running already is that job.

        config: of the run; the events of the measuring go beside it
        """
        payload = {"config": str(config), "output_dir": str(config.parent)}
        return self.get(self._add("measure", title, payload, None, "output_dir"))

    def submit_model(self, name: str, title: str, source: dict[str, Any], endpoint: str) -> Job:
        """Queue the download of a model. The same model waiting or running already is that job.

        source: a ModelSource as a dict; endpoint: the hub's address. Tokens do not come in here: see jobs/tokens.py.
        """
        return self.get(
            self._add("model", title, {"model": name, "source": source, "endpoint": endpoint}, None, "model")
        )

    def check_training(self, output_dir: Path) -> None:
        """Raises InvalidRequest when a run that has not ended writes to `output_dir`."""
        if any(job.payload.get("output_dir") == str(output_dir) for job in self.list(ended=False)):
            raise InvalidRequest("That training is in the queue already.", "Stop it first, or pick another name.")

    def needed(self, key: str) -> bool:
        """Whether a job that has not ended reads or writes the clip `key`."""
        with self.db.reading() as db:
            row = db.execute(
                f"SELECT COUNT(*) FROM job WHERE state NOT IN {ENDED} AND payload LIKE ?", (f'%"{key}"%',)
            ).fetchone()
        return bool(row[0])

    def begins_with(self, name: str, paths: Iterable[Path]) -> bool:
        """Whether a training or measuring that has not ended begins with the model `name`, or lies in one of `paths`:
        its configuration tells."""
        words = [json.dumps(name), *(json.dumps(path.as_posix())[1:-1] for path in paths)]
        for job in self.list(ended=False, limit=1000):
            if job.kind in ("train", "measure"):
                try:
                    text = Path(job.payload["config"]).read_text(encoding="utf-8")
                except OSError:  # it will fail for that
                    continue
                if any(word in text for word in words):
                    return True
        return False

    def is_latest(self, job: Job) -> bool:
        """Whether no later job wrote to the same folder."""
        folder = job.payload["output_dir"]
        with self.db.reading() as db:
            row = db.execute(
                "SELECT COUNT(*) FROM job WHERE json_extract(payload, '$.output_dir') = ? AND created > ?",
                (folder, job.created),
            ).fetchone()
        return not row[0]

    def _add(self, kind: Kind, title: str, payload: dict[str, Any], request: Any, same: str) -> str:
        """Insert a job, or find the one with the same payload[same] that waits or runs and was not asked to stop."""
        job_id, now = uuid.uuid4().hex[:12], time.time()
        with self.db.transaction() as db:
            row = db.execute(
                f"SELECT id FROM job WHERE state NOT IN {ENDED} AND stop = 0 AND json_extract(payload, ?) = ?",
                (f"$.{same}", payload[same]),
            ).fetchone()
            if row is not None:
                return str(row["id"])
            db.execute(
                "INSERT INTO job (id, kind, title, payload, request, state, position, created)"
                " VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
                (job_id, kind, title, json.dumps(payload), json.dumps(request) if request else None, now, now),
            )
            old = db.execute(
                f"SELECT id FROM job WHERE state IN {ENDED} ORDER BY finished DESC LIMIT -1 OFFSET {KEEP_ENDED}"
            ).fetchall()
            db.executemany("DELETE FROM job WHERE id = ?", [(row["id"],) for row in old])
        return job_id

    def get(self, job_id: str) -> Job:
        """One job. Raises InvalidRequest when there is none."""
        with self.db.reading() as db:
            row = db.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise InvalidRequest("That job is no longer in the queue's history.", "Look for its clip in the library.")
        return to_job(row)

    def list(self, *, ended: bool | None = None, limit: int = 100) -> list[Job]:
        """Running first, then waiting in order, then ended ones, latest first. ended: None for all."""
        where = {None: "1", True: f"state IN {ENDED}", False: f"state NOT IN {ENDED}"}[ended]
        order = "CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, finished DESC, position"
        with self.db.reading() as db:
            rows = db.execute(f"SELECT * FROM job WHERE {where} ORDER BY {order} LIMIT ?", (limit,)).fetchall()
        return [to_job(row) for row in rows]

    def of_clips(self, keys: Iterable[str]) -> dict[str, Job]:
        """By the clip it makes, the latest job of each of these; clips without one are missing."""
        found: dict[str, Job] = {}
        with self.db.reading() as db:
            for part in batched(sorted(set(keys))):
                marks = ",".join("?" * len(part))
                rows = db.execute(
                    f"SELECT * FROM job WHERE kind = 'plan' AND json_extract(payload, '$.key') IN ({marks})"
                    " ORDER BY created",
                    part,
                )
                found |= {job.payload["key"]: job for job in map(to_job, rows)}
        return found

    def count(self) -> int:
        """How many jobs wait or run."""
        with self.db.reading() as db:
            return int(db.execute(f"SELECT COUNT(*) FROM job WHERE state NOT IN {ENDED}").fetchone()[0])

    def busy(self, lane: Lane) -> bool:
        """Whether a job waits or runs in a lane."""
        kinds = KINDS[lane]
        with self.db.reading() as db:
            row = db.execute(f"SELECT 1 FROM job WHERE state NOT IN {ENDED} AND {one_of(kinds)} LIMIT 1", kinds)
            return row.fetchone() is not None

    def stop(self, job_id: str) -> None:
        """Ask a job to stop; one that waits is stopped at once. Stopping an ended job does nothing."""
        with self.db.transaction() as db:
            db.execute("UPDATE job SET stop = 1 WHERE id = ? AND state = 'running'", (job_id,))
            db.execute(
                "UPDATE job SET state = 'stopped', finished = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            )

    def retry(self, job_id: str) -> None:
        """Queue an ended job again; it continues from what the library kept."""
        with self.db.transaction() as db:
            db.execute(
                "UPDATE job SET state = 'queued', stop = 0, crashes = 0, position = ?, started = NULL, finished = NULL,"
                f" progress = NULL, sentence = '', hint = '', trace = '' WHERE id = ? AND state IN {ENDED}",
                (time.time(), job_id),
            )

    def move(self, job_id: str, places: int) -> None:
        """Move a waiting job up (negative) or down among those waiting in its lane."""
        with self.db.transaction() as db:
            moved = db.execute("SELECT kind FROM job WHERE id = ? AND state = 'queued'", (job_id,)).fetchone()
            if moved is None:
                return
            kinds = KINDS[lane_of(moved["kind"])]
            rows = db.execute(
                f"SELECT id, position FROM job WHERE state = 'queued' AND {one_of(kinds)} ORDER BY position", kinds
            ).fetchall()
            order = [row["id"] for row in rows]
            at = order.index(job_id)
            order.insert(max(0, min(len(order) - 1, at + places)), order.pop(at))
            for name, row in zip(order, rows, strict=True):
                db.execute("UPDATE job SET position = ? WHERE id = ?", (row["position"], name))

    def forget(self, job_id: str) -> None:
        """Remove an ended job from the history."""
        with self.db.transaction() as db:
            gone = db.execute(f"DELETE FROM job WHERE id = ? AND state IN {ENDED}", (job_id,)).rowcount
        if gone:  # only then is the id one of ours, and safe in a file name
            self.preview_path(job_id).unlink(missing_ok=True)

    def preview_path(self, job_id: str) -> Path:
        """Where the latest picture of an unfinished job lies, if it has made one."""
        return self.root / "previews" / f"{job_id}.webp"

    # -- for workers ----------------------------------------------------------------------------------------------

    def lease(self, holder: str, kinds: tuple[Kind, ...] = EVERY_KIND) -> Job | None:
        """Take the next job: the first that waits, or a running one whose lease lapsed. None when there is none.

        holder: who takes it, see lanes.holder_of; kinds: those it can carry out
        """
        now = time.time()
        with self.db.transaction() as db:
            self._release_lapsed(db, "lease_until < ?", now)
            row = db.execute(
                f"SELECT id FROM job WHERE state = 'queued' AND {one_of(kinds)} ORDER BY position LIMIT 1", kinds
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE job SET state = 'running', lane = ?, lease_until = ?, started = COALESCE(started, ?)"
                " WHERE id = ?",
                (holder, now + LEASE_S, now, row["id"]),
            )
            return to_job(db.execute("SELECT * FROM job WHERE id = ?", (row["id"],)).fetchone())

    def reclaim(self, holder: str) -> None:
        """Put back what an earlier worker of the same name left running. Call only while holding its lane's lock."""
        with self.db.transaction() as db:
            self._release_lapsed(db, "lane = ?", holder)

    def _release_lapsed(self, db: Any, which: str, value: Any) -> None:
        now = time.time()
        lost = f"state = 'running' AND {which}"
        db.execute(f"UPDATE job SET state = 'stopped', finished = ? WHERE {lost} AND stop = 1", (now, value))
        db.execute(
            f"UPDATE job SET state = 'failed', finished = ?, sentence = ?, hint = ? WHERE {lost} AND crashes + 1 >= ?",
            (
                now,
                f"The worker was lost {MAX_CRASHES} times in a row on this job without getting any further.",
                "It may need more memory than this machine has; try a smaller size. The log has the details.",
                value,
                MAX_CRASHES,
            ),
        )
        db.execute(f"UPDATE job SET state = 'queued', crashes = crashes + 1, lane = NULL WHERE {lost}", (value,))

    def moved_on(self, job_id: str, stored: int) -> None:
        """Tell how many segments of a job's clips are stored; more than last time forgives earlier crashes."""
        with self.db.transaction() as db:
            db.execute("UPDATE job SET crashes = 0 WHERE id = ? AND stored < ?", (job_id, stored))
            db.execute("UPDATE job SET stored = ? WHERE id = ?", (stored, job_id))

    def beat(self, job_id: str) -> bool:
        """Extend a lease. Returns whether the job was asked to stop."""
        with self.db.transaction() as db:
            db.execute(
                "UPDATE job SET lease_until = ? WHERE id = ? AND state = 'running'", (time.time() + LEASE_S, job_id)
            )
            row = db.execute("SELECT stop FROM job WHERE id = ? AND state = 'running'", (job_id,)).fetchone()
        return bool(row and row["stop"])

    def report(self, job_id: str, progress: dict[str, Any]) -> None:
        with self.db.transaction() as db:
            db.execute("UPDATE job SET progress = ? WHERE id = ?", (json.dumps(progress), job_id))

    def end(
        self, job_id: str, state: str, *, result: str | None = None, sentence: str = "", hint: str = "", trace: str = ""
    ) -> None:
        """Close a job. state: one of job.ENDED."""
        with self.db.transaction() as db:
            db.execute(
                "UPDATE job SET state = ?, finished = ?, result = COALESCE(?, result), sentence = ?, hint = ?,"
                " trace = ?, lane = NULL WHERE id = ?",
                (state, time.time(), result, sentence, hint, trace, job_id),
            )
        self.preview_path(job_id).unlink(missing_ok=True)

    # -- who is there ---------------------------------------------------------------------------------------------

    def worker_seen(self, holder: str, pid: int, device: str, resident: list[str], moves: list[str]) -> None:
        with self.db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO worker VALUES (?, ?, ?, ?, ?, ?)",
                (holder, pid, device, json.dumps(resident), json.dumps(moves[-50:]), time.time()),
            )

    def workers(self, lane: Lane | None = None, within_s: float = 10.0) -> list[dict[str, Any]]:
        """Workers seen lately, of one lane or all: {"lane", "pid", "device", "resident", "moves", "seen"}.

        The row's "lane" is a holder's name, as lanes.holder_of makes it.
        """
        with self.db.reading() as db:
            rows = db.execute("SELECT * FROM worker WHERE seen > ?", (time.time() - within_s,)).fetchall()
        return [
            {**dict(row), "resident": json.loads(row["resident"]), "moves": json.loads(row["moves"])}
            for row in rows
            if lane in (None, lane_held_by(row["lane"]))
        ]

    def room_seen(self, holder: str, room: Room) -> None:
        """A worker says where its models run, so that what a request needs can be told before it is pressed."""
        with self.db.transaction() as db:
            row = (holder, room.kind, room.dtype, room.budget_bytes)
            db.execute("INSERT OR REPLACE INTO room VALUES (?, ?, ?, ?)", row)

    def room(self, holder: str) -> Room | None:
        """As the last worker of that name found it, also when it has gone; None before the first one."""
        with self.db.reading() as db:
            row = db.execute("SELECT kind, dtype, budget_bytes FROM room WHERE lane = ?", (holder,)).fetchone()
        return Room(**dict(row)) if row else None

    def client_seen(self, client_id: str) -> None:
        with self.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO client VALUES (?, ?)", (client_id, time.time()))
            db.execute("DELETE FROM client WHERE seen < ?", (time.time() - 3600,))

    def clients(self, within_s: float) -> int:
        """How many pages or commands wanted a worker lately."""
        with self.db.reading() as db:
            return int(
                db.execute("SELECT COUNT(*) FROM client WHERE seen > ?", (time.time() - within_s,)).fetchone()[0]
            )


def one_of(kinds: tuple[Kind, ...]) -> str:
    """SQL that asks for a job of these kinds, which are its parameters."""
    return f"kind IN ({','.join('?' * len(kinds))})"
