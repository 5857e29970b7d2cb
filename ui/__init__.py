"""The page: controls made from requests, wired to the studio. Nothing here imports torch or touches a model.

Its modules are imported when they are asked for: Gradio takes seconds, and most commands need no page.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

    from diffscaler.studio import Studio


def build(studio: Studio) -> gr.Blocks:
    """The whole page."""
    return import_module("ui.page").build_page(studio)


def serve(studio: Studio, **options: Any) -> None:
    """Open the page and stay until Ctrl-C; options as `ui.server.run` takes them."""
    import_module("ui.server").run(studio, **options)
