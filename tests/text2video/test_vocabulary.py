"""A small model's word list: nothing of a prompt is lost without a word about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import ModelNotFound
from diffscaler.settings import ROOT
from diffscaler.text2video.vocabulary import FILE_NAME, one_slip_apart, read_prompt, vocabulary_of, words_in

WORDS = {
    "words": {"dog": "subject:dog", "running": "action:run", "beach": "place:beach", "umbrella": "prop:umbrella"},
    "stopwords": ["a", "on", "the"],
    "near": {"wolf": "dog", "2": "dog"},
    "max_words": 8,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    (made / FILE_NAME).write_text(json.dumps(WORDS), encoding="utf-8")
    return made


def test_a_word_of_like_meaning_is_drawn_instead_and_said(folder: Path) -> None:
    reading = read_prompt(folder, "A wolf running, on the beach.")
    assert reading is not None and reading.heard == "A dog running, on the beach."
    assert reading.replaced == (("wolf", "dog"),)
    assert reading.notes("mini") == ["mini does not know 'wolf'; it drew 'dog' instead."]


def test_a_slip_of_the_finger_is_forgiven_and_said(folder: Path) -> None:
    reading = read_prompt(folder, "a dog runing under an umbrela")
    assert reading is not None and reading.replaced == (("runing", "running"), ("umbrela", "umbrella"))


def test_unknown_words_are_left_out_and_said(folder: Path) -> None:
    reading = read_prompt(folder, "a purple dog")
    assert reading is not None and reading.heard == "a dog" and reading.ignored == ("purple",)
    assert "purple" in reading.notes("mini")[0]


@pytest.mark.parametrize("prompt", ["", "   ", "ein Hund schläft", "犬がビーチを走る", "the on a"])
def test_a_prompt_without_a_known_word_is_drawn_freely_and_said(folder: Path, prompt: str) -> None:
    reading = read_prompt(folder, prompt)
    assert reading is not None and reading.heard == ""
    assert reading.notes("mini") == ["mini knows no word of this prompt; it drew a scene of its own."]


def test_five_hundred_words_are_cut_and_said(folder: Path) -> None:
    reading = read_prompt(folder, "dog beach " * 250)
    assert reading is not None and reading.cut == 492 and len(reading.heard.split()) == 8
    assert "492" in reading.notes("mini")[0]


def test_a_model_without_a_list_says_nothing(tmp_path: Path) -> None:
    assert read_prompt(tmp_path, "a dog") is None and vocabulary_of(tmp_path) is None


def test_completions_are_offered_for_an_unfinished_word_only(folder: Path) -> None:
    words = vocabulary_of(folder)
    assert words is not None
    assert words.starting_with("umb") == ["umbrella"] and words.starting_with("dog") == []


@pytest.mark.parametrize(
    "word", ["busy", "bush", "frog", "bright", "broad", "stairs", "grain", "broom", "seat", "coat", "speaks",
             "shopping", "smiling", "loving", "houses", "playing", "house", "packed", "FRED", "BLAKE", "winner"]
)  # fmt: skip
def test_a_word_rightly_spelt_is_not_taken_for_another(word: str) -> None:
    mini = ROOT / "assets" / "models" / "mini"
    reading = read_prompt(mini, f"a {word} dog")
    assert reading is not None and reading.ignored == (word.lower(),) and reading.heard == "a dog"


def test_a_name_in_capitals_is_no_slip(folder: Path) -> None:
    reading = read_prompt(folder, "UMBRELA sees a dog")
    assert reading is not None and "umbrela" in reading.ignored


def test_what_is_not_wanted_is_left_out_and_said(folder: Path) -> None:
    reading = read_prompt(folder, "a beach without a dog, no umbrella")
    assert reading is not None and reading.heard == "a beach a,"
    assert reading.ignored == ("without dog", "no umbrella")


def test_a_pronoun_is_somebody_named_before(folder: Path) -> None:
    reading = read_prompt(folder, "A dog. They run and he has it")
    assert reading is not None and "he" not in reading.ignored and "they" not in reading.ignored


def test_words_with_digits_and_accents_are_words(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"words": {"r2d2": "other", "caf\u00e9": "other"}}), encoding="utf-8")
    reading = read_prompt(tmp_path, "R2D2 cafe\u0301")
    assert reading is not None and reading.known == ("r2d2", "caf\u00e9") and not reading.ignored


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"words": 3}', '{"words": {}, "max_words": "x"}'])
def test_a_damaged_list_is_said(tmp_path: Path, damaged: str) -> None:
    (tmp_path / FILE_NAME).write_text(damaged, encoding="utf-8")
    with pytest.raises(ModelNotFound) as caught:
        read_prompt(tmp_path, "a dog")
    assert caught.value.hint


@pytest.mark.parametrize(("one", "other", "slip"), [
    ("cammel", "camel", True), ("umbrela", "umbrella", True), ("umbrlela", "umbrella", True), ("camel", "camel", False),
    ("camal", "camel", True), ("cmaels", "camel", False), ("camels", "camel", True), ("horse", "house", True),
    ("shores", "horses", False), ("", "a", True),
])  # fmt: skip
def test_one_slip_is_one_letter_or_one_swap(one: str, other: str, slip: bool) -> None:
    assert one_slip_apart(one, other) is slip and one_slip_apart(other, one) is slip


TOKENS = st.sampled_from(
    ["dog", "Dogs", "running", "beach", "UMBRELLA", "wolf", "2", "a", "on", "runing", "umbrela", "without", "he", "and",
     "purple", ",", ".", "!", "-", "_", "5", "\u72ac", "beach-dog"]
)  # fmt: skip


@given(st.lists(TOKENS | st.text(max_size=6), max_size=30).map(" ".join))
def test_every_word_is_known_replaced_ignored_or_cut(folder: Path, prompt: str) -> None:
    reading = read_prompt(folder, prompt)
    assert reading is not None
    allowed = {*WORDS["words"], *WORDS["stopwords"]}
    assert all(word in allowed for word in words_in(reading.heard))
    assert not {w for w, _ in reading.replaced} & set(reading.ignored)
    asked = set(words_in(prompt))
    for word in ("running", "beach", "umbrella"):
        refused = any(gone.endswith(f" {word}") for gone in reading.ignored)
        assert word not in asked or refused or reading.cut or word in set(words_in(reading.heard))
    if "purple" in asked and not reading.cut:
        assert any("purple" in gone for gone in reading.ignored)
    # Read again, what was heard is heard as it is.
    again = read_prompt(folder, reading.heard)
    assert again is not None and again.heard == reading.heard and not again.replaced and not again.ignored
