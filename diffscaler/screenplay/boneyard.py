"""Fountain's boneyard: what stands between /* and */ is kept, and read by nobody."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.screenplay.script import Element, Lines


@dataclass(frozen=True)
class Line:
    """A line that is left. first, last: where it stands in the file, several lines where a boneyard joins them."""

    text: str
    first: int
    last: int


def without_boneyard(lines: list[str]) -> tuple[list[Line], list[Element]]:
    """What is left of a script's lines, and what was taken out.

    A line of which nothing is left vanishes, so that it parts no paragraph. A mark that is never closed is text.
    """
    text = "\n".join(lines)
    if "/*" not in text:
        return [Line(line, number, number) for number, line in enumerate(lines, 1)], []
    pieces: list[str] = []
    breaks: dict[int, int] = {}  # offset in what is left -> line breaks taken out there
    buried: list[Element] = []
    at, left, number = 0, 0, 1
    while (start := text.find("/*", at)) >= 0 and (stop := text.find("*/", start + 2)) >= 0:
        kept = text[at:start]
        pieces.append(kept)
        left += len(kept)
        number += kept.count("\n")
        inner = text[start + 2 : stop]
        gone = inner.count("\n")
        breaks[left] = breaks.get(left, 0) + gone
        buried.append(Element("boneyard", inner.strip(), Lines(number, number + gone)))
        number += gone
        at = stop + 2
    pieces.append(text[at:])
    return _lines_left("".join(pieces), breaks, {one for element in buried for one in _span(element)}), buried


def _lines_left(text: str, breaks: dict[int, int], touched: set[int]) -> list[Line]:
    found: list[Line] = []
    number, offset = 1, 0
    for line in text.split("\n"):
        end = offset + len(line)
        first = number
        number += sum(count for at, count in breaks.items() if offset <= at <= end) if breaks else 0
        if line.strip() or not touched.intersection(range(first, number + 1)):
            found.append(Line(line, first, number))
        number += 1
        offset = end + 1
    return found


def _span(element: Element) -> range:
    return range(element.lines.first, element.lines.last + 1)


def with_boneyard(elements: list[Element], buried: list[Element]) -> tuple[Element, ...]:
    """Elements with what was taken out put between the paragraphs where it stood; a speech is not parted."""
    found: list[Element] = []
    waiting = list(buried)
    for element in elements:
        if element.kind not in ("dialogue", "parenthetical", "lyric"):
            while waiting and waiting[0].lines.first < element.lines.first:
                found.append(waiting.pop(0))
        found.append(element)
    return (*found, *waiting)
