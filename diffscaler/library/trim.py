"""Keeps the library within its disk budget: the longest unused intermediates go first, results stay."""

from __future__ import annotations

from diffscaler import plan
from diffscaler.library.clips import ClipLibrary


def trim(library: ClipLibrary, budget_bytes: int, spare: str | None = None) -> list[str]:
    """Remove intermediates until all clips together fit in `budget_bytes`; returns the keys removed.

    spare: the key of a clip just made; what it was made from stays too, since the next request is often a variation
    """
    protected = {node.key for node in plan.nodes(library.clip(spare).node)} if spare else set()
    with library.db.reading() as db:
        total = int(db.execute("SELECT COALESCE(SUM(size_bytes), 0) FROM segment").fetchone()[0])
        rows = db.execute(
            "SELECT key, (SELECT COALESCE(SUM(size_bytes), 0) FROM segment WHERE clip = key) AS size_bytes"
            " FROM clip WHERE kept = 0 AND complete = 1 ORDER BY used"
        ).fetchall()
    removed = []
    for row in rows:
        if total <= budget_bytes:
            break
        if row["key"] not in protected:
            library.remove(row["key"])
            total -= row["size_bytes"]
            removed.append(row["key"])
    return removed
