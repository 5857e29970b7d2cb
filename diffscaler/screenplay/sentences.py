"""Texts in sentences, and sentences in beats no longer than a shot should show."""

from __future__ import annotations

import re

#: A full stop behind these ends no sentence.
_SHORT = frozenset("mr mrs ms dr st prof sgt capt lt col gen vs etc no jr sr".split())
LONGEST_SHORT = 8
_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)]*\s+(?=[\"'“‘(]*[^\W_a-zß-ÿ])")

LONGEST_BEAT = 110


def sentences(text: str) -> list[tuple[int, str]]:
    """(offset, sentence) of every sentence in a text."""
    found = []
    start = 0
    for match in _END.finditer(text):
        before = re.search(r"(\w*)$", text[max(start, match.start() - LONGEST_SHORT) : match.start()])
        word = before[1].lower() if before else ""
        if match[0].startswith(".") and (word in _SHORT or (len(word) == 1 and word.isalpha())):
            continue
        found.append((start, text[start : match.end()].strip()))
        start = match.end()
    if text[start:].strip():
        found.append((start, text[start:].strip()))
    return found


def beats(text: str, longest: int = LONGEST_BEAT) -> list[tuple[int, str]]:
    """(offset, sentences) of parts of about `longest` letters; a longer sentence stays whole, on one line."""
    found: list[tuple[int, str]] = []
    for offset, sentence in sentences(text):
        sentence = " ".join(sentence.split())
        if found and len(found[-1][1]) + len(sentence) < longest:
            found[-1] = (found[-1][0], f"{found[-1][1]} {sentence}")
        else:
            found.append((offset, sentence))
    return found
