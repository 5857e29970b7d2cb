"""The Storyboard tab: a script becomes a board, the board becomes clips, the clips become an animatic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.projects import edits, making
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.orders import Standing, needed
from diffscaler.projects.project import Project
from diffscaler.projects.reading import new_project, read_again, text_of
from diffscaler.projects.unpack import is_package, open_package
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.source import decoded, read_bytes
from diffscaler.studio import Studio
from ui import pieces
from ui.board_acts import NOWHERE, At, BoardActs
from ui.board_cards import POSTERS_AT_ONCE, BoardView, board_html
from ui.controls import control, filled, more
from ui.estimate import upscalers
from ui.film_cost import FilmCosts
from ui.film_files import FilmFiles
from ui.models_shelf import choices
from ui.pane import QUIET, pane
from ui.script_panel import cast_html, outline_html
from ui.shot_editor import ShotEditor
from ui.watch import Updates, Watch, remembered, said

KIND = "storyboard"
LOOK_S = 1.0
EXAMPLE = "the-last-bus-to-the-sea.fountain"
PLANNED_AT_ONCE = 12
BEGIN = (
    '<div class="invite begin"><p>Drop a screenplay, Fountain or Final Draft, or write one beside this.</p>'
    f"<p>{pieces.do('example', 'Open an example', cls='link')}</p></div>"
)
NEW = ("a new film", "")


class StoryboardTab:
    """The film lies in the studio's database; the page remembers where in it a person is."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.at = remembered(f"{KIND}.at", NOWHERE)
        self.watch = Watch(studio, "film", "Watch the animatic", "")
        self.editor, self.files = ShotEditor(studio), FilmFiles(studio)
        self.acts, self.costs = BoardActs(studio), FilmCosts(studio)
        self.pictures: dict[str, str] = {}
        #: Changes whenever what the film will cost may have.
        self.mark = gr.State("")
        #: What the board shows, in short.
        self.seen = gr.State("")
        self.timer = gr.Timer(LOOK_S, active=False)

    # -- layout -------------------------------------------------------------------------------------------------------

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Storyboard", id=KIND) as self.tab, gr.Row(elem_classes=["desk", "film-desk"]):
            with gr.Column(elem_classes=["side"]):
                self._place_script()
                self._place_film()
                with gr.Column(elem_classes=["foot"]):
                    self.go = gr.Button("Preview", variant="primary", elem_id=f"{KIND}-go", elem_classes=["go"])
                    self.stop = gr.Button(
                        "Stop", visible=False, elem_id=f"{KIND}-stop", elem_classes=["go", "stop"]
                    )  # fmt: skip
                    self.needs = pane(elem_id=f"{KIND}-needs", elem_classes=["needs"])
                    self.said = pane(elem_id=f"{KIND}-said", elem_classes=["said"])
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
                with gr.Row(elem_classes=["bench"]):
                    self.board = pane(BEGIN, elem_id="board")
                    self.editor.place()
                with gr.Row(elem_classes=["film-foot"]):
                    self.watch.button()
                    self.hide = pane(pieces.do("hide", "Hide it", cls="link"), elem_id="film-hide")
                    self.files.place()

    def _place_script(self) -> None:
        self.films = gr.Dropdown([NEW], value="", label="Film", elem_id="films")
        # No file_types: a wrong file is refused with a sentence that says what it really is.
        self.drop = gr.File(label="A script, or a film saved here", height=84, elem_id="script-drop",
                            elem_classes=["drop"])  # fmt: skip
        with gr.Accordion("Script", open=False, elem_id="script-page"):
            self.script = gr.Textbox(
                show_label=False, lines=14, max_lines=14, elem_id="script", container=False,
                placeholder="INT. KITCHEN - NIGHT\n\nA dog sleeps.\n\nMIRA\nSleep, dog.",
            )  # fmt: skip
            self.read = gr.Button("Read it", size="sm", elem_id="script-read")
        self.outline = pane(elem_id="outline")
        with gr.Accordion("Cast sheet", open=False, elem_id="cast-sheet"):
            self.cast = pane(elem_id="roles")

    def _place_film(self) -> None:
        with gr.Row(elem_classes=["fields"]):
            model = control(FilmSettings, "model", choices=self.models(), info=None)
            aspect = control(FilmSettings, "aspect", info=None)
            rate = control(FilmSettings, "rate", choices=list(RATE_NAMES), info=None)
            look = control(FilmSettings, "look", info=None, placeholder="16 mm, soft light")
        rest = more(FilmSettings, upscaler={"choices": upscalers(self.studio)})
        self.settings = {"model": model, "aspect": aspect, "rate": rate, "look": look, **rest}

    @property
    def tiles(self) -> list[Any]:
        """Everything that shows the film."""
        return [
            self.at, self.mark, self.seen, self.timer, self.board, self.outline, self.cast, self.said, self.go,
            self.stop,
            *self.editor.outputs,
        ]  # fmt: skip

    @property
    def everything(self) -> list[Any]:
        """With what a person types into, which is filled in only when another film or script is opened."""
        return [*self.tiles, self.films, self.drop, self.script, self.read, self.files.links, *self.settings.values()]

    # -- wiring -------------------------------------------------------------------------------------------------------

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        at = self.at
        self.drop.upload(self.on_drop, inputs_kwargs={"at": at, "file": self.drop, **self.settings},
                         outputs=self.everything, api_visibility="private", show_progress_on=[self.drop])  # fmt: skip
        self.read.click(self.on_read, inputs_kwargs={"at": at, "text": self.script, **self.settings},
                        outputs=self.everything, **QUIET)  # fmt: skip
        self.films.input(self.on_film, [at, self.films], self.everything, **QUIET)
        for name, setting in self.settings.items():
            # A text is kept when it is finished, not at each letter.
            events = [setting.blur, setting.submit] if isinstance(setting, gr.Textbox) else [setting.input]
            gr.on(events, self.setter(name), [at, setting], self.tiles, **QUIET)
        for name, box in self.editor.fields.items():
            events = [box.blur, box.submit] if isinstance(box, (gr.Textbox, gr.Number)) else [box.input]
            gr.on(events, self.typing(name), [at, box], self.tiles, **QUIET)
        self.board.click(self.on_board, at, self.everything, **QUIET)
        gr.on([self.editor.head.click, self.editor.tools.click, self.editor.takes.click], self.on_act, at,
              self.tiles, **QUIET)  # fmt: skip
        self.cast.click(self.on_cast, at, self.tiles, **QUIET)
        self.go.click(self.on_preview, at, self.tiles, **QUIET)
        self.stop.click(self.on_stop, at, self.tiles, queue=False, **QUIET)
        self.watch.go.click(self.on_watch, at, self.watch.outputs, **QUIET)
        self.hide.click(lambda: self.watch.restore(None), None, self.watch.outputs, **QUIET)
        self.files.buttons.click(self.on_file, at, self.files.links, **QUIET)
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

    def models(self) -> list[tuple[str, str]]:
        """(title, name) of what can draw a film."""
        return choices(self.studio)

    # -- a script comes in --------------------------------------------------------------------------------------------

    def on_drop(self, at: At, file: str | None, **values: Any) -> Updates:
        """A script for a new film, a later version for the open one, or a film that was saved."""
        updates: Updates = {self.drop: None, self.said: ""}
        with said(updates, self.said):
            path, at = Path(str(file)), known(at)
            if is_package(path):
                opened = open_package(path, self.studio.library)
                film = self.studio.projects.add(opened.project)
                note = f"{len(opened.unread)} clips could not be read; their shots can be drawn again."
                note = pieces.message("The film is open.", note if opened.unread else "", "info")
                updates |= self.opened({**NOWHERE, "film": film.id}) | {self.said: note}
            else:
                text, format_ = text_of(path)
                updates |= self._read(at, text, path.stem, values, format_, dropped=True)
        return updates

    def on_read(self, at: At, text: str, **values: Any) -> Updates:
        """What stands in the page is the script now."""
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            updates |= self._read(known(at), text or "", "Untitled", values, None)
        return updates

    def _read(
        self, at: At, text: str, name: str, values: dict[str, Any], format_: Any, dropped: bool = False
    ) -> Updates:
        if not text.strip():
            raise InvalidRequest("There is no script yet.", "Write one: INT. KITCHEN - NIGHT, then what happens.")
        if not at["film"]:
            film = self.studio.projects.add(
                new_project(text, name, format_ or "fountain", FilmSettings(**filled(values)))
            )
            return self.opened({**NOWHERE, "film": film.id})
        before = self.studio.projects.get(at["film"])
        if dropped and is_another(before, text):
            film = self.studio.projects.add(new_project(text, name, format_ or "fountain", before.film))
            note = "Choose the earlier film above to go back to it."
            return self.opened({**NOWHERE, "film": film.id}) | {
                self.said: pieces.message("That is another script: it is a film of its own.", note, "info")
            }
        film = self.studio.projects.change(
            before.id, lambda project: read_again(project, text, format_ or project.format)
        )
        return self.opened(at) | {self.said: pieces.message(*changes_in_words(before, film), "info")}

    def on_film(self, at: At, film: str | None) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            updates |= self.opened({**NOWHERE, "film": film or ""})
        return updates

    # -- a person works on it -----------------------------------------------------------------------------------------

    def setter(self, name: str) -> Any:
        """What happens when one of the film's settings is set."""

        def on_setting(at: At, value: Any) -> Updates:
            def changed(film: Project) -> Project:
                row = {**film.film.model_dump(), **({} if value is None else {name: value})}
                return edits.set_film(film, FilmSettings.model_validate(row))

            return self.edited(at, changed)

        return on_setting

    def typing(self, name: str) -> Any:
        """What happens when a field of the open shot is set."""

        def on_field(at: At, value: Any) -> Updates:
            at = known(at)

            def changed(film: Project) -> Project:
                shot = film.shot(at["shot"])
                if value is None or getattr(shot, name) == value:
                    return film
                return edits.edit_shot(film, shot.id, **{name: int(value) if name == "frames" else value})

            if not at["shot"]:
                return {self.said: gr.skip()}
            # A text box is not filled in again while its neighbour may have the cursor.
            return self.edited(at, changed, typed=name in ("prompt", "frames"))

        return on_field

    def edited(self, at: At, edit: Any, *, typed: bool = False) -> Updates:
        """The page after an edit of the open film."""
        at = known(at)
        updates: Updates = {self.said: ""}
        if not at["film"]:
            return {self.said: gr.skip()}
        with said(updates, self.said):
            self.studio.projects.change(at["film"], edit)
        return self.shown(at, typed=typed) | updates

    def on_board(self, at: At, event: gr.EventData) -> Updates:
        if str(event.do) != "example":
            return self.on_act(at, event)
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            text, format_ = text_of(self.studio.settings.assets_dir / "screenplays" / EXAMPLE)
            film = self.studio.projects.add(new_project(text, Path(EXAMPLE).stem, format_))
            updates |= self.opened({**NOWHERE, "film": film.id})
        return updates

    def on_act(self, at: At, event: gr.EventData) -> Updates:
        at, updates = known(at), {self.said: ""}
        data = {name: str(getattr(event, name, "")) for name in ("key", "number", "draft", "clip", "scene")}
        with said(updates, self.said):
            at = self.acts.do(str(event.do), at, data)
        return self.shown(at) | updates

    def on_cast(self, at: At, event: gr.EventData) -> Updates:
        verb, value = str(event.do), str(event.value)[:200].strip()
        if verb not in ("member", "appearance"):
            return {self.said: gr.skip()}
        return self.edited(at, lambda film: edits.set_role(film, str(event.character), **{verb: value}))

    def on_table(self, at: At, file: str) -> Updates:
        def changed(film: Project) -> Project:
            return edits.open_shot_list(film, decoded(read_bytes(Path(file)), Path(file).name))

        return self.edited(at, changed)

    # -- the film is made ---------------------------------------------------------------------------------------------

    def on_preview(self, at: At) -> Iterator[Updates]:
        """Queue what is missing or stale, saying how far the planning is: a long film has many shots."""
        at, updates = known(at), {self.said: ""}
        with said(updates, self.said):
            if not at["film"]:
                raise InvalidRequest("There is no film yet.", "Drop a script, or write one.")
            view = self.view(at)
            if view is None or view.asking is None:
                raise InvalidRequest("The film's model is not installed.", "Choose another model.")
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
        yield self.shown(at) | updates

    def on_stop(self, at: At) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            making.stop(self.studio, self.studio.projects.get(known(at)["film"]))
        return self.shown(at) | updates

    def on_watch(self, at: At) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            at = known(at)
            if not at["film"]:
                raise InvalidRequest("There is no film yet.", "Drop a script, or write one.")
            film = self.studio.projects.get(at["film"])
            standing = making.standing_of(self.studio, film)
            updates |= self.watch.submit(making.animatic(film, standing))
            if left := len(film.board.shots) - len(making.film_clips(film, standing)):
                text = f"{left} of {len(film.board.shots)} shots are not made yet and are left out."
                updates[self.watch.said] = pieces.message(text, "", "info")
        return updates

    def on_file(self, at: At, event: gr.EventData) -> Iterator[Updates]:
        yield from self.files.on_click(known(at)["film"], event)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def view(self, at: At, posters: int = 0) -> BoardView | None:
        """The open film as it stands; None when none is open or it is gone. posters: how many may be made now"""
        with suppress(DiffScalerError):
            if not at["film"]:
                return None
            film = self.studio.projects.get(at["film"])
            asking = None
            with suppress(DiffScalerError):  # its model was removed: the board says so on each shot that needs it
                asking = making.asking_of(self.studio, film)
            standing = making.standing_of(self.studio, film)
            return BoardView(self.studio, film, standing, asking, posters, pictures=self.pictures)
        return None

    def shown(self, at: At | None, *, typed: bool = False, posters: int = 0) -> Updates:
        """Everything that shows the film. typed: a person is at the panel's fields, which stay as they are

        posters: of how many takes; an edit is answered without waiting for any, the timer brings them
        """
        at = known(at)
        view = self.view(at, posters)
        if view is None:
            return {
                self.at: {**NOWHERE}, self.mark: "", self.seen: "", self.timer: gr.Timer(active=False),
                self.board: BEGIN,
                self.outline: "", self.cast: "", self.go: gr.Button("Preview", visible=True, interactive=True),
                self.stop: gr.Button(visible=False), **self.editor.shown(None, at),
            }  # fmt: skip
        busy = [job for job in view.standing.jobs.values() if not job.ended]
        if busy:
            self.studio.keeper.ensure()
        board = board_html(view, str(at["shot"]))
        return {
            self.at: at,
            self.mark: mark_of(view),
            self.timer: gr.Timer(active=bool(busy) or view.wanting),
            self.board: board,
            self.seen: f"{hash(board)} {len(busy)}",
            self.cast: cast_html(view.project, self.studio.cast.list()),
            self.go: gr.Button(visible=not busy, interactive=True),
            self.stop: gr.Button(visible=bool(busy), value=stop_label(busy)),
            **self.editor.shown(view, at, typed=typed),
        }

    def opened(self, at: At) -> Updates:
        """The page with another film, or another script in it."""
        updates = self.shown(at, posters=POSTERS_AT_ONCE)
        at = updates[self.at]
        films = [NEW, *((listed.title, listed.id) for listed in self.studio.projects.list())]
        updates |= {self.films: gr.Dropdown(choices=films, value=at["film"]), self.files.links: ""}
        if not at["film"]:
            return updates | {self.script: "", self.read: gr.Button("Read it")}
        film = self.studio.projects.get(at["film"])
        updates |= {setting: getattr(film.film, name) for name, setting in self.settings.items()}
        return updates | {
            self.script: film.script, self.read: gr.Button("Read it again"), self.outline: outline_html(film)
        }  # fmt: skip

    def restore(self, at: At | None, watched: dict[str, Any] | None) -> Updates:
        return self.opened(known(at)) | self.watch.restore(watched)

    def look(self, at: At, seen: str) -> Updates:
        """One look while jobs run; nothing is sent when it shows what the last one did."""
        updates = self.shown(at, typed=True, posters=POSTERS_AT_ONCE)
        return {self.seen: gr.skip()} if updates[self.seen] == seen else updates

    def refresh(self, at: At) -> Updates:
        return self.shown(at, posters=POSTERS_AT_ONCE)

    def on_mark(self, at: At) -> Updates:
        """What Preview will take now; said after the edit itself has been shown."""
        view = self.view(known(at))
        if view is None:
            return {self.needs: ""}
        try:
            outlook = self.costs.outlook(view)
        except (DiffScalerError, ValidationError):
            return {self.go: gr.Button("Preview"), self.needs: ""}  # what is wrong is said when it is pressed
        return {
            self.go: gr.Button(outlook.label),
            self.needs: outlook.words,
            self.outline: outline_html(view.project, outlook.cost),
        }

    def showing(self, job: Job) -> Updates:
        """The shot that a job makes, or the animatic."""
        found = self.studio.projects.film_of(str(job.payload.get("key", "")))
        if found is not None:
            return self.opened({**NOWHERE, "film": found[0], "shot": found[1]})
        return self.watch.follow(job)


def known(at: At | None) -> At:
    """Where a person is, as this version keeps it: what a browser kept from an earlier one may lack names."""
    return {**NOWHERE, **{name: value for name, value in (at or {}).items() if name in NOWHERE}}


def is_another(film: Project, text: str) -> bool:
    """Whether a script has no shot in common with a film's: then it is not a later version of it."""
    now = {shot.id for shot in read_again(film, text).board.shots}
    return bool(film.board.shots) and not any(shot.id in now for shot in film.board.shots)


def mark_of(view: BoardView) -> str:
    """What the cost depends on, in short."""
    standing: Standing = view.standing
    states = sorted(f"{job.id}{job.state}" for job in standing.jobs.values())
    return f"{view.project.id} {view.project.changed} {len(standing.made)} {hash(tuple(states))}"


def stop_label(busy: list[Job]) -> str:
    return f"Stop, {len(busy)} shots to draw" if len(busy) != 1 else "Stop, one shot to draw"


def changes_in_words(before: Project, now: Project) -> tuple[str, str]:
    """What reading a script again has done to the board."""
    old, new = set(before.shots), {shot.id for shot in now.board.shots}
    fresh = len(new - old)
    gone = len({shot.id for shot in before.board.shots} - new)
    stale = len(set(now.board.stale) - set(before.board.stale))
    parts = [f"{stale} shots changed"] * bool(stale) + [f"{fresh} new"] * bool(fresh) + [f"{gone} gone"] * bool(gone)
    if not parts:
        return "The script says what it said.", "No shot has changed."
    return f"Read again: {', '.join(parts)}.", "Takes of all shots are kept."
