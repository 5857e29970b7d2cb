"""Reads Final Draft's FDX: an XML file of paragraphs that say what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diffscaler.errors import ScriptError
from diffscaler.screenplay import emphasis
from diffscaler.screenplay.emphasis import Span
from diffscaler.screenplay.fdx_title import title_page_of
from diffscaler.screenplay.script import SPOKEN, Element, Kind, Lines, Script, TitlePage

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element as Node

#: Final Draft's word for a paragraph -> ours; all others ("Shot", "General", "Cast List", a writer's own) are action.
KINDS: dict[str, Kind] = {
    "Scene Heading": "heading",
    "Action": "action",
    "Character": "character",
    "Parenthetical": "parenthetical",
    "Dialogue": "dialogue",
    "Lyrics": "lyric",
    "Singing": "lyric",
    "Transition": "transition",
    "New Act": "centred",
    "End of Act": "centred",
    "Outline Body": "synopsis",
}
_OUTLINE = re.compile(r"Outline (\d)$")


def read_fdx(data: bytes, name: str) -> Script:
    """A script from an FDX file's bytes; its lines are counted in paragraphs, as Final Draft shows them.

    Raises ScriptError for what is no whole FDX, and for XML that defines entities (they can fill any memory).
    """
    root = _parsed(data, name)
    if root.tag != "FinalDraft":
        raise ScriptError(f"{name} is XML, but no Final Draft document.", "Save the script as .fdx in Final Draft.")
    content = root.find("Content")
    if content is None:
        raise ScriptError(f"{name} holds no script.", "Save it again in Final Draft; a template has no content.")
    title = root.find("TitlePage/Content")
    rows = [] if title is None else [(_text(node), node.get("Alignment", "")) for node in title.findall("Paragraph")]
    return Script(title_page_of(rows) if rows else TitlePage(), _Reader().read(content))


def _parsed(data: bytes, name: str) -> Node:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        return fromstring(data)
    except DefusedXmlException as error:
        raise ScriptError(
            f"{name} defines XML entities, which no script needs and which can fill the memory; it was not opened.",
            "Save the script again in Final Draft.",
        ) from error
    except ParseError as error:
        line = error.position[0]
        raise ScriptError(
            f"{name} is cut off or damaged at line {line}.", "Copy or export it again, then open that file."
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that is none
        raise ScriptError(f"{name} cannot be read: {error}.", "Save the script again in Final Draft.") from error


class _Reader:
    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.notes: list[Element] = []
        self.number = 0

    def read(self, content: Node) -> tuple[Element, ...]:
        for paragraph in content.findall("Paragraph"):
            dual = paragraph.find("DualDialogue")
            if dual is None:
                self._paragraph(paragraph, False)
                continue
            speakers = 0
            for part in dual.findall("Paragraph"):
                speakers += part.get("Type") == "Character"
                self._paragraph(part, speakers > 1)
            self._beside(paragraph)
        self._flush_notes()
        return tuple(self.elements)

    def _paragraph(self, node: Node, beside: bool) -> None:
        self.number += 1
        kind, depth = _kind(node)
        spoken = kind in SPOKEN and self._is_speaking()
        if kind in SPOKEN - {"lyric"} and not spoken:
            kind = "action"
        if not spoken:
            self._flush_notes()
        if node.get("StartsNewPage") == "Yes" and self.elements:
            self._add("page_break", "")
        text = _text(node)
        if kind == "action":
            for part in re.split(r"\n\s*\n", text):
                if part.strip():
                    self._add("action", part.strip("\n"))
        elif text.strip():
            self._add(kind, _settled(kind, text), number=_number(node, kind), depth=depth,
                      dual=beside and kind == "character")  # fmt: skip
        self._beside(node)

    def _is_speaking(self) -> bool:
        return bool(self.elements) and self.elements[-1].kind in ("character", *SPOKEN)

    def _add(self, kind: Kind, text: str, **more: Any) -> None:
        last = self.elements[-1] if self.elements else None
        if kind in ("dialogue", "lyric") and last and last.kind == kind and last.lines.last == self.number - 1:
            joined = Element(kind, f"{last.text}\n{text}", Lines(last.lines.first, self.number))
            self.elements[-1] = joined
        else:
            self.elements.append(Element(kind, text, Lines(self.number, self.number), **more))

    def _beside(self, node: Node) -> None:
        """What a paragraph carries without printing it: a scene's summary, notes."""
        for summary in node.findall("SceneProperties/Summary/Paragraph"):
            if text := " ".join(_text(summary).split()):
                self._add("synopsis", text)
        for note in node.findall("ScriptNote"):
            text = "\n".join(_text(paragraph).strip() for paragraph in note.findall("Paragraph")).strip()
            if text:
                self.notes.append(Element("note", text, Lines(self.number, self.number)))

    def _flush_notes(self) -> None:
        """Notes wait until a speech is over."""
        self.elements += self.notes
        self.notes = []


def _kind(node: Node) -> tuple[Kind, int]:
    written = node.get("Type", "Action")
    if outline := _OUTLINE.match(written):
        return "section", int(outline[1])
    kind = KINDS.get(written, "action")
    centred = kind == "action" and node.get("Alignment") == "Center"
    return ("centred" if centred else kind), 0


def _number(node: Node, kind: Kind) -> str:
    return re.sub(r"[^\w.\-]", "", node.get("Number", "")) if kind == "heading" else ""


def _settled(kind: Kind, text: str) -> str:
    """The text of a paragraph as Fountain has it, lines apart only where Fountain keeps them apart."""
    text = text.strip()
    if kind in ("dialogue", "lyric"):
        return "\n".join(line.strip() for line in text.split("\n"))
    text = " ".join(text.split())
    if kind == "parenthetical" and not (text.startswith("(") and text.endswith(")")):
        return f"({text.strip('()')})"
    return text


def _text(paragraph: Node) -> str:
    """A paragraph's runs as Fountain marks them."""
    return emphasis.marked(tuple(_spans(paragraph)))


def _spans(paragraph: Node) -> Iterator[Span]:
    for run in paragraph.findall("Text"):
        styles = set(run.get("Style", "").split("+"))
        text = re.sub(r"\r\n?|[\u2028\u2029]", "\n", run.text or "").replace("\t", "    ")
        text = text.upper() if "AllCaps" in styles else text
        yield Span(text, "Bold" in styles, "Italic" in styles, "Underline" in styles)
