"""A shot list as CSV, for spreadsheets and back, without loss.

Several names in a cell stand on lines of their own. A cell that a spreadsheet would run as a formula begins with an
apostrophe, which is taken off again. The last column is for the studio: it tells what was changed in a spreadsheet.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from diffscaler.errors import ScriptError
from diffscaler.screenplay.rates import RATE_NAMES, RATES, frames_of
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import ANGLES, EDITABLE, FIELDS, MOVES, ROLES, SIZES, Shot, edit, is_id

LISTS = ("characters", "speakers", "dialogue", "edited", "source")
_PLAIN = tuple(name for name in FIELDS if name != "lines")
COLUMNS = ("name", "rate", *_PLAIN, "first_line", "last_line", "as_drafted")
REQUIRED = ("scene", "text")
_CHOICES = {"role": ROLES, "size": SIZES, "angle": ANGLES, "move": MOVES}
_FORMULA = ("=", "+", "-", "@", "'", "\t", "\r")
DEFAULT_S = 3


@dataclass(frozen=True)
class ShotList:
    """Shots and the rate their frames count at, a name of RATES."""

    rate: str
    shots: tuple[Shot, ...]


def csv_of(shots: ShotList) -> str:
    """The table of a shot list; save it as UTF-8 with a mark ("utf-8-sig"), which spreadsheets ask for."""
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for shot in shots.shots:
        row: dict[str, Any] = {name: getattr(shot, name) for name in _PLAIN}
        row |= {name: "\n".join(row[name]) for name in LISTS}
        row |= {"name": shot.name, "rate": shots.rate, "first_line": shot.lines.first, "last_line": shot.lines.last}
        row["as_drafted"] = " ".join(
            f"{name}={_digest(getattr(shot, name))}" for name in EDITABLE if name not in shot.edited
        )
        row["locked"] = "yes" if shot.locked else ""
        table.writerow(_safe(str(row[column])) for column in COLUMNS)
    return out.getvalue()


def read_csv(text: str, rate: str = "24") -> ShotList:
    """The shot list in a table with commas, semicolons or tabs; columns may be missing but for scene and text.

    rate: for a table that does not say its own. A row without an id gets one from its text. Raises ScriptError.
    """
    text = text.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip().lower() for name in next(table, [])]
        if missing := [name for name in REQUIRED if name not in columns]:
            raise ScriptError(
                f"The shot list has no column {' and '.join(missing)}.", f"Its columns are: {', '.join(COLUMNS)}."
            )
        rows = [(table.line_num, dict(zip(columns, row, strict=False))) for row in table if any(row)]
    except csv.Error as error:
        raise ScriptError(f"The shot list is no table: {error}.", "Save it as CSV in UTF-8.") from error
    rates = {name for _, row in rows if (name := row.get("rate", "").strip())}
    if len(rates) > 1:
        raise ScriptError(f"The shot list counts at several rates: {', '.join(sorted(rates))}.", "Give all shots one.")
    rate = next(iter(rates), rate)
    if rate not in RATES:
        raise ScriptError(f"{rate} is no frame rate of a film here.", f"There are: {', '.join(RATE_NAMES)}.")
    shots: list[Shot] = []
    for line, row in rows:
        shots.append(_shot(line, {name: _unsafe(value) for name, value in row.items()}, rate, shots))
    return ShotList(rate, tuple(shots))


def taken_over(opened: Iterable[Shot], current: Iterable[Shot]) -> tuple[Shot, ...]:
    """An opened list beside the one it came from: what differs counts as set by a person; locked shots stay."""
    known = {shot.id: shot for shot in current}
    found = []
    for shot in opened:
        before = known.get(shot.id)
        if before is None or (before.locked and shot.locked):
            found.append(before or shot)
            continue
        changed = edit(replace(before, locked=False), **{name: getattr(shot, name) for name in EDITABLE})
        found.append(replace(changed, scene=shot.scene, number=shot.number))
    return tuple(found)


def _shot(line: int, row: dict[str, str], rate: str, before: list[Shot]) -> Shot:
    values: dict[str, Any] = {name: row[name] for name in _PLAIN if name in row}
    for name, choices in _CHOICES.items():
        if not values.get(name):
            values.pop(name, None)
        elif values[name] not in choices:
            raise ScriptError(f"Line {line}: {values[name]!r} is no {name}.", f"There are: {', '.join(choices)}.")
    values |= {name: tuple(values[name].split("\n")) if values[name] else () for name in LISTS if name in values}
    values["locked"] = values.get("locked", "").strip().lower() in ("yes", "true", "1", "x")
    values["frames"] = _count(line, "frames", row, frames_of(DEFAULT_S, RATES[rate]), 1)
    values["number"] = _count(line, "number", row, 1 + sum(shot.scene == row["scene"] for shot in before), 0)
    first = _count(line, "first_line", row, 0, 0)
    lines = Lines(first, _count(line, "last_line", row, first, 0))
    for name in ("id", "part_of"):
        if (written := values.get(name)) and not is_id(written):
            raise ScriptError(
                f"Line {line}: {written[:40]!r} is no {name} of a shot.",
                "It has up to 100 letters a to z, digits, dots, dashes and underscores; an empty cell does as well.",
            )
    taken = {shot.id for shot in before}
    if not values.get("id"):
        values["id"] = _new_id(row, taken)
    elif values["id"] in taken:
        raise ScriptError(f"Line {line}: there are two shots {values['id']}.", "Empty that cell in one of them.")
    shot = Shot(**({"role": "action", "heading": ""} | values), lines=lines)
    drafted = dict(part.partition("=")[::2] for part in row.get("as_drafted", "").split())
    since = [name for name, digest in drafted.items() if name in EDITABLE and digest != _digest(getattr(shot, name))]
    return replace(shot, edited=tuple(dict.fromkeys((*shot.edited, *since)))) if since else shot


def _digest(value: object) -> str:
    return f"{zlib.crc32(repr(value).encode()):08x}"


def _count(line: int, name: str, row: dict[str, str], default: int, least: int) -> int:
    written = row.get(name, "").strip()
    if not written:
        return default
    if not written.isdecimal() or int(written) < least:
        raise ScriptError(f"Line {line}: {written!r} is no number of {name}.", f"Whole numbers from {least} are.")
    return int(written)


def _new_id(row: dict[str, str], taken: set[str]) -> str:
    for count in range(len(taken) + 1):
        found = hashlib.sha256(f"{row['scene']}\0{row['text']}\0{count}".encode()).hexdigest()[:12]
        if found not in taken:
            return found
    raise AssertionError("more ids than shots")


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unsafe(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell
