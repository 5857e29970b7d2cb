"""Which words of a prompt a model was taught: the built-in one is small, and honest about it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError
from diffscaler.studio import Studio

EXAMPLES = (
    "a camel drinking water from a lake",
    "a dog using a laptop",
    "a cat with an umbrella on a beach",
    "a helicopter in the middle of a road",
    "a cat sleeping on a road",
    "a dog running on a beach at sunset",
)


def words_line(studio: Studio, model: str, prompt: str) -> str:
    """The line under the prompt: examples while it is empty, then what the model knows of it."""
    if not prompt.strip():
        tries = "".join(
            f'<button type="button" data-do="example" data-prompt="{escape(text)}">{escape(text)}</button>'
            for text in EXAMPLES
        )
        return f'<p class="tries"><span class="sc">try</span>{tries}</p>'
    found = sorted_words(studio, model, prompt)
    if found is None:
        return ""
    known, unknown = found
    line = f'<span class="sc">{escape(model)} knows</span> ' + (
        " · ".join(f"<b>{escape(w)}</b>" for w in known) or "no word of this"
    )
    if unknown:
        line += ' <span class="sc">not</span> ' + " · ".join(f"<i>{escape(word)}</i>" for word in unknown)
    return f'<p class="words">{line}</p>'


def sorted_words(studio: Studio, model: str, prompt: str) -> tuple[list[str], list[str]] | None:
    """(known, unknown) words of a prompt in order, or None when the model has no word list."""
    try:
        path = studio.catalogue.spec(model, "text2video").path
    except DiffScalerError:
        return None
    if path is None or not (file := path / "vocabulary.json").is_file():
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
    """(words, stopwords) of a vocabulary.json; read again when the file has changed."""
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return frozenset(data.get("words", ())), frozenset(data.get("stopwords", ()))
