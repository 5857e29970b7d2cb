"""Fountain's emphasis: *italic*, **bold**, ***both***, _underlined_, with a backslash for the marks themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

_TOKEN = re.compile(r"\\([\\*_])|(\*{1,3}|_)")


@dataclass(frozen=True)
class Span:
    """A run of letters that look alike."""

    text: str
    bold: bool = False
    italic: bool = False
    underline: bool = False


def plain(text: str) -> str:
    """A text as it is read: without notes, marks and backslashes."""
    text, _ = without_notes(text)
    return "".join(span.text for span in spans(text)).strip()


def without_notes(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without its [[notes]], and the notes. One that is never closed is text."""
    if "[[" not in text:
        return text, ()
    kept, notes, at = [], [], 0
    while (start := text.find("[[", at)) >= 0 and (stop := text.find("]]", start + 2)) >= 0:
        kept.append(text[at:start])
        notes.append(text[start + 2 : stop].strip())
        at = stop + 2
    return "".join((*kept, text[at:])), tuple(notes)


def spans(text: str) -> tuple[Span, ...]:
    """A text in runs. Marks that open nothing, close nothing or stand between spaces are letters like others.

    A mark does not reach over a line's end (fountain.io/syntax, "Emphasis").
    """
    if not any(mark in text for mark in "*_\\"):
        return (Span(text),) if text else ()
    found: list[Span] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            found.append(Span("\n"))
        found += _spans_of_line(line)
    return _joined(found)


def marked(runs: tuple[Span, ...]) -> str:
    """The Fountain text of runs; marks stand close to the letters they mean, whatever spaces are around."""
    return "".join(_marked(run) for run in _joined(list(runs)))


def escaped(text: str) -> str:
    """A text whose letters * _ and backslash mean themselves."""
    return re.sub(r"([\\*_])", r"\\\1", text)


def _marked(run: Span) -> str:
    mark = "*" * (2 * run.bold + run.italic)
    under = "_" * run.underline
    core = run.text.strip()
    if not core or not (mark or under):
        return escaped(run.text)
    start = run.text.index(core)
    before, after = run.text[:start], run.text[start + len(core) :]
    inner = "\n".join(f"{under}{mark}{escaped(line)}{mark}{under}" if line else "" for line in core.split("\n"))
    return f"{before}{inner}{after}"


def _spans_of_line(line: str) -> list[Span]:
    tokens: list[tuple[str, str]] = []  # ("text" | "mark", letters)
    end = 0
    for match in _TOKEN.finditer(line):
        tokens.append(("text", line[end : match.start()]))
        if match[1]:
            tokens.append(("text", match[1]))
        else:
            tokens.append(("mark" if _may_mark(line, match) else "text", match[2]))
        end = match.end()
    tokens.append(("text", line[end:]))
    open_at: dict[str, int] = {}
    pairs: dict[int, int] = {}
    for index, (kind, letters) in enumerate(tokens):
        if kind != "mark":
            continue
        if letters in open_at:
            start = open_at.pop(letters)
            pairs[start] = index
            open_at = {mark: at for mark, at in open_at.items() if at < start}  # no crossing
        else:
            open_at[letters] = index
    marks = set(pairs) | set(pairs.values())
    bold = italic = underline = False
    found: list[Span] = []
    for index, (_, letters) in enumerate(tokens):
        if index not in marks:
            found.append(Span(letters, bold, italic, underline))
        elif letters == "_":
            underline = not underline
        else:
            bold ^= len(letters) >= 2
            italic ^= len(letters) != 2
    return found


def _may_mark(line: str, match: re.Match[str]) -> bool:
    before = line[max(0, match.start() - 1) : match.start()]
    after = line[match.end() : match.end() + 1]
    return not ((not before or before.isspace()) and (not after or after.isspace()))


def _joined(runs: list[Span]) -> tuple[Span, ...]:
    """Neighbours that look alike as one, without empty ones."""
    groups = groupby((run for run in runs if run.text), key=lambda run: (run.bold, run.italic, run.underline))
    return tuple(Span("".join(run.text for run in group), *look) for look, group in groups)
