from __future__ import annotations

import pytest
from hypothesis import given, settings

from diffscaler.errors import ScriptError
from diffscaler.screenplay.fdx import read_fdx
from diffscaler.screenplay.fdx_writer import fdx_of
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.script import Lines, Script
from diffscaler.settings import ROOT
from tests.screenplay.builders import SCRIPTS, told, unplaced

SAMPLE = ROOT / "assets" / "screenplays" / "the-last-bus-to-the-sea.fountain"


def fdx(content: str, more: str = "") -> Script:
    text = f'<?xml version="1.0" encoding="UTF-8"?><FinalDraft><Content>{content}</Content>{more}</FinalDraft>'
    return read_fdx(text.encode(), "test.fdx")


def paragraph(kind: str, text: str, more: str = "") -> str:
    return f'<Paragraph Type="{kind}" {more}><Text>{text}</Text></Paragraph>'


def test_the_bundled_script_is_the_same_in_both_formats():
    assert unplaced(read_script(SAMPLE)) == unplaced(read_script(SAMPLE.with_suffix(".fdx")))


def test_paragraphs_become_elements_counted_in_paragraphs():
    script = fdx(
        paragraph("Scene Heading", "int. bar - night", 'Number="4A"')
        + paragraph("Action", "He waits.")
        + paragraph("Character", "BRICK (V.O.)")
        + paragraph("Parenthetical", "low")
        + paragraph("Dialogue", "Well.")
        + paragraph("Dialogue", "Yes.")
        + paragraph("Transition", "CUT TO:")
        + paragraph("Shot", "CLOSE ON IT")
    )
    assert told(script) == [
        ("heading", "int. bar - night"), ("action", "He waits."), ("character", "BRICK (V.O.)"),
        ("parenthetical", "(low)"), ("dialogue", "Well.\nYes."), ("transition", "CUT TO:"), ("action", "CLOSE ON IT"),
    ]  # fmt: skip
    assert script.scenes[0].number == "4A"
    assert [script.elements[0].lines, script.elements[4].lines] == [Lines(1, 1), Lines(5, 6)]


def test_styles_become_marks_and_marks_stay_letters():
    script = fdx(
        '<Paragraph Type="Action"><Text>A </Text><Text Style="Bold+Italic">loud </Text>'
        '<Text Style="AllCaps">bang</Text>'
        "<Text> of 3*4*5.</Text></Paragraph>"
    )
    assert script.elements[0].text == r"A ***loud*** BANG of 3\*4\*5."
    assert script.elements[0].plain == "A loud BANG of 3*4*5."


def test_dual_dialogue_and_notes():
    note = "<ScriptNote><Paragraph><Text>Louder?</Text></Paragraph></ScriptNote>"
    first = f'<Paragraph Type="Character"><Text>ANN</Text>{note}</Paragraph>' + paragraph("Dialogue", "Hi.")
    second = paragraph("Character", "BEN") + paragraph("Dialogue", "Ho.")
    script = fdx(f"<Paragraph><DualDialogue>{first}{second}</DualDialogue></Paragraph>" + paragraph("Action", "End."))
    assert [element.kind for element in script.elements] == [
        "character", "dialogue", "note", "character", "dialogue", "action"
    ]  # fmt: skip
    assert [element.dual for element in script.elements if element.kind == "character"] == [False, True]


def test_centred_text_page_starts_and_outlines():
    script = fdx(
        paragraph("Outline 2", "Sequence")
        + paragraph("Action", "THE END", 'Alignment="Center"')
        + paragraph("Action", "More.", 'StartsNewPage="Yes"')
    )
    assert told(script) == [("section", "Sequence"), ("centred", "THE END"), ("page_break", ""), ("action", "More.")]
    assert script.elements[0].depth == 2


def test_the_title_page_is_told_by_its_lines():
    lines = ("THE BUS", "by", "Ann Lee", "Based on a poem")
    title = "".join(f'<Paragraph Alignment="Center"><Text>{line}</Text></Paragraph>' for line in lines)
    title += (
        '<Paragraph Alignment="Left"><Text>2 May 2026</Text></Paragraph><Paragraph><Text>ann@x.org</Text></Paragraph>'
    )
    page = fdx("", f"<TitlePage><Content>{title}</Content></TitlePage>").title_page
    assert (page.title, page.author, page.get("source")) == ("THE BUS", "Ann Lee", "Based on a poem")
    assert page.get("contact") == "2 May 2026\nann@x.org"


@settings(max_examples=200, deadline=None)
@given(SCRIPTS)
def test_what_is_written_as_fdx_says_the_same(script):
    kinds = ("heading", "character", "action", "dialogue", "transition", "centred")

    def said(one: Script) -> list[tuple[str, str, bool]]:
        return [
            (element.kind, " ".join(element.plain.split()), element.dual)
            for element in one.elements
            if element.kind in kinds
        ]

    again = read_fdx(fdx_of(script), "again.fdx")
    assert [row[:2] for row in said(again)] == [row[:2] for row in said(script)]


def test_a_file_that_was_cut_off_is_said_so():
    data = SAMPLE.with_suffix(".fdx").read_bytes()
    with pytest.raises(ScriptError, match=r"x\.fdx is cut off or damaged at line \d+\. .+"):
        read_fdx(data[: len(data) // 2], "x.fdx")


def test_entities_that_would_fill_the_memory_are_refused():
    layers = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE lolz [<!ENTITY l0 "lol">{layers}]><FinalDraft><Content><Paragraph><Text>&l9;</Text></Paragraph></Content></FinalDraft>'  # noqa: E501
    with pytest.raises(ScriptError, match="defines XML entities"):
        read_fdx(bomb.encode(), "x.fdx")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<svg/>", "no Final Draft document"),
        (b"<FinalDraft/>", "holds no script"),
        (b"hello", "cut off or damaged at line 1"),
        (b'<?xml version="1.0" encoding="nonsense"?><FinalDraft/>', r"cannot be read|damaged"),
    ],
)
def test_what_is_no_final_draft_file(data, said):
    with pytest.raises(ScriptError, match=said):
        read_fdx(data, "x.fdx")
