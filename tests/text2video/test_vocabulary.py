"""A small model's word list: nothing of a prompt is lost without a word about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.text2video.vocabulary import FILE_NAME, read_prompt, vocabulary_of

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


@given(st.text(max_size=200))
def test_every_word_is_known_replaced_ignored_or_cut(folder: Path, prompt: str) -> None:
    reading = read_prompt(folder, prompt)
    assert reading is not None
    allowed = {*WORDS["words"], *WORDS["stopwords"]}
    heard = [word.lower() for word in reading.heard.replace("-", " ").split()]
    assert all(word.strip(".,;:!?") in allowed or not word.strip(".,;:!?") for word in heard)
    assert not {w for w, _ in reading.replaced} & set(reading.ignored)
    # Read again, what was heard is heard as it is.
    again = read_prompt(folder, reading.heard)
    assert again is not None and again.heard == reading.heard and not again.replaced and not again.ignored
