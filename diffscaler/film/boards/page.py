"""A board as one page for the browser: pictures and style are inside, it loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from diffscaler.film.boards.panels import BoardPages, Panel, by_scene

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
h1 { margin: 0 } h2 { margin: 2.2rem 0 .2rem; font-size: 1.1rem; border-top: 2px solid; padding-top: .5rem }
.told { opacity: .75; margin: .1rem 0 .8rem }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.4rem }
article { break-inside: avoid; overflow-wrap: anywhere }
img, .empty { width: 100%; aspect-ratio: var(--shape); display: block; background: #111; object-fit: contain }
.empty { color: #aaa; display: grid; place-items: center }
h3 { font-size: .95rem; margin: .45rem 0 0 } p { margin: .25rem 0 }
.seen, .prompt { font-size: .82rem; opacity: .75 } .who { font-variant: small-caps; letter-spacing: .03em }
@media print { body { max-width: none; font-size: 11px } .panels { grid-template-columns: repeat(3, 1fr) } }
"""


def board_page(pages: BoardPages, panels: Sequence[Panel], shape: float = 16 / 9) -> str:
    """The text of an .html file. shape: width to height of the pictures"""
    frames = sum(panel.frames for panel in panels)
    told = " · ".join(part for part in (pages.author, f"{len(panels)} shots", pages.length(frames)) if part)
    scenes = "".join(_scene(pages, *scene) for scene in by_scene(panels))
    return (
        f'<!doctype html>\n<html lang=""><head><meta charset="utf-8"><title>{escape(pages.title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<style>:root {{ --shape: {shape:.4f} }}{STYLE}</style></head>\n"
        f'<body><h1 dir="auto">{escape(pages.title)}</h1><p class="told" dir="auto">{escape(told)}</p>\n'
        f"{scenes}</body></html>\n"
    )


def _scene(pages: BoardPages, number: str, heading: str, panels: list[Panel]) -> str:
    told = pages.synopsis(number)
    return (
        f'<section><h2 dir="auto">{escape(number)} &nbsp; {escape(heading)}</h2>'
        + (f'<p class="told" dir="auto">{escape(told)}</p>' if told else "")
        + f'<div class="panels">{"".join(_article(pages, panel) for panel in panels)}</div></section>\n'
    )


def _article(pages: BoardPages, panel: Panel) -> str:
    rows = [f'<h3 dir="auto">{escape(panel.name)}</h3>']
    rows.append(f'<p class="seen">{escape(panel.seen)} · {pages.length(panel.frames)}</p>')
    edges = " … ".join(text for text in (panel.begins, panel.ends) if text)
    rows += [f'<p class="seen" dir="auto">{escape(edges)}</p>'] if edges else []
    rows += [f'<p dir="auto">{escape(panel.text)}</p>'] if panel.text else []
    for who, words in panel.dialogue:
        manner = f" ({escape(panel.manner)})" if panel.manner else ""
        rows.append(f'<p dir="auto"><span class="who">{escape(who)}</span>{manner}<br>{escape(words)}</p>')
    rows += [f'<p class="prompt" dir="auto">{escape(panel.prompt)}</p>'] if panel.prompt else []
    rows += [f'<p dir="auto"><em>{escape(panel.note)}</em></p>'] if panel.note else []
    rows += [f'<p dir="auto"><strong>Outdated.</strong> {escape(panel.outdated)}</p>'] if panel.outdated else []
    return f"<article>{_picture(panel)}{''.join(rows)}</article>"


def _picture(panel: Panel) -> str:
    if panel.picture is None:
        return '<div class="empty">not drawn yet</div>'
    data = base64.b64encode(panel.picture).decode("ascii")
    return f'<img loading="lazy" alt="{escape(panel.name)}" src="data:image/jpeg;base64,{data}">'
