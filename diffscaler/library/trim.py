"""Keeps the library within its disk budget: the longest unused intermediates go first, results stay."""

from __future__ import annotations

import time
from collections.abc import Iterable

from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import bytes_in
from diffscaler.plan import Node

STALE_S = 86_400.0


def trim(library: ClipLibrary, budget_bytes: int, spare: Iterable[Node] = ()) -> list[str]:
    """Remove intermediates until all clips together fit in `budget_bytes`; returns the keys removed.

    spare: nodes whose clips stay, e.g. those a request was just made from, since the next is often a variation
    Unfinished clips count as idle after a day.
    """
    protected = {node.key for node in spare}
    total = used_bytes(library)
    with library.db.reading() as db:
        rows = db.execute(
            "SELECT key, (SELECT COALESCE(SUM(size_bytes), 0) FROM segment WHERE clip = key) AS size_bytes"
            " FROM clip WHERE kept = 0 AND stage != 'import' AND (complete = 1 OR used < ?) ORDER BY used",
            (time.time() - STALE_S,),
        ).fetchall()
    removed: list[str] = []
    for row in rows:
        if total <= budget_bytes:
            break
        if row["key"] not in protected:
            total -= row["size_bytes"] + unfinished_bytes(library, row["key"])
            library.drop(row["key"])
            removed.append(row["key"])
    return removed


def used_bytes(library: ClipLibrary) -> int:
    """Disk that all stored clips take, with what unfinished ones can go on from."""
    with library.db.reading() as db:
        stored = int(db.execute("SELECT COALESCE(SUM(size_bytes), 0) FROM segment").fetchone()[0])
        begun = [row["key"] for row in db.execute("SELECT key FROM clip WHERE complete = 0").fetchall()]
    return stored + sum(unfinished_bytes(library, key) for key in begun)


def unfinished_bytes(library: ClipLibrary, key: str) -> int:
    folder = library.unfinished(key)
    return bytes_in(folder) if folder.exists() else 0
