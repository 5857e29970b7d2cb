"""ClipLibrary: every clip a stage made or a user gave, segment by segment, under the key of its recipe.

A segment is written under a temporary name, renamed, and only then recorded; a process killed at any moment leaves
whole segments and at most a `.part` file behind.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from diffscaler import plan
from diffscaler.database import Database, batched
from diffscaler.errors import ClipNotFound, MediaError
from diffscaler.library import segments
from diffscaler.library.files import (
    bytes_in,
    flush_to_disk,
    keep_copy,
    remove_tree,
    room_for,
    safe_name,
    safe_suffix,
    sha256_of,
)
from diffscaler.library.rows import LOOKED_UP, LOOKUPS, SELECT_CLIPS, USES, Clip, dumps, is_import, to_clip
from diffscaler.media import Chunk, ClipMeta, FileChunk
from diffscaler.plan import Node

SCHEMA = Path(__file__).with_name("schema.sql")


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
                (sha256, filename, name, info.model_dump_json(), bytes_in(path), now),
            )
            db.execute(
                "INSERT INTO clip (key, stage, plan, meta, title, created, used, complete, kept) VALUES"
                " (?, ?, ?, ?, ?, ?, ?, 1, 1)"
                " ON CONFLICT (key) DO UPDATE SET used = excluded.used, kept = 1, complete = 1",
                (node.key, node.stage, dumps(node), meta_of(info, sound).model_dump_json(), name, now, now),
            )
            db.execute("INSERT OR IGNORE INTO segment VALUES (?, 0, ?, ?, ?)",
                       (node.key, info.num_frames, f"files/{filename}", bytes_in(path)))  # fmt: skip
        return node

    def add_sound(self, path: Path) -> str:
        """Import a sound file, or a clip for its sound, by content and return its SHA-256; it is no clip of its own.

        Raises MediaError when it has no sound, NotEnoughRoom when the disk is full.
        """
        from diffscaler.video.mix import check_sound

        check_sound(path)
        sha256 = sha256_of(path)
        filename = f"{sha256}{safe_suffix(path)}"
        with room_for("the imported sound"):
            if not (self.root / "files" / filename).exists():
                keep_copy(path, self.root / "files" / filename)
        with self.db.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO file VALUES (?, ?, ?, '{}', ?, ?)",
                (sha256, filename, safe_name(path.name), bytes_in(path), time.time()),
            )
        return sha256

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

    def file_info(self, sha256: str) -> dict[str, Any]:
        """What `probe` found in an imported file, by the names of MediaInfo; empty when it is gone."""
        row = self._one("SELECT info FROM file WHERE sha256 = ?", sha256)
        return json.loads(row["info"]) if row else {}

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
            rows = db.execute("SELECT * FROM segment WHERE clip = ? ORDER BY start", (node.key,)).fetchall()
            stored = self._unbroken(rows)
            gone = db.execute("DELETE FROM segment WHERE clip = ? AND start >= ?", (node.key, stored)).rowcount
            if gone:
                db.execute("UPDATE clip SET complete = 0 WHERE key = ?", (node.key,))
        return stored

    def stored_frames(self, key: str) -> int:
        """How many frames of a clip are stored, counted from its start; 0 for one that never began."""
        with self.db.reading() as db:
            rows = db.execute("SELECT * FROM segment WHERE clip = ? ORDER BY start", (key,)).fetchall()
        return self._unbroken(rows)

    def _unbroken(self, rows: list[Any]) -> int:
        """Frames up to the first segment that is missing or not whole."""
        stored = 0
        for row in rows:
            if row["start"] != stored or not self._whole(row):
                break
            stored = row["stop"]
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
                flush_to_disk(part)
            size = part.stat().st_size
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        try:
            with self.db.transaction() as db:
                db.execute("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?)",
                           (key, chunk.start, chunk.stop, filename, size))  # fmt: skip
        except sqlite3.IntegrityError as error:
            target.unlink(missing_ok=True)
            raise ClipNotFound("The clip was deleted while it was being made.", "Ask for it again.") from error

    def finish(self, key: str, meta: ClipMeta) -> None:
        """Mark a clip complete, with its final facts; what it could have gone on from is no longer needed."""
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET complete = 1, meta = ? WHERE key = ?", (meta.model_dump_json(), key))
        remove_tree(self.unfinished(key))

    def unfinished(self, key: str) -> Path:
        """Where a stage keeps what a clip can go on from when its making is stopped; goes with the clip."""
        return self.root / "clips" / key[:2] / key / "unfinished"

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
            try:
                yield from segments.read(self.root / row["filename"], clip_meta, row["start"], row["stop"], start)
            except MediaError:
                if clip_meta.kind == "frames":  # so that the next run makes this part anew
                    self._forget_from(key, row["start"])
                raise

    def _forget_from(self, key: str, start: int) -> None:
        with self.db.transaction() as db:
            db.execute("DELETE FROM segment WHERE clip = ? AND start >= ?", (key, start))
            db.execute("UPDATE clip SET complete = 0 WHERE key = ?", (key,))

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
            rows = db.execute("SELECT filename, size_bytes FROM segment WHERE clip = ?", (key,)).fetchall()
        if rows and all(self._whole(row) for row in rows):
            return True
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET complete = 0 WHERE key = ?", (key,))
        return False

    def complete_of(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of many clips that are recorded as whole; unlike `complete` it does not look for their files."""
        found: set[str] = set()
        with self.db.reading() as db:
            for part in batched(sorted(set(keys))):
                marks = ",".join("?" * len(part))
                rows = db.execute(f"SELECT key FROM clip WHERE complete = 1 AND key IN ({marks})", part)
                found.update(row["key"] for row in rows)
        return frozenset(found)

    def _whole(self, row: Any) -> bool:
        """Whether a segment's file is there in full: a power loss can leave a name without its bytes."""
        path = self.root / row["filename"]
        try:
            return path.is_dir() or path.stat().st_size == row["size_bytes"]
        except OSError:
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
        """Delete a clip, and what only it was made from: intermediate clips, and imports that had left the gallery.

        An import that other clips are made from leaves the gallery; its bytes go with the last of them. What was only
        looked up about a deleted clip goes with it.
        Raises ClipNotFound.
        """
        clip = self.clip(key)
        with self.db.transaction() as db:
            db.execute("UPDATE clip SET kept = 0 WHERE key = ?", (clip.key,))
        for node in reversed(list(plan.nodes(clip.node))):
            row = self._one("SELECT kept FROM clip WHERE key = ?", node.key)
            if row is None or row["kept"]:
                continue
            if (node == clip.node and not is_import(node)) or not self._used(node.key):
                self._delete(node)

    def _used(self, key: str) -> bool:
        """Whether other clips are made from this one; those that were only looked up do not count."""
        return self._one(f"SELECT 1 FROM clip WHERE {USES} LIMIT 1", key, key, *LOOKUPS) is not None

    def _looked_up(self, node: Node) -> list[str]:
        """Keys of the clips that only say something about this one.

        A photo that was inspected is in the plan by its content alone, as it is no input there.
        """
        photo = node.params["sha256"] if is_import(node) else node.key
        with self.db.reading() as db:
            rows = db.execute(
                f"SELECT key FROM clip WHERE key != ? AND {LOOKED_UP}"
                " AND (plan LIKE '%' || ? || '%' OR (stage = 'inspect_photo' AND plan LIKE '%' || ? || '%'))",
                (node.key, *LOOKUPS, node.key, photo),
            ).fetchall()
        return [row["key"] for row in rows if not self._used(row["key"])]

    def drop(self, key: str) -> None:
        """Delete one stored clip and nothing else; it can be made again. One that is gone already is fine."""
        with self.db.transaction() as db:
            db.execute("DELETE FROM clip WHERE key = ?", (key,))
        remove_tree(self.root / "clips" / key[:2] / key)

    def stored_bytes(self, key: str) -> int:
        """Disk that the stored part of a clip takes."""
        row = self._one("SELECT COALESCE(SUM(size_bytes), 0) AS n FROM segment WHERE clip = ?", key)
        return int(row["n"])

    def _delete(self, node: Node) -> None:
        for key in self._looked_up(node):
            self.drop(key)
        with self.db.transaction() as db:
            db.execute("DELETE FROM clip WHERE key = ?", (node.key,))
            rows = []
            if is_import(node):
                sha256 = node.params["sha256"]
                rows = db.execute("DELETE FROM file WHERE sha256 = ? RETURNING filename", (sha256,)).fetchall()
        for row in rows:
            remove_tree(self.root / "files" / row["filename"])
        remove_tree(self.root / "clips" / node.key[:2] / node.key)

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
