"""ClipLibrary: every clip a stage made or a user gave, segment by segment, under the key of its recipe.

A segment is written under a temporary name, renamed, and only then recorded; a process killed at any moment leaves
whole segments and at most a `.part` file behind.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler import plan
from diffscaler.database import Database
from diffscaler.errors import ClipNotFound
from diffscaler.library import segments
from diffscaler.library.files import keep_copy, room_for, safe_name, safe_suffix, sha256_of
from diffscaler.media import Chunk, ClipMeta, FileChunk
from diffscaler.plan import Node

SCHEMA = Path(__file__).with_name("schema.sql")


@dataclass(frozen=True)
class Clip:
    """One row of the library. `plan` is how it was made; `created` is seconds since the epoch."""

    key: str
    stage: str
    node: Node
    meta: ClipMeta
    title: str
    request: dict[str, Any] | None
    notes: tuple[str, ...]
    created: float
    complete: bool
    kept: bool
    size_bytes: int


class ClipLibrary:
    """The store below `root`. Safe to use from several processes and threads at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.db = Database(root / "library.db", SCHEMA.read_text(encoding="utf-8"))

    # -- files a user gives ---------------------------------------------------------------------------------------

    def add_file(self, path: Path, name: str | None = None) -> Node:
        """Import a media file by content and return its node. The same content twice is one file.

        Raises MediaError when it is not a picture or a clip, NotEnoughRoom when the disk is full.
        """
        from diffscaler.video.probe import meta_of, probe

        info = probe(path)
        sha256 = sha256_of(path)
        filename = f"{sha256}{safe_suffix(path)}"
        name = safe_name(name or path.name)
        with room_for("the imported file"):
            if not (self.root / "files" / filename).exists():
                keep_copy(path, self.root / "files" / filename)
        node = plan.imported(sha256)
        sound = sha256 if info.audio or info.subtitles or info.chapters else None
        now = time.time()
        with self.db.transaction() as db:
            db.execute(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (sha256) DO UPDATE SET filename = excluded.filename",
                (sha256, filename, name, info.model_dump_json(), path.stat().st_size, now),
            )
            db.execute(
                "INSERT INTO clip (key, stage, plan, meta, title, created, used, complete, kept) VALUES"
                " (?, ?, ?, ?, ?, ?, ?, 1, 1) ON CONFLICT (key) DO UPDATE SET used = excluded.used",
                (node.key, node.stage, dumps(node), meta_of(info, sound).model_dump_json(), name, now, now),
            )
            db.execute("INSERT OR IGNORE INTO segment VALUES (?, 0, ?, ?, ?)",
                       (node.key, info.num_frames, f"files/{filename}", path.stat().st_size))  # fmt: skip
        return node

    def file_path(self, sha256: str) -> Path:
        """Where an imported file lies. Raises ClipNotFound when it is gone."""
        row = self._one("SELECT filename FROM file WHERE sha256 = ?", sha256)
        if row is None or not (path := self.root / "files" / row["filename"]).exists():
            raise ClipNotFound("A file that this clip was made from is no longer in the library.", "Import it again.")
        return path

    def file_name(self, sha256: str) -> str:
        """What its owner called an imported file."""
        return str(self.file_story(sha256)["name"])

    def file_story(self, sha256: str) -> dict[str, Any]:
        """{"name", "manifest"} of an imported file: what its owner called it, and how it was made if it says so."""
        row = self._one("SELECT name, info FROM file WHERE sha256 = ?", sha256)
        if row is None:
            return {"name": sha256[:12], "manifest": None}
        return {"name": row["name"], "manifest": json.loads(row["info"]).get("manifest")}

    # -- clips ----------------------------------------------------------------------------------------------------

    def open(self, node: Node, meta: ClipMeta) -> int:
        """Make sure a clip's row exists and return how many frames of it are stored, counted from its start.

        Segments whose file is gone are forgotten, with everything after them.
        """
        now = time.time()
        with self.db.transaction() as db:
            db.execute(
                "INSERT INTO clip (key, stage, plan, meta, created, used) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET used = excluded.used",
                (node.key, node.stage, dumps(node), meta.model_dump_json(), now, now),
            )
            stored = 0
            for row in db.execute("SELECT * FROM segment WHERE clip = ? ORDER BY start", (node.key,)).fetchall():
                if row["start"] != stored or not (self.root / row["filename"]).exists():
                    break
                stored = row["stop"]
            gone = db.execute("DELETE FROM segment WHERE clip = ? AND start >= ?", (node.key, stored)).rowcount
            if gone:
                db.execute("UPDATE clip SET complete = 0 WHERE key = ?", (node.key,))
        return stored

    def store(self, key: str, chunk: Chunk) -> None:
        """Append one chunk to a clip. Raises NotEnoughRoom when the disk is full; the chunk then leaves no trace."""
        suffix = chunk.path.suffix if isinstance(chunk, FileChunk) else segments.SUFFIX[type(chunk)]
        filename = f"clips/{key[:2]}/{key}/{chunk.start:08d}-{chunk.stop:08d}{suffix}"
        target = self.root / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{uuid.uuid4().hex}.part{suffix}")
        try:
            with room_for("the library"):
                segments.write(part, chunk)
            size = part.stat().st_size
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        with self.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?)",
                       (key, chunk.start, chunk.stop, filename, size))  # fmt: skip

    def finish(self, key: str, meta: ClipMeta) -> None:
        """Mark a clip complete, with its final facts."""
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET complete = 1, meta = ? WHERE key = ?", (meta.model_dump_json(), key))

    def restart(self, key: str) -> None:
        """Forget the segments of an unfinished clip whose stage can only start over."""
        with self.db.transaction() as db:
            db.execute("DELETE FROM segment WHERE clip = ?", (key,))
            db.execute("UPDATE clip SET complete = 0, notes = '[]' WHERE key = ?", (key,))

    def read(self, key: str, start: int = 0) -> Iterator[Chunk]:
        """The stored chunks of a clip from frame `start` on, one in memory at a time."""
        clip_meta = self.clip(key).meta
        with self.db.reading() as db:
            rows = db.execute(
                "SELECT * FROM segment WHERE clip = ? AND stop > ? ORDER BY start", (key, start)
            ).fetchall()
        for row in rows:
            yield from segments.read(self.root / row["filename"], clip_meta, row["start"], row["stop"], start)

    def path(self, key: str) -> Path:
        """The media file of a clip of kind "file". Raises ClipNotFound."""
        row = self._one("SELECT filename FROM segment WHERE clip = ? ORDER BY start", key)
        if row is None or self.clip(key).meta.kind != "file" or not (path := self.root / row["filename"]).exists():
            raise ClipNotFound("That clip has no file of its own.", "Generate or import it again.")
        return path

    def clip(self, key: str) -> Clip:
        """One clip by its key, or by a prefix of at least six characters that only one key has.

        Raises ClipNotFound.
        """
        row = self._one(SELECT_CLIPS + " WHERE clip.key = ?", key)
        if row is None and len(key) >= 6 and key.isalnum():
            with self.db.reading() as db:
                rows = db.execute(SELECT_CLIPS + " WHERE clip.key GLOB ? LIMIT 2", (f"{key}*",)).fetchall()
            row = rows[0] if len(rows) == 1 else None
        if row is None:
            raise ClipNotFound(f"The library has no clip {safe_name(key)[:40]}.", "See `python app.py library list`.")
        return to_clip(row)

    def complete(self, key: str) -> bool:
        """Whether a clip is whole. One whose files were deleted behind our back is not, and says so from now on."""
        with self.db.reading() as db:
            row = db.execute("SELECT complete FROM clip WHERE key = ?", (key,)).fetchone()
            if not row or not row["complete"]:
                return False
            names = [row["filename"] for row in db.execute("SELECT filename FROM segment WHERE clip = ?", (key,))]
        if names and all((self.root / name).exists() for name in names):
            return True
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET complete = 0 WHERE key = ?", (key,))
        return False

    def touch(self, key: str) -> None:
        """Remember that a clip was used just now, so that trimming takes others first."""
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET used = ? WHERE key = ?", (time.time(), key))

    def list(
        self, *, kept_only: bool = False, stages: tuple[str, ...] = (), limit: int = 200, search: str = ""
    ) -> list[Clip]:
        """Complete clips, newest first."""
        where, values = ["complete = 1"], []
        if kept_only:
            where.append("kept = 1")
        if stages:
            where.append(f"stage IN ({','.join('?' * len(stages))})")
            values += stages
        if search:
            where.append("(title LIKE ? ESCAPE '\\' OR clip.key LIKE ? ESCAPE '\\')")
            pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            values += [pattern, pattern]
        query = f"{SELECT_CLIPS} WHERE {' AND '.join(where)} ORDER BY created DESC LIMIT ?"
        with self.db.reading() as db:
            return [to_clip(row) for row in db.execute(query, (*values, limit)).fetchall()]

    def keep(self, key: str, title: str, request: dict[str, Any] | None) -> None:
        """Remember a clip as a result someone asked for, with the words and settings they asked with."""
        with self.db.transaction() as db:
            db.execute(
                "UPDATE clip SET kept = 1, title = ?, request = ?, created = ? WHERE key = ?",
                (title, json.dumps(request) if request else None, time.time(), key),
            )

    def note(self, key: str, text: str) -> None:
        """Add a fact to a clip's notes, once."""
        with self.db.transaction() as db:
            row = db.execute("SELECT notes FROM clip WHERE key = ?", (key,)).fetchone()
            notes = json.loads(row["notes"]) if row else []
            if text not in notes:
                db.execute("UPDATE clip SET notes = ? WHERE key = ?", (json.dumps([*notes, text]), key))

    def remove(self, key: str) -> None:
        """Delete a clip and its files. Imported files go only when no other clip needs them. Raises ClipNotFound."""
        clip = self.clip(key)
        if clip.stage == plan.IMPORT:
            sha256 = clip.node.params["sha256"]
            row = self._one("SELECT COUNT(*) AS n FROM clip WHERE plan LIKE ? AND key != ?", f"%{sha256}%", clip.key)
            with self.db.transaction() as db:
                db.execute("DELETE FROM clip WHERE key = ?", (clip.key,))
                if row and row["n"]:  # others are made from it: it leaves the gallery, its bytes stay
                    return
                gone = db.execute("DELETE FROM file WHERE sha256 = ? RETURNING filename", (sha256,)).fetchone()
            if gone:
                (self.root / "files" / gone["filename"]).unlink(missing_ok=True)
            return
        with self.db.transaction() as db:
            db.execute("DELETE FROM clip WHERE key = ?", (clip.key,))
        shutil.rmtree(self.root / "clips" / clip.key[:2] / clip.key, ignore_errors=True)

    # -- how long things take -------------------------------------------------------------------------------------

    def pace(self, stage: str, models: str) -> float | None:
        """Measured seconds per unit of work of a stage with these models, or None before its first run here."""
        row = self._one("SELECT seconds_per_unit FROM pace WHERE stage = ? AND models = ?", stage, models)
        return row["seconds_per_unit"] if row else None

    def record_pace(self, stage: str, models: str, seconds_per_unit: float) -> None:
        """Fold a measurement into the running mean; new ones weigh at least a third, since machines change."""
        old = self.pace(stage, models)
        value = seconds_per_unit if old is None else old + (seconds_per_unit - old) / 3
        with self.db.transaction() as db:
            db.execute("INSERT INTO pace VALUES (?, ?, ?, 1) ON CONFLICT (stage, models) DO UPDATE SET"
                       " seconds_per_unit = excluded.seconds_per_unit, samples = samples + 1",
                       (stage, models, value))  # fmt: skip

    def _one(self, query: str, *values: Any) -> Any:
        with self.db.reading() as db:
            return db.execute(query, values).fetchone()


SIZE = "(SELECT COALESCE(SUM(size_bytes), 0) FROM segment WHERE segment.clip = clip.key)"
SELECT_CLIPS = f"SELECT clip.*, {SIZE} AS size_bytes FROM clip"


def dumps(node: Node) -> str:
    return json.dumps(plan.dump(node))


def to_clip(row: Any) -> Clip:
    return Clip(
        key=row["key"],
        stage=row["stage"],
        node=plan.load(json.loads(row["plan"])),
        meta=ClipMeta.model_validate_json(row["meta"]),
        title=row["title"],
        request=json.loads(row["request"]) if row["request"] else None,
        notes=tuple(json.loads(row["notes"])),
        created=row["created"],
        complete=bool(row["complete"]),
        kept=bool(row["kept"]),
        size_bytes=row["size_bytes"],
    )
