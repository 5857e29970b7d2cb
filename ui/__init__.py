"""The page: controls made from requests, wired to the studio. Nothing here imports torch or touches a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

    from diffscaler.studio import Studio


def build(studio: Studio) -> gr.Blocks:
    """The whole page. Gradio takes a second or two to import, so commands that need no page never do."""
    from ui.page import build_page

    return build_page(studio)


def serve(studio: Studio, **options: Any) -> None:
    """Open the page and stay until Ctrl-C; options as `ui.server.run` takes them."""
    from ui.server import run

    run(studio, **options)
