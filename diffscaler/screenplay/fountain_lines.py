"""What one line of Fountain is, by how it begins and what is around it: shared by the reader and the writer.

Rules: fountain.io/syntax (Fountain 1.1). Where that page leaves a choice, the more forgiving reading is taken.
"""

from __future__ import annotations

import re
from typing import Literal

from diffscaler.screenplay import cues, emphasis
from diffscaler.screenplay.heading import opens_heading

LineKind = Literal[
    "blank", "page_break", "section", "synopsis", "forced_action", "cue", "lyric", "heading", "centred", "transition",
    "action",
]  # fmt: skip

PAGE_BREAK = re.compile(r"={3,}$")
SECTION = re.compile(r"(#+)\s*(\S.*)$")
SYNOPSIS = re.compile(r"=(?!=)\s*(\S.*)$")
FORCED_HEADING = re.compile(r"\.(?=[^.\s])")
SCENE_NUMBER = re.compile(r"\s*#([\w.\-]+)#$")
TITLE_ENTRY = re.compile(r"([^\W_][^:]*):\s*(.*)$")


def kind_of(line: str, starts: bool, ends: bool) -> LineKind:
    """What a line is.

    starts: nothing of the paragraph stands above it; ends: a blank line or the end of the file follows
    Forced kinds and those of one line are told anywhere, others only where a paragraph starts.
    """
    text = line.strip()
    if not text:
        return "blank"
    mark = text[0]
    if mark == "=":
        if PAGE_BREAK.match(text):
            return "page_break"
        if SYNOPSIS.match(text):
            return "synopsis"
    elif mark == "#" and SECTION.match(text):
        return "section"
    elif mark == "!":
        return "forced_action"
    elif mark == "~":
        return "lyric"
    elif mark == ">" and len(text) > 1:
        if text[-1] == "<":
            return "centred"
        if starts:
            return "transition"
    return _kind_by_place(text, ends) if starts else "action"


def _kind_by_place(text: str, ends: bool) -> LineKind:
    if text[0] == "@" and text[1:].strip(" ^"):
        return "cue"
    if FORCED_HEADING.match(text) or opens_heading(text):
        return "heading"
    if ends:
        return "transition" if is_transition(text) else "action"
    return "cue" if cues.is_cue(emphasis.plain(text).rstrip(" ^")) else "action"


def is_transition(text: str) -> bool:
    """Whether a line with blank ones around it is a transition without being forced: "CUT TO:"."""
    return text.endswith("TO:") and not any(letter.islower() for letter in text)


def is_parenthetical(line: str) -> bool:
    """Whether a line among dialogue is one."""
    text = line.strip()
    return text.startswith("(") and text.endswith(")")


def opens_title_page(lines: list[str]) -> bool:
    """Whether a script begins with a title page: "Title: ...", or a key with its value below."""
    first = lines[0] if lines else ""
    found = TITLE_ENTRY.match(first)
    if not found or opens_heading(first):
        return False
    second = lines[1] if len(lines) > 1 else ""
    return bool(found[2].strip() or is_indented(second) or (TITLE_ENTRY.match(second) and not is_transition(first)))


def is_indented(line: str) -> bool:
    """Whether a line of a title page belongs to the key above."""
    return line.startswith("   ") and bool(line.strip())
