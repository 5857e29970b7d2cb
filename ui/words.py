"""The line under the prompt: what a small model makes of its words, and words it knows."""

from __future__ import annotations

import re
from html import escape

from diffscaler.errors import DiffScalerError
from diffscaler.studio import Studio
from diffscaler.text2video.vocabulary import Vocabulary, read_prompt, stem, vocabulary_of

EXAMPLES = (
    "a camel drinking water from a lake",
    "a dog using a laptop",
    "a cat with an umbrella on a beach",
    "a helicopter in the middle of a road",
    "a cat sleeping on a road",
    "EXT. BEACH - SUNSET. A horse runs left.",
)

#: Said while the prompt is empty, so once, and never again while a person works.
MODEST = "{model} draws simple cartoons; for photoreal clips install a model."

#: How many phrases of each category are offered to a prompt that says nothing of it.
OFFERED = 3

MOST_COMPLETIONS = 8


def words_line(studio: Studio, model: str, prompt: str) -> str:
    """Examples while the prompt is empty; then what the model knows of it, draws instead or leaves out, and
    completions of the word being typed."""
    try:
        folder = studio.catalogue.spec(model, "text2video").path
        words = vocabulary_of(folder) if folder else None
    except DiffScalerError:
        return ""  # said when the clip is asked for
    if not prompt.strip():
        modest = f'<p class="modest">{escape(MODEST.format(model=model))}</p>' if words else ""
        tries = "".join(_button(text, text) for text in EXAMPLES)
        return f'<p class="tries"><span class="sc">try</span>{tries}</p>{modest}'
    reading = read_prompt(folder, prompt) if folder else None
    if words is None or reading is None:
        return ""
    typed = _being_typed(prompt)
    completions = words.starting_with(typed)[:MOST_COMPLETIONS]
    known = " · ".join(f"<b>{escape(word)}</b>" for word in reading.known)
    nothing = "" if reading.replaced or completions else "no word of this"
    line = f'<span class="sc">{escape(model)} knows</span> {known or nothing}' if known or nothing else ""
    if reading.replaced:
        pairs = " · ".join(f"<b>{escape(new)}</b> for <i>{escape(old)}</i>" for old, new in reading.replaced)
        line += f' <span class="sc">draws</span> {pairs}'
    # A word that is still being typed is not unknown yet.
    ignored = [word for word in reading.ignored if not (completions and word == typed)]
    if ignored:
        line += ' <span class="sc">not</span> ' + " · ".join(f"<i>{escape(word)}</i>" for word in ignored)
    if reading.cut:
        line += f' <span class="sc">too long</span> the last {reading.cut} words are left out'
    if completions:
        buttons = "".join(_button(completion(prompt, word), word) for word in completions)
        return f'<p class="words">{line}</p><p class="tries"><span class="sc">go on</span>{buttons}</p>'
    drawn = (*reading.known, *(new for _, new in reading.replaced))
    return f'<p class="words">{line}</p>{_offers(words, prompt, drawn)}'


def completion(prompt: str, word: str) -> str:
    """The prompt with its last, unfinished word replaced by `word`."""
    typed = _being_typed(prompt)
    return f"{prompt[: len(prompt) - len(typed)]}{word} "


def _being_typed(prompt: str) -> str:
    """The unfinished word at the end of a prompt, lower-case; "" after a space."""
    found = re.search(r"[^\W\d_]+$", prompt)
    return found[0].lower() if found and len(found[0]) > 1 else ""


def _offers(words: Vocabulary, prompt: str, drawn: tuple[str, ...]) -> str:
    """Phrases of the categories that the prompt says nothing of yet."""
    said = {words.words.get(form, "").partition(":")[0] for word in drawn for form in (word, stem(word))}
    offered = [text for category, texts in words.phrases.items() if category not in said for text in texts[:OFFERED]]
    buttons = "".join(_button(f"{prompt.rstrip()} {text} ", text) for text in offered)
    return f'<p class="tries"><span class="sc">also</span>{buttons}</p>' if offered else ""


def _button(prompt: str, text: str) -> str:
    return f'<button type="button" data-do="example" data-prompt="{escape(prompt)}">{escape(text)}</button>'
