"""Final Draft's title page has no keys, only lines: told by where they stand and how they begin."""

from __future__ import annotations

import re

from diffscaler.screenplay import emphasis
from diffscaler.screenplay.script import TitlePage

_CREDIT = re.compile(
    r"(?:(?:written|screenplay|teleplay|story|created|a film)\s+)?(?:and directed\s+)?by$", re.IGNORECASE
)
_DRAFT = re.compile(r"draft\b|\b\w+ draft$|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}$", re.IGNORECASE)
_SOURCE = re.compile(r"(?:based|adapted|from|story)\b", re.IGNORECASE)


def title_page_of(rows: list[tuple[str, str]]) -> TitlePage:
    """rows: (text, alignment as FDX says it) of every paragraph, empty ones too.

    The first line is the title; "by" is the credit and the next line the author; what stands left is the contact.
    """
    entries: dict[str, list[str]] = {}
    expected = "Title"
    for text, alignment in rows:
        text = " ".join(text.split())
        said = emphasis.plain(text)
        if not said:
            continue
        if expected == "Title":
            key, expected = "Title", ""
        elif _CREDIT.match(said):
            key, expected = "Credit", "Author"
        elif expected == "Author":
            key, expected = "Author", ""
        elif _SOURCE.match(said) and alignment == "Center":
            key = "Source"
        elif _DRAFT.match(said):
            key = "Draft date"
        elif alignment == "Center":
            key = "Author" if "Author" in entries else "Source"
        else:
            key = "Contact"
        entries.setdefault(key, []).append(text)
    return TitlePage(tuple((key, "\n".join(values)) for key, values in entries.items()))
