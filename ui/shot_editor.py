"""The panel of one shot: its prompt and camera, what can be done to it, and its takes side by side."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.projects.freshness import why_stale
from diffscaler.projects.project import Take, shown_take
from diffscaler.screenplay.shot import ANGLES, MOVES, SIZES, Shot
from diffscaler.studio import Studio
from ui import pieces
from ui.board_cards import WAITING, BoardView, was
from ui.pane import pane
from ui.watch import Updates
from ui.wipe import compared


class ShotEditor:
    """One set of controls for whichever shot is open."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def place(self) -> None:
        """Place the panel here."""
        with gr.Column(elem_classes=["editor"], elem_id="shot-editor", visible=False) as self.column:
            self.head = pane(elem_id="shot-head")
            self.prompt = gr.Textbox(label="Prompt", lines=4, max_length=2000, elem_id="shot-prompt")
            with gr.Row(elem_classes=["fields"]):
                self.size = gr.Dropdown(list(SIZES), label="Size", elem_id="shot-size")
                self.angle = gr.Dropdown(list(ANGLES), label="Angle", elem_id="shot-angle")
                self.move = gr.Dropdown(list(MOVES), label="Move", elem_id="shot-move")
                self.frames = gr.Number(label="Frames", precision=0, minimum=1, elem_id="shot-frames")
            self.held = {name: gr.State(None) for name in self.fields}
            self.tools = pane(elem_id="shot-tools")
            self.takes = pane(elem_id="shot-takes", elem_classes=["monitor"])

    @property
    def fields(self) -> dict[str, Any]:
        """By the field of a shot that they set."""
        return {
            "prompt": self.prompt, "size": self.size, "angle": self.angle, "move": self.move, "frames": self.frames,
        }  # fmt: skip

    @property
    def outputs(self) -> list[Any]:
        return [self.column, self.head, self.tools, self.takes, *self.held.values(), *self.fields.values()]

    def shown(self, view: BoardView | None, at: dict[str, Any], *, typed: bool = False) -> Updates:
        """The panel for the open shot, away where none is. typed: a person is at the fields, which stay"""
        shot = view.project.shots.get(str(at.get("shot"))) if view else None
        if view is None or shot is None:
            return {self.column: gr.Column(visible=False)}
        takes = view.project.takes_of(shot.id)
        updates: Updates = {
            self.column: gr.Column(visible=True),
            self.head: self._head(view, shot, takes),
            self.tools: self._tools(view, shot),
            self.takes: self._takes(view, takes, at),
        }
        if not typed:
            live = not shot.locked
            updates |= {state: (shot.id, getattr(shot, name)) for name, state in self.held.items()}
            updates |= {
                self.prompt: gr.Textbox(value=shot.prompt, interactive=live and shot.role != "title"),
                self.size: gr.Dropdown(value=shot.size, interactive=live),
                self.angle: gr.Dropdown(value=shot.angle, interactive=live),
                self.move: gr.Dropdown(value=shot.move, interactive=live),
                self.frames: gr.Number(value=shot.frames, interactive=live),
            }
        return updates

    def _head(self, view: BoardView, shot: Shot, takes: tuple[Take, ...]) -> str:
        shown = shown_take(takes)
        asked, trouble = view.asked(shot, shown)
        why = why_stale(view.project, shot, shown, asked) if asked else trouble
        said = " / ".join(shot.speakers)
        spoken = f"<b>{escape(said)}</b> " if said else ""
        notes = [f'<p class="why">{escape(why)}</p>'] if why else []
        if asked and asked.words and asked.words.replaced:
            pairs = ", ".join(f"{new} for {old}" for old, new in asked.words.replaced)
            notes.append(f'<p class="lost">draws {escape(pairs)}</p>')
        if asked and asked.uncast:
            notes.append(f'<p class="lost">{escape(asked.uncast)}</p>')
        close = pieces.do("close", "×", cls="link", title="Close")
        return (
            f'<h3 class="label">{escape(shot.name)} {close}</h3>'
            f'<p class="words">{spoken}{escape(shot.text)} <span class="quiet">line {shot.lines.first}</span></p>'
            + "".join(notes)
        )

    def _tools(self, view: BoardView, shot: Shot) -> str:
        gone = all(shot.id != one.id for one in view.project.board.shots)
        if gone:
            return '<p class="quiet">It is no longer in the film; its takes stay here.</p>'
        stale, off = shot.id in view.project.board.stale, shot.locked

        def button(verb: str, label: str, title: str, disabled: bool = False) -> str:
            return pieces.do(verb, label, key=shot.id, title=title, disabled=disabled)

        row = [
            button("another", "Another take", "Draw it again, with another chance"),
            button("up", "↑", "Earlier in its scene", off),
            button("down", "↓", "Later in its scene", off),
            button("split", "Split", "In two halves", off or shot.frames < 2),
            button("merge", "Merge with next", "One shot of both; the takes of the next are kept", off),
            button("out", "Take out", "Off the board; its takes are kept, and Undo brings it back", off),
            pieces.do(
                "lock", "Unlock" if shot.locked else "Lock", key=shot.id, pressed=shot.locked, was=was(shot.locked)
            ),
        ]
        if "prompt" in shot.edited and not off:
            row.append(button("follow", "As the script says", "Put the prompt together from the script again"))
        if stale:
            row.append(button("keep", "Keep as it is", "It is good in spite of the change"))
        return f'<div class="verbs">{"".join(row)}</div>'

    def _takes(self, view: BoardView, takes: tuple[Take, ...], at: dict[str, Any]) -> str:
        if not takes:
            return '<p class="quiet">No take yet. Preview draws all shots; Another take only this one.</p>'
        made = [take for take in takes if take.clip in view.standing.made]
        by_clip = {take.clip: take for take in made}
        shown = shown_take(takes)
        looked = by_clip.get(str(at.get("take"))) or (shown if shown in made else shown_take(made))
        beside = by_clip.get(str(at.get("beside")))
        rows = [self._row(view, take, looked, beside) for take in reversed(takes)]
        return f'{self._player(looked, beside)}<ul class="takes">{"".join(rows)}</ul>'

    def _player(self, looked: Take | None, beside: Take | None) -> str:
        first = self._clip(looked)
        if first is None or looked is None:
            return ""
        second = self._clip(beside)
        if second is None or beside is None or beside.clip == looked.clip:
            return f'<div class="screen">{pieces.player(self.studio, first, label=looked.label)}</div>'
        names = (looked.label, beside.label)
        return f'<div class="screen">{compared(self.studio, first, second, wipe=False, names=names)}</div>'

    def _row(self, view: BoardView, take: Take, looked: Take | None, beside: Take | None) -> str:
        state = view.standing.state(take.clip)
        data = {"key": take.shot, "number": str(take.number), "draft": "1" if take.draft else "", "clip": take.clip}
        circle = pieces.do("circle", "○" if not take.circled else "●", cls="circle", pressed=take.circled,
                           title="The take that goes into the film", was=was(take.circled), **data)  # fmt: skip
        tools = ""
        if state == "made":
            tools = pieces.do("look", "show", cls="link", pressed=take == looked, **data)
            if take != looked and looked is not None:
                tools += pieces.do("beside", "compare", cls="link", pressed=take == beside, **data)
        job = view.standing.jobs.get(take.clip)
        word = WAITING.get(state, "")
        if job is not None and state == "failed":
            word = job.sentence
        return f'<li class="{state}">{circle}<b>{escape(take.label)}</b><span>{escape(word)}</span>{tools}</li>'

    def _clip(self, take: Take | None) -> Clip | None:
        try:
            return self.studio.library.clip(take.clip) if take else None
        except DiffScalerError:  # deleted since
            return None
