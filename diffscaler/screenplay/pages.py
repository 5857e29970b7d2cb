"""How long a script is on paper, and so on screen: a page is a minute, and has eight eighths.

Lines a page and letters a line are those of the usual layout: US letter, Courier 12, ten letters an inch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from functools import lru_cache

from diffscaler.screenplay.script import UNPRINTED, Element, Scene, Script

LINES_A_PAGE = 55
SECONDS_A_PAGE = 60.0
EIGHTHS = 8

#: Letters that fit beside the margins of each kind.
WIDTHS = {"dialogue": 35, "parenthetical": 25, "character": 38, "lyric": 35}
FULL_WIDTH = 61

_TIGHT = frozenset({"dialogue", "parenthetical", "lyric"})


def printed_lines(element: Element) -> int:
    """Lines an element takes on paper, the blank one above it included; 0 for what is not printed."""
    if element.kind in UNPRINTED or element.kind == "page_break":
        return 0
    width = WIDTHS.get(element.kind, FULL_WIDTH)
    lines = sum(_wrapped(line, width) for line in element.plain.split("\n"))
    if element.kind == "heading":
        return lines + 2
    return lines + (element.kind not in _TIGHT)


def pages_of(elements: Iterable[Element]) -> float:
    """Pages, as a fraction. Two speeches side by side take the room of the longer one."""
    whole = speech = beside = 0
    dual = speaking = False
    for element in elements:
        lines = printed_lines(element)
        if element.kind == "character":
            if not element.dual:
                whole += max(speech, beside)
                speech = beside = 0
            dual, speaking = element.dual, True
        elif speaking and element.kind not in _TIGHT:
            whole += max(speech, beside)
            speech = beside = 0
            speaking = dual = False
        if not speaking:
            whole += lines
        elif dual:
            beside += lines
        else:
            speech += lines
    return (whole + max(speech, beside)) / LINES_A_PAGE


def eighths_of(scene: Scene) -> int:
    """A scene's length as a breakdown sheet has it: eighths of a page, at least one."""
    return max(1, round(pages_of((scene.element, *scene.elements)) * EIGHTHS))


def pages_in_words(eighths: int) -> str:
    """ "2 3/8" for 19 eighths."""
    whole, rest = divmod(eighths, EIGHTHS)
    return " ".join(part for part in (str(whole) if whole else "", f"{rest}/8" if rest else "") if part) or "0"


def running_time_s(script: Script) -> float:
    """Estimated seconds on screen: a minute a page."""
    return sum(eighths_of(scene) for scene in script.scenes) * SECONDS_A_PAGE / EIGHTHS


@lru_cache(maxsize=4096)
def _wrapped(line: str, width: int) -> int:
    if len(line) <= width:
        return 1
    return max(1, len(textwrap.wrap(line, width)))
