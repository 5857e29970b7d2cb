"""What a screenplay holds, whichever format it came in: a title page, and elements with the lines they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

from diffscaler.screenplay import cues, emphasis
from diffscaler.screenplay.heading import Heading, read_heading

Kind = Literal[
    "heading", "action", "character", "parenthetical", "dialogue", "lyric", "transition", "centred", "section",
    "synopsis", "note", "page_break", "boneyard",
]  # fmt: skip
KINDS = get_args(Kind)

#: They belong to the character cue above them.
SPOKEN: frozenset[Kind] = frozenset({"parenthetical", "dialogue", "lyric"})

#: They are for whoever writes; nothing of them is printed or filmed.
UNPRINTED: frozenset[Kind] = frozenset({"section", "synopsis", "note", "boneyard"})


@dataclass(frozen=True)
class Lines:
    """Lines of the source, the first is 1; `last` is included. An FDX file is counted in paragraphs."""

    first: int
    last: int


@dataclass(frozen=True)
class Element:
    """One paragraph of a script.

    text: as Fountain writes it, emphasis marks and notes within included, without the marks that force a kind; several
      lines are separated by a newline; empty for a page break
    number: of a scene, as "1A"; "" where the script gives none
    depth: of a section, from 1; dual: a character who speaks beside the one before
    """

    kind: Kind
    text: str
    lines: Lines
    number: str = ""
    depth: int = 0
    dual: bool = False

    @property
    def plain(self) -> str:
        """The text as it is read: without emphasis marks and notes."""
        return emphasis.plain(self.text)


@dataclass(frozen=True)
class Speech:
    """What one character says in one go. dual: beside the speech before it."""

    cue: Element
    parts: tuple[Element, ...]

    @property
    def character(self) -> str:
        """The name in capitals, without "(V.O.)" and the like."""
        return cues.name_of(self.cue.plain)

    @property
    def dual(self) -> bool:
        return self.cue.dual

    @property
    def words(self) -> str:
        """What is heard, on one line: dialogue and lyrics without parentheticals."""
        heard = (part.plain for part in self.parts if part.kind != "parenthetical")
        return " ".join(" ".join(heard).split())

    @property
    def lines(self) -> Lines:
        return Lines(self.cue.lines.first, (self.parts or (self.cue,))[-1].lines.last)


@dataclass(frozen=True)
class Scene:
    """A heading and what follows it. number: the script's own, else its place in the script from 1."""

    number: str
    element: Element
    heading: Heading
    elements: tuple[Element, ...]

    @property
    def lines(self) -> Lines:
        return Lines(self.element.lines.first, (self.element, *self.elements)[-1].lines.last)

    @property
    def speeches(self) -> tuple[Speech, ...]:
        return speeches(self.elements)

    @property
    def characters(self) -> tuple[str, ...]:
        """Who speaks in it, in the order of their first words."""
        return tuple(dict.fromkeys(speech.character for speech in self.speeches))


@dataclass(frozen=True)
class TitlePage:
    """entries: (key as written, value; several lines are separated by a newline), in order."""

    entries: tuple[tuple[str, str], ...] = ()

    def get(self, *keys: str) -> str:
        """The first value found under one of these keys, whatever their case; "" when there is none."""
        known = {key.lower(): value for key, value in reversed(self.entries)}
        return next((known[key.lower()] for key in keys if key.lower() in known), "")

    @property
    def title(self) -> str:
        return " ".join(emphasis.plain(self.get("Title")).split())

    @property
    def author(self) -> str:
        return " ".join(emphasis.plain(self.get("Author", "Authors")).split())


@dataclass(frozen=True)
class Character:
    """name: in capitals; speeches, words: how many; scenes: numbers of those they speak in."""

    name: str
    speeches: int
    words: int
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """A whole screenplay. Elements before the first heading ("FADE IN:") belong to no scene."""

    title_page: TitlePage
    elements: tuple[Element, ...]

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        starts = [index for index, element in enumerate(self.elements) if element.kind == "heading"]
        found = []
        for place, (start, stop) in enumerate(pairwise([*starts, len(self.elements)]), 1):
            element = self.elements[start]
            heading = read_heading(element.plain)
            found.append(Scene(element.number or str(place), element, heading, self.elements[start + 1 : stop]))
        return tuple(found)

    @cached_property
    def opening(self) -> tuple[Element, ...]:
        """What stands before the first heading."""
        stop = next((i for i, element in enumerate(self.elements) if element.kind == "heading"), len(self.elements))
        return self.elements[:stop]

    @cached_property
    def characters(self) -> tuple[Character, ...]:
        """Everyone who speaks; who speaks most comes first."""
        said: dict[str, list[tuple[str, Speech]]] = {}
        for scene in self.scenes:
            for speech in scene.speeches:
                said.setdefault(speech.character, []).append((scene.number, speech))
        found = (
            Character(
                name,
                len(rows),
                sum(len(speech.words.split()) for _, speech in rows),
                tuple(dict.fromkeys(number for number, _ in rows)),
            )
            for name, rows in said.items()
        )
        return tuple(sorted(found, key=lambda one: -one.speeches))


def speeches(elements: tuple[Element, ...]) -> tuple[Speech, ...]:
    """The speeches among elements, in order."""
    found: list[Speech] = []
    open_cue = False
    for element in elements:
        if element.kind == "character":
            found.append(Speech(element, ()))
        elif open_cue and element.kind in SPOKEN:
            found[-1] = Speech(found[-1].cue, (*found[-1].parts, element))
        open_cue = element.kind == "character" or (open_cue and element.kind in SPOKEN)
    return tuple(found)
