"""Which words of a prompt a model was taught: the built-in one is small, and honest about it.

A model folder may hold `vocabulary.json`: {"words": {word: what it stands for}, "stopwords": [words of no picture]}.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

FILE_NAME = "vocabulary.json"


def sorted_words(folder: Path, prompt: str) -> tuple[list[str], list[str]] | None:
    """(known, unknown) words of a prompt in order, each once; None when the model has no word list."""
    file = folder / FILE_NAME
    if not file.is_file():
        return None
    words, ignored = vocabulary(file, file.stat().st_mtime_ns)
    known: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for word in re.findall(r"[^\W\d_]+", prompt.lower()):
        if word in words or stem(word) in words:
            known[word] = None
        elif word not in ignored:
            unknown[word] = None
    return list(known), list(unknown)


def stem(word: str) -> str:
    """A word without its plural s, so that "dogs" counts as "dog"."""
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


@lru_cache(maxsize=8)
def vocabulary(file: Path, changed_ns: int) -> tuple[frozenset[str], frozenset[str]]:
    """(words, stopwords) of a vocabulary file; read again when it has changed."""
    data = json.loads(file.read_text(encoding="utf-8"))
    return frozenset(data.get("words", ())), frozenset(data.get("stopwords", ()))
