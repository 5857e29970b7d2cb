"""Which words of a prompt a model was taught: the built-in one is small, and honest about it."""

from __future__ import annotations

from html import escape

from diffscaler.errors import DiffScalerError
from diffscaler.studio import Studio
from diffscaler.text2video.vocabulary import sorted_words

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
    try:
        folder = studio.catalogue.spec(model, "text2video").path
    except DiffScalerError:
        return ""
    found = sorted_words(folder, prompt) if folder else None
    if found is None:
        return ""
    known, unknown = found
    line = f'<span class="sc">{escape(model)} knows</span> ' + (
        " · ".join(f"<b>{escape(w)}</b>" for w in known) or "no word of this"
    )
    if unknown:
        line += ' <span class="sc">not</span> ' + " · ".join(f"<i>{escape(word)}</i>" for word in unknown)
    return f'<p class="words">{line}</p>'
