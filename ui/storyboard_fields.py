"""What a person sets on the Storyboard page: the film's settings, the fields of a shot, who plays whom.

Two pages may be open on one film: each keeps what it has shown, and replaces nothing else (ui/held.py).
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from diffscaler.projects import edits
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Project, Role, appearances
from ui.board_acts import At, known
from ui.held import UNKNOWN, Held, decided, held_of
from ui.storyboard_page import StoryboardPage
from ui.watch import Updates, said


class StoryboardFields(StoryboardPage):
    """Each handler keeps one value, and answers with the page after it."""

    def setter(self, name: str) -> Any:
        """What happens when one of the film's settings is set."""

        def on_setting(at: At, value: Any, held: Held | None = None) -> Updates:
            at, kept = known(at), list[Any]()
            setting, shown = self.settings[name], held_of(held, at["film"])

            def changed(film: Project) -> Project:
                now = getattr(film.film, name)
                kept.append(now)
                row = {**film.film.model_dump(), **({} if value is None else {name: value})}
                wanted = getattr(FilmSettings.model_validate(row), name)
                chosen = decided(shown, wanted, now, str(setting.label))
                made = edits.set_film(film, film.film.model_copy(update={name: chosen}))
                kept.append(chosen)
                return made

            updates = self.edited(at, changed, what=str(setting.label).lower())
            return updates | self.settled(setting, self.held[name], (at["film"], value), shown, kept)

        return on_setting

    def settled(self, box: Any, held: gr.State, left: Held, shown: Any, kept: list[Any]) -> Updates:
        """A field after a person has left it: it shows what is kept, unless that is less than they wrote.

        left: what they left there; kept: what was there, and what is there since, where anything is
        """
        if not kept:
            return {}
        updates: Updates = {held: (left[0], kept[-1])}
        if kept[-1] != left[1] and (left[1] == shown or not isinstance(box, (gr.Textbox, gr.Number))):
            updates[box] = kept[-1]
        return updates

    def typing(self, name: str) -> Any:
        """What happens when a field of the open shot is set."""

        def on_field(at: At, value: Any, held: Held | None = None) -> Updates:
            at, kept = known(at), list[Any]()
            box, shown = self.editor.fields[name], held_of(held, at["shot"])

            def changed(film: Project) -> Project:
                shot = film.shot(at["shot"])
                now = getattr(shot, name)
                kept.append(now)
                if value is None:
                    return film
                chosen = decided(shown, int(value) if name == "frames" else value, now, str(box.label))
                made = film if chosen == now else edits.edit_shot(film, shot.id, **{name: chosen})
                kept.append(chosen)
                return made

            if not at["shot"]:
                return {self.said: gr.skip()}
            # A text box is not filled in again while its neighbour may have the cursor.
            typed = name in ("prompt", "frames")
            updates = self.edited(at, changed, typed=typed, what=f"{str(box.label).lower()} of", shot=at["shot"])
            if typed:
                updates |= self.settled(box, self.editor.held[name], (at["shot"], value), shown, kept)
            return updates

        return on_field

    def edited(self, at: At, edit: Any, *, typed: bool = False, what: str, shot: str = "") -> Updates:
        """The page after an edit of the open film. what, shot: the edit does, for whoever wants to undo it"""
        at = known(at)
        updates: Updates = {self.said: ""}
        if not at["film"]:
            return {self.said: gr.skip()}
        with said(updates, self.said):
            self.studio.projects.change(at["film"], edit, what, shot)
        return self.shown(at, typed=typed) | updates

    def on_cast(self, at: At, event: gr.EventData) -> Updates:
        verb, value = str(event.do), str(event.value)[:200].strip()
        if verb not in ("member", "appearance"):
            return {self.said: gr.skip()}
        name, was = str(event.character), getattr(event, "was", UNKNOWN)

        def changed(film: Project) -> Project:
            now = film.cast.get(name, Role()).member if verb == "member" else appearances(film).get(name, "")
            what = f"Who plays {name}" if verb == "member" else f"How {name} looks"
            return edits.set_role(film, name, **{verb: decided(was, value, now, what)})

        return self.edited(at, changed, what="cast sheet")
