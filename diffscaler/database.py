"""SQLite the way every process here opens it: WAL, foreign keys, one transaction context manager."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Database:
    """One SQLite file shared by the page, the workers and the command line.

    A connection is opened per transaction: cheap (tens of microseconds) beside what a transaction here does, and
    safe to use from any thread.
    """

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with self.reading() as db:
            db.execute("PRAGMA journal_mode = WAL")  # stays with the file; cannot change inside a transaction
            db.executescript(schema)  # CREATE ... IF NOT EXISTS only: harmless when two processes start at once

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection inside BEGIN IMMEDIATE ... COMMIT; rolled back when the block raises."""
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:  # a full disk rolls back by itself
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries only; never waits for a writer."""
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            yield db
        finally:
            db.close()


def batched(values: list[str], size: int = 500) -> Iterator[list[str]]:
    """Values in groups: SQLite takes only so many in one question."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
