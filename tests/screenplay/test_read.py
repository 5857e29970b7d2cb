from __future__ import annotations

import pytest

from diffscaler.errors import ScriptError
from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shots import draft
from diffscaler.settings import ROOT

SAMPLE = ROOT / "assets" / "screenplays" / "the-last-bus-to-the-sea.fountain"
TEXT = "INT. CAFÉ – NIGHT\n\nÉLODIE\nÇa va…\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_usual_encoding(tmp_path, encoding):
    file = tmp_path / "a.fountain"
    file.write_bytes(TEXT.encode(encoding))
    scene = read_script(file).scenes[0]
    assert (scene.heading.place, scene.heading.time, scene.speeches[0].words) == ("CAFÉ", "NIGHT", "Ça va…")


def test_latin_1(tmp_path):
    file = tmp_path / "a.fountain"
    file.write_bytes("INT. CAFÉ - NIGHT\n\nÉLODIE\nÇa va \x81.\n".encode("latin-1"))
    assert read_script(file).characters[0].name == "ÉLODIE"


def test_an_fdx_with_another_ending_is_known_by_its_content(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(SAMPLE.with_suffix(".fdx").read_bytes())
    assert len(read_script(file).scenes) == 4


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"PK\x03\x04....", "packed document"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "not a text file"),
        (bytes(range(1, 32)) * 9, "not a text file"),
        (b"\xff\xfeI\x00N\x00T\x00.", "damaged|no scene"),
        (b"", "has no scene"),
        (b"Just a letter to a friend.", "has no scene"),
    ],
)
def test_what_is_no_script_is_said_in_a_sentence_with_a_hint(tmp_path, data, said):
    file = tmp_path / "a.fountain"
    file.write_bytes(data)
    with pytest.raises(ScriptError, match=said) as caught:
        read_script(file)
    assert caught.value.hint


def test_a_huge_text_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "a.fountain"
    with file.open("wb") as out:
        out.truncate(50_000_000)
    with pytest.raises(ScriptError, match="50 MB"):
        read_script(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ScriptError, match="no file"):
        read_script(tmp_path / "a.fountain")


@pytest.mark.parametrize(
    "text",
    ["A " * 50_000, "[[" * 50_000, "[[a\n" * 50_000, "*a " * 10_000, "." * 100_000, "Mr. " * 30_000,
     ">" + " " * 99_999 + "a", "/*" * 50_000, "a" * 100_000 + " b. C", "ABC DEF " * 20_000 + "("],
)  # fmt: skip
def test_no_text_is_read_in_more_than_a_fair_time(text):
    """Rules that look back over and over would take minutes for these."""
    script = read_fountain(f"INT. A\n\n{text}")
    assert draft(script)
