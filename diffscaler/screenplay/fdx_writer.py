"""Writes a script as Final Draft's FDX. Boneyards are left out: the format has no place for them."""

from __future__ import annotations

from xml.etree import ElementTree

from diffscaler.screenplay import emphasis
from diffscaler.screenplay.script import Element, Kind, Script, TitlePage

TYPES: dict[Kind, str] = {
    "heading": "Scene Heading",
    "action": "Action",
    "character": "Character",
    "parenthetical": "Parenthetical",
    "dialogue": "Dialogue",
    "lyric": "Lyrics",
    "transition": "Transition",
    "centred": "Action",
    "synopsis": "Outline Body",
}


def fdx_of(script: Script) -> bytes:
    """The bytes of an FDX file, UTF-8."""
    root = ElementTree.Element("FinalDraft", DocumentType="Script", Template="No", Version="1")
    content = ElementTree.SubElement(root, "Content")
    new_page = False
    heading: ElementTree.Element | None = None
    for speakers in _grouped(script.elements):
        parent = content
        if len(speakers) > 1:
            parent = ElementTree.SubElement(ElementTree.SubElement(content, "Paragraph"), "DualDialogue")
        for element in (one for group in speakers for one in group):
            if element.kind == "page_break":
                new_page = True
            elif element.kind == "synopsis" and heading is not None and content[-1] is heading:
                properties = ElementTree.SubElement(heading, "SceneProperties")
                _runs(ElementTree.SubElement(ElementTree.SubElement(properties, "Summary"), "Paragraph"), element.text)
            elif element.kind == "note" and len(content):
                _note(content[-1], element.text)
            elif element.kind not in ("boneyard", "note"):
                node = _paragraph(parent, element, new_page)
                new_page = False
                heading = node if element.kind == "heading" else heading
    _title_page(root, script.title_page)
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n' + ElementTree.tostring(root, "utf-8") + b"\n"


def _grouped(elements: tuple[Element, ...]) -> list[list[list[Element]]]:
    """Elements one by one; two speeches side by side together."""
    found: list[list[list[Element]]] = []
    speech: list[Element] | None = None
    for element in elements:
        if element.kind == "character":
            if element.dual and speech is not None and found[-1][-1] is speech:
                speech = [element]
                found[-1].append(speech)
            else:
                speech = [element]
                found.append([speech])
        elif speech is not None and element.kind in ("dialogue", "parenthetical", "lyric"):
            speech.append(element)
        else:
            speech = None
            found.append([[element]])
    return found


def _paragraph(parent: ElementTree.Element, element: Element, new_page: bool) -> ElementTree.Element:
    kind = f"Outline {element.depth}" if element.kind == "section" else TYPES[element.kind]
    node = ElementTree.SubElement(parent, "Paragraph", Type=kind)
    if element.number:
        node.set("Number", element.number)
    if element.kind == "centred":
        node.set("Alignment", "Center")
    if new_page:
        node.set("StartsNewPage", "Yes")
    printed, notes = emphasis.without_notes(element.text)
    _runs(node, printed)
    for note in notes:
        _note(node, note)
    return node


def _runs(paragraph: ElementTree.Element, text: str) -> None:
    for span in emphasis.spans(text):
        run = ElementTree.SubElement(paragraph, "Text")
        names = {"Bold": span.bold, "Italic": span.italic, "Underline": span.underline}
        if style := "+".join(name for name, on in names.items() if on):
            run.set("Style", style)
        run.text = span.text


def _note(paragraph: ElementTree.Element, text: str) -> None:
    note = ElementTree.SubElement(paragraph, "ScriptNote")
    for line in text.split("\n"):
        _runs(ElementTree.SubElement(note, "Paragraph"), line)


def _title_page(root: ElementTree.Element, page: TitlePage) -> None:
    if not page.entries:
        return
    content = ElementTree.SubElement(ElementTree.SubElement(root, "TitlePage"), "Content")
    for key, value in page.entries:
        centred = key.lower() in ("title", "credit", "author", "authors", "source")
        for line in value.split("\n"):
            _runs(ElementTree.SubElement(content, "Paragraph", Alignment="Center" if centred else "Left"), line)
