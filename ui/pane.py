"""A pane: HTML made in Python, whose buttons and fields come back to Python as one click event with their data."""

from __future__ import annotations

from typing import Any

import gradio as gr

# What events of the page have in common: no spinner over the picture, no entry in the API.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

ON_CLICK = """
element.addEventListener('click', event => {
  const at = event.target.closest('[data-do]');
  if (!at || at.disabled) return;
  if (at.dataset.do === 'delete' && !confirm('Delete this clip and its file?')) return;
  if (at.dataset.confirm && !confirm(at.dataset.confirm)) return;
  trigger('click', {...at.dataset});
});
element.addEventListener('change', event => {
  const at = event.target.closest('[data-change]');
  if (at) trigger('click', {...at.dataset, do: at.dataset.change, value: event.target.value});
});
"""


def pane(html: str = "", *, elem_id: str | None = None, elem_classes: list[str] | None = None) -> gr.HTML:
    """A place for HTML. Gradio changes only what differs, so a clip that plays is not disturbed by a new caption."""
    return gr.HTML(html, elem_id=elem_id, elem_classes=elem_classes, js_on_load=ON_CLICK, apply_default_css=False)
