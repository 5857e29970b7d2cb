"""A clip as the library's database has it: the row, what is asked of the table, and how plans are written there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from diffscaler import plan
from diffscaler.media import ClipMeta
from diffscaler.plan import Node

#: Stages whose clips only say something about other clips. Unless somebody keeps one, it holds nothing back from being
#: deleted, and goes with what it is about.
LOOKUPS = (
    "detect_faces", "identify_people", "list_people", "mask_faces", "review_swap", "inspect_photo", "measure",
)  # fmt: skip


SIZE = "(SELECT COALESCE(SUM(size_bytes), 0) FROM segment WHERE segment.clip = clip.key)"
SELECT_CLIPS = f"SELECT clip.*, {SIZE} AS size_bytes FROM clip"
LOOKED_UP = f"(kept = 0 AND stage IN ({','.join('?' * len(LOOKUPS))}))"
USES = f"key != ? AND plan LIKE '%' || ? || '%' AND NOT {LOOKED_UP}"


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


def is_import(node: Node) -> bool:
    return node.stage == plan.IMPORT


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
