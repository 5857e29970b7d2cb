"""Writes a script as Fountain; reading it again gives the same script."""

from __future__ import annotations

import re

from diffscaler.screenplay import fountain_lines as rules
from diffscaler.screenplay.heading import opens_heading
from diffscaler.screenplay.script import SPOKEN, Element, Script, TitlePage


def fountain_of(script: Script) -> str:
    """The Fountain text of a script; kinds are forced only where their words alone would be read otherwise."""
    paragraphs: list[str] = []
    speaking, first = False, not script.title_page.entries
    for index, element in enumerate(script.elements):
        following = script.elements[index + 1] if index + 1 < len(script.elements) else None
        said = following is not None and following.kind in SPOKEN
        text = _written(element, said, first)
        attached = speaking and element.kind in SPOKEN and not _starts_anew(script.elements, index)
        if attached:
            paragraphs[-1] += f"\n{text}"
        else:
            paragraphs.append(text)
        speaking = element.kind == "character" or attached
        first = first and element.kind == "boneyard"
    title = _title_page(script.title_page)
    return "\n\n".join([title, *paragraphs] if title else paragraphs) + "\n"


def _starts_anew(elements: tuple[Element, ...], index: int) -> bool:
    """Lyrics after lyrics: a blank line keeps them apart."""
    return elements[index].kind == "lyric" and elements[index - 1].kind == "lyric"


def _title_page(page: TitlePage) -> str:
    rows = []
    for key, value in page.entries:
        if "\n" in value:
            rows.append(f"{key}:" + "".join(f"\n    {line}" for line in value.split("\n")))
        else:
            rows.append(f"{key}: {value}".rstrip())
    return "\n".join(rows)


def _written(element: Element, said: bool, first: bool) -> str:
    """One element. said: words of this character follow; first: nothing stands above it in the file."""
    text = _without_boneyard_marks(element.text)
    match element.kind:
        case "heading":
            number = f" #{element.number}#" if element.number else ""
            return f"{text}{number}" if opens_heading(text) else f".{text}{number}"
        case "action":
            return _action(text, first)
        case "character":
            cue = f"{text} ^" if element.dual else text
            plainly = said and rules.kind_of(cue, True, False) == "cue" and cue[0] != "@"
            return cue if plainly and not (first and rules.TITLE_ENTRY.match(cue)) else f"@{cue}"
        case "dialogue":
            return re.sub(r"^$", "  ", text, flags=re.MULTILINE)
        case "lyric":
            return "\n".join(f"~{line}" for line in text.split("\n"))
        case "transition":
            plainly = rules.kind_of(text, True, True) == "transition" and text[0] != ">"
            return text if plainly and not first else f"> {text}"
        case "centred":
            return f"> {text} <"
        case "section":
            return f"{'#' * max(1, element.depth)} {text}"
        case "synopsis":
            return f"= {text}"
        case "note":
            return "[[" + re.sub(r"^$", "  ", text, flags=re.MULTILINE) + "]]"
        case "boneyard":
            return f"/*\n{text}\n*/"
        case "page_break":
            return "==="
        case _:
            return text


def _action(text: str, first: bool) -> str:
    lines = text.split("\n")
    written = []
    for number, line in enumerate(lines):
        starts, ends = number == 0, number == len(lines) - 1
        plainly = rules.kind_of(line, starts, ends) == "action" and not (starts and first and ":" in line)
        written.append(line if plainly else f"!{line}")
    return "\n".join(written)


def _without_boneyard_marks(text: str) -> str:
    """Fountain cannot quote the marks of its boneyard: a space keeps the text and breaks them."""
    return text.replace("/*", "/ *").replace("*/", "* /") if "/*" in text else text
