"""Short ways to say what a script holds, and scripts at random."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from diffscaler.screenplay.script import Element, Lines, Script, TitlePage

NOWHERE = Lines(0, 0)


def told(script: Script) -> list[tuple[str, str]]:
    """(kind, text) of every element."""
    return [(element.kind, element.text) for element in script.elements]


def unplaced(script: Script) -> Script:
    """A script without its line numbers, to compare files that are laid out otherwise."""
    return replace(script, elements=tuple(replace(element, lines=NOWHERE) for element in script.elements))


WORDS = st.text(st.sampled_from("abcXYZ ÉñÖ.,:!?()*_@#=~<>-'0123[]^\\/"), min_size=1, max_size=30)
PLAIN = WORDS.map(lambda text: " ".join(text.split())).filter(
    lambda text: text and "[[" not in text and "]]" not in text and "/*" not in text and "*/" not in text
)
NAMES = st.sampled_from(("ANNA", "BEN (V.O.)", "McCLANE", "O'NEIL", "23", "INT. X", "TO:"))


def one(kind: str, texts: st.SearchStrategy[str], **more: object) -> st.SearchStrategy[list[Element]]:
    return texts.map(lambda text: [Element(kind, text, NOWHERE, **more)])  # type: ignore[arg-type]


def several(texts: st.SearchStrategy[str], separator: str = "\n", least: int = 1) -> st.SearchStrategy[str]:
    return st.lists(texts, min_size=least, max_size=3).map(separator.join)


SAID = PLAIN.filter(lambda text: text[0] not in "(~" and not (set(text) == {"="} and len(text) > 2))
PARTS = st.one_of(
    one("dialogue", several(SAID)),
    one("dialogue", several(SAID, "\n\n")),
    one("parenthetical", PLAIN.map(lambda text: f"({text})")),
    one("lyric", several(PLAIN)),
)


def _one_of_a_kind(parts: list[list[Element]]) -> list[Element]:
    """Neighbours of one kind would be read as one."""
    flat = [element for part in parts for element in part]
    return [
        element
        for index, element in enumerate(flat)
        if index == 0 or element.kind == "parenthetical" or element.kind != flat[index - 1].kind
    ]


SPEECHES = st.builds(
    lambda name, dual, parts: [Element("character", name, NOWHERE, dual=dual), *_one_of_a_kind(parts)],
    NAMES,
    st.booleans(),
    st.lists(PARTS, max_size=4),
)
HEADINGS = st.builds(
    lambda text, number: [Element("heading", text, NOWHERE, number=number)],
    PLAIN.filter(lambda text: text[0] not in ".#" and not text.endswith("#")),
    st.sampled_from(("", "1", "1A", "I-2.b")),
)
BLOCKS = st.one_of(
    HEADINGS,
    SPEECHES,
    one("action", several(PLAIN)),
    one("transition", PLAIN.filter(lambda text: not text.endswith("<") and text[0] != ">")),
    one("centred", PLAIN),
    st.integers(1, 4).flatmap(lambda depth: one("section", PLAIN.filter(lambda text: text[0] != "#"), depth=depth)),
    one("synopsis", PLAIN.filter(lambda text: text[0] != "=")),
    one("note", several(PLAIN.filter(lambda text: text[0] not in "[]" and text[-1] not in "[]"), "\n\n")),
    one("boneyard", PLAIN.filter(lambda text: text[0] != "/" and text[-1] != "/")),
    st.just([Element("page_break", "", NOWHERE)]),
)
TITLES = st.lists(
    st.tuples(st.sampled_from(("Title", "Author", "Draft date", "Contact")), several(PLAIN)), max_size=3
).map(lambda entries: TitlePage(tuple(entries)))


def _in_a_row(blocks: list[list[Element]]) -> tuple[Element, ...]:
    return tuple(element for block in blocks for element in block)


SCRIPTS = st.builds(Script, TITLES, st.lists(BLOCKS, max_size=8).map(_in_a_row))
