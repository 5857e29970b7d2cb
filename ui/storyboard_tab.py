"""The Storyboard tab: a script becomes a board, the board becomes clips, the clips become an animatic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import InvalidRequest
from diffscaler.projects import edits, making
from diffscaler.projects.deliver import Wanted
from diffscaler.projects.orders import needed
from diffscaler.projects.project import Project
from diffscaler.screenplay.source import decoded, read_bytes
from diffscaler.studio import Studio
from ui import pieces
from ui.board_acts import NOWHERE, At, BoardActs, known
from ui.controls import filled
from ui.estimate import upscalers
from ui.held import UNKNOWN, Held, decided, held_of
from ui.pane import QUIET
from ui.script_intake import Intake, Taken
from ui.storyboard_fields import StoryboardFields
from ui.storyboard_page import KIND as KIND
from ui.watch import Updates, said

PLANNED_AT_ONCE = 12


class StoryboardTab(StoryboardFields):
    """What the page does. The film lies in the studio's database; the page remembers where in it a person is."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.acts, self.intake = BoardActs(studio), Intake(studio)

    # -- wiring -------------------------------------------------------------------------------------------------------

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        at = self.at
        self.drop.upload(self.on_drop, inputs_kwargs={"at": at, "file": self.drop, **self.settings},
                         outputs=self.everything, api_visibility="private", show_progress_on=[self.drop])  # fmt: skip
        script = {"at": at, "text": self.script, "held": self.held["script"], **self.settings}
        self.read.click(self.on_read, inputs_kwargs=script, outputs=self.everything, **QUIET)
        self.films.input(self.on_film, [at, self.films], self.everything, **QUIET)
        self.listed.click(self.on_listed, at, self.everything, **QUIET)
        self.history.click(self.on_history, at, self.everything, **QUIET)
        for name, setting in self.settings.items():
            # A text is kept when it is finished, not at each letter.
            events = [setting.blur, setting.submit] if isinstance(setting, gr.Textbox) else [setting.input]
            gr.on(events, self.setter(name), [at, setting, self.held[name]],
                  [*self.tiles, self.held[name], setting], **QUIET)  # fmt: skip
        for name, box in self.editor.fields.items():
            events = [box.blur, box.submit] if isinstance(box, (gr.Textbox, gr.Number)) else [box.input]
            gr.on(events, self.typing(name), [at, box, self.editor.held[name]], self.tiles, **QUIET)
        self.board.click(self.on_board, at, self.everything, **QUIET)
        gr.on([self.editor.head.click, self.editor.tools.click, self.editor.takes.click], self.on_act, at,
              self.tiles, **QUIET)  # fmt: skip
        self.cast.click(self.on_cast, at, self.tiles, **QUIET)
        self.go.click(self.on_preview, at, self.tiles, **QUIET)
        self.stop.click(self.on_stop, at, self.tiles, queue=False, **QUIET)
        self.watch.go.click(self.on_watch, at, [self.files.links, self.files.timer, *self.watch.outputs], **QUIET)
        self.hide.click(lambda: self.watch.restore(None), None, self.watch.outputs, **QUIET)
        written = [self.files.links, self.files.timer, *self.watch.outputs]
        self.files.go.click(self.on_deliver, inputs_kwargs={"at": at, **self.files.wanted}, outputs=written, **QUIET)
        self.files.links.click(self.on_stop_writing, at, written, queue=False, **QUIET)
        self.files.timer.tick(self.on_writing, at, written, trigger_mode="once", concurrency_limit=None, **QUIET)
        own = [self.shown_as.own, self.said]
        self.shown_as.file.upload(self.on_sound, [at, self.shown_as.file], own, **QUIET)
        self.shown_as.own.click(self.on_sound_away, at, own, **QUIET)
        self.files.table.upload(self.on_table, [at, self.files.table], self.tiles, **QUIET)
        self.timer.tick(self.look, [at, self.seen], self.tiles, trigger_mode="once", concurrency_limit=None, **QUIET)
        self.mark.change(self.on_mark, at, [self.go, self.needs, self.outline], trigger_mode="always_last", **QUIET)
        self.tab.select(self.refresh, at, self.tiles, **QUIET)
        page.load(self.restore, [at, self.watch.state], [*self.everything, *self.watch.outputs], **QUIET)

    def keep_models(self, models: gr.State) -> None:
        """Look for models again when the tab is opened, and when `models` changes."""
        outputs = [self.settings["model"], self.settings["upscaler"]]
        gr.on([self.tab.select, models.change], lambda: (gr.Dropdown(choices=self.models()),
              gr.Dropdown(choices=upscalers(self.studio))), None, outputs, **QUIET)  # fmt: skip

    # -- a script comes in --------------------------------------------------------------------------------------------

    def taken(self, at: At, take: Callable[[], Taken]) -> Updates:
        """The page with what came in, or why it could not."""
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            film, words = take()
            at = at if film == at["film"] else {**NOWHERE, "film": film}
            updates |= self.opened(at) | {self.said: words}
        return updates

    def on_drop(self, at: At, file: str | None, **values: Any) -> Updates:
        at = known(at)
        return {self.drop: None} | self.taken(at, lambda: self.intake.file(at["film"], Path(str(file)), values))

    def on_read(self, at: At, text: str, held: Held | None = None, **values: Any) -> Updates:
        """What stands in the page is the script now, unless another page has read another one since."""
        at = known(at)
        kept: list[str] = []

        def take() -> Taken:
            if not at["film"]:
                return self.intake.text("", text or "", values)
            kept.append(self.studio.projects.get(at["film"]).script)
            # Browsers write line ends in their own way.
            shown, written, now = (
                one.replace("\r\n", "\n") if one is not UNKNOWN else one
                for one in (held_of(held, at["film"]), text or "", kept[0])
            )
            return self.intake.text(at["film"], decided(shown, written, now, "The script"), values)

        updates = self.taken(at, take)
        if kept and self.script not in updates:
            updates[self.held["script"]] = (at["film"], kept[0])
        return updates

    def on_film(self, at: At, film: str | None) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            updates |= self.opened({**NOWHERE, "film": film or ""})
        return updates

    def on_listed(self, at: At, event: gr.EventData) -> Updates:
        """A film is renamed, taken out of the list, or put back into it."""
        at, verb, updates = known(at), str(event.do), dict[Any, Any]({self.said: ""})
        with said(updates, self.said):
            if verb == "rename":
                self.list.rename(at["film"], str(event.value), getattr(event, "was", UNKNOWN))
                updates |= self.opened(at)
            elif verb == "remove":
                self.files.stop(at["film"])
                title = self.list.remove(at["film"])
                updates |= self.opened({**NOWHERE}, open_list=True)
                hint = "Its clips stay in the library; it can be brought back where films are chosen."
                updates[self.said] = pieces.message(f"{title} is out of the list.", hint, "info")
            elif verb == "back":
                updates |= self.opened({**NOWHERE, "film": self.list.put_back(str(event.key))})
        return updates

    def on_history(self, at: At, event: gr.EventData) -> Updates:
        """A step is undone or done again: script and settings may be part of it, so all of the page is filled again."""
        at, updates = known(at), dict[Any, Any]({self.said: ""})
        with said(updates, self.said):
            self.acts.do(str(event.do), at, {})
            updates |= self.opened(at)
        return updates

    # -- a person works on it -----------------------------------------------------------------------------------------

    def on_board(self, at: At, event: gr.EventData) -> Updates:
        if str(event.do) != "example":
            return self.on_act(at, event)
        return self.taken(known(at), self.intake.example)

    def on_act(self, at: At, event: gr.EventData) -> Updates:
        at, updates = known(at), {self.said: ""}
        data = {name: str(getattr(event, name, "")) for name in ("key", "number", "draft", "clip", "scene", "before")}
        if (was := getattr(event, "was", None)) is not None:
            data["was"] = str(was)
        with said(updates, self.said):
            at = self.acts.do(str(event.do), at, data)
        return self.shown(at) | updates

    def on_table(self, at: At, file: str) -> Updates:
        def changed(film: Project) -> Project:
            return edits.open_shot_list(film, decoded(read_bytes(Path(file)), Path(file).name))

        return self.edited(at, changed, what="opening a shot list")

    # -- the film is made ---------------------------------------------------------------------------------------------

    def on_preview(self, at: At) -> Iterator[Updates]:
        """Queue what is missing or stale, saying how far the planning is: a long film has many shots."""
        at, updates, queued = known(at), {self.said: ""}, False
        with said(updates, self.said):
            view = self.view(at)
            if view is None:
                raise InvalidRequest("There is no film yet.", "Drop a script, or write one.")
            if view.asking is None:
                raise InvalidRequest(view.lacking, "Choose another model, or install it.")
            orders = needed(view.project, view.asking, view.standing)
            recipes = []
            for first in range(0, len(orders), PLANNED_AT_ONCE):
                yield {self.go: gr.Button(f"Planning shot {first + 1} of {len(orders)}", interactive=False)}
                recipes += making.planned(self.studio, orders[first : first + PLANNED_AT_ONCE])
            making.check_room(self.studio, recipes, self.costs.outlook(view).cost)
            making.submit(self.studio, view.project.id, orders, recipes)
            if not orders:
                updates[self.said] = pieces.message(
                    "Every shot is made.", "Change one, or ask for another take.", "info"
                )
            queued = True
        shown = self.shown(at) | updates
        if not queued and (priced := self.on_mark(at).get(self.go)):
            # The film is as it was, so nothing else gives the button its own words back.
            shown[self.go] = gr.Button(str(priced.value), visible=shown[self.go].visible, interactive=True)
        yield shown

    def on_stop(self, at: At) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            making.stop(self.studio, self.studio.projects.get(known(at)["film"]))
        return self.shown(at) | updates

    def on_watch(self, at: At) -> Updates:
        return self.written(known(at), lambda film: self.files.begin(film, Wanted()))

    def on_deliver(self, at: At, **values: Any) -> Updates:
        def begin(film: str) -> Updates:
            updates: Updates = {}
            with said(updates, self.files.links):
                updates |= self.files.begin(film, Wanted.model_validate(filled(values)))
            return updates

        return self.written(known(at), begin)

    def on_writing(self, at: At) -> Updates:
        """One look while a film is written."""
        return self.written(known(at), self.files.look)

    def on_stop_writing(self, at: At, event: gr.EventData) -> Updates:
        return self.written(known(at), self.files.stop if str(event.do) == "stop" else self.files.look)

    def written(self, at: At, act: Callable[[str], Updates]) -> Updates:
        """What is written of the film after an act, with its animatic in the monitor once it is there."""
        updates = act(at["film"])
        if clip := self.files.made(at["film"]):
            updates |= self.watch.showing(clip)
        return updates

    def on_sound(self, at: At, file: str) -> Updates:
        return self.laid(lambda: self.shown_as.laid(known(at)["film"], Path(file)))

    def on_sound_away(self, at: At, event: gr.EventData) -> Updates:
        return self.laid(lambda: self.shown_as.taken_away(known(at)["film"]))

    def laid(self, act: Callable[[], Project]) -> Updates:
        """What is heard under the film after an act."""
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            updates[self.shown_as.own] = self.shown_as.sound(act())
        return updates
