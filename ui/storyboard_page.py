"""The Storyboard page as it lies and as it is shown: script and settings left, the board and one of its shots right."""

from __future__ import annotations

from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError, InvalidRequest, ModelNotFound
from diffscaler.jobs.job import Job
from diffscaler.projects import making
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.orders import Standing
from diffscaler.projects.store import FilmGone
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.studio import Studio
from ui import pieces
from ui.board_acts import NOWHERE, At, known
from ui.board_cards import POSTERS_AT_ONCE, BoardView, board_html, mark_of
from ui.controls import control, more
from ui.estimate import upscalers
from ui.film_cost import FilmCosts
from ui.film_files import FilmFiles
from ui.film_list import FilmList, history_html, list_html
from ui.film_shown import FilmShown
from ui.models_shelf import choices
from ui.pane import pane
from ui.pictures import preview_url
from ui.script_panel import cast_html, outline_html
from ui.shot_editor import ShotEditor
from ui.watch import Updates, Watch, remembered

KIND = "storyboard"
LOOK_S = 1.0
#: Ends what a board showed of which some posters are not made yet.
WANTING = " wanting"
BEGIN = (
    '<div class="invite begin"><p>Drop a screenplay, Fountain or Final Draft, or write one beside this.</p>'
    f"<p>{pieces.do('example', 'Open an example', cls='link')}</p></div>"
)
NEW = ("a new film", "")


class StoryboardPage:
    """The film lies in the studio's database; the page remembers where in it a person is."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.at = remembered(f"{KIND}.at", NOWHERE)
        self.watch = Watch(studio, "film", "Watch the animatic", "")
        self.editor, self.files, self.shown_as = ShotEditor(studio), FilmFiles(studio), FilmShown(studio)
        self.costs, self.list = FilmCosts(studio), FilmList(studio)
        self.pictures: dict[str, str] = {}
        self.missed: dict[str, float] = {}
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
                self.history = pane(elem_id="board-history")
                with gr.Row(elem_classes=["bench"]):
                    self.board = pane(BEGIN, elem_id="board")
                    self.editor.place()
                with gr.Row(elem_classes=["film-foot"]):
                    self.watch.button()
                    self.hide = pane(pieces.do("hide", "Hide it", cls="link"), elem_id="film-hide")
                    self.files.place_links()
                with gr.Row(elem_classes=["film-out"]):
                    self.shown_as.place()
                    self.files.place()
        self.settings |= self.shown_as.settings
        #: What the settings and the script were when they were filled in.
        self.held = {name: gr.State(None) for name in (*self.settings, "script")}

    def _place_script(self) -> None:
        self.films = gr.Dropdown([NEW], value="", label="Film", elem_id="films")
        self.listed = pane(elem_id="film-list")
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
            self.at, self.mark, self.seen, self.timer, self.board, self.history, self.outline, self.cast, self.said,
            self.go, self.stop,
            *self.editor.outputs,
        ]  # fmt: skip

    @property
    def everything(self) -> list[Any]:
        """With what a person types into, which is filled in only when another film or script is opened."""
        written = [self.files.links, self.files.timer, self.shown_as.own, *self.held.values()]
        return [
            *self.tiles,
            self.films,
            self.listed,
            self.drop,
            self.script,
            self.read,
            *written,
            *self.settings.values(),
        ]

    def models(self) -> list[tuple[str, str]]:
        """(title, name) of what can draw a film."""
        return choices(self.studio)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def view(self, at: At, posters: int = 0) -> BoardView | None:
        """The open film as it stands; None when none is open or it is gone. posters: how many may be made now

        Raises InvalidRequest for a film that this version of the studio cannot read.
        """
        if not at["film"]:
            return None
        try:
            film = self.studio.projects.get(at["film"])
        except FilmGone:
            return None
        asking, lacking = None, ""
        try:
            asking = making.asking_of(self.studio, film)
        except ModelNotFound as error:  # it was removed: the button says so, and each shot that has no take
            lacking = error.message
        standing = making.standing_of(self.studio, film)
        return BoardView(
            self.studio, film, standing, asking, posters, pictures=self.pictures, missed=self.missed, lacking=lacking
        )  # fmt: skip

    def shown(self, at: At | None, *, typed: bool = False, posters: int = 0) -> Updates:
        """Everything that shows the film. typed: a person is at the panel's fields, which stay as they are

        posters: of how many takes; an edit is answered without waiting for any, the timer brings them
        """
        at, board = known(at), BEGIN
        try:
            view = self.view(at, posters)
        except InvalidRequest as error:
            view, board = None, pieces.message(error.message, error.hint)
        if view is None:
            return {
                self.at: {**NOWHERE}, self.mark: "", self.seen: "", self.timer: gr.Timer(active=False),
                self.board: board, self.history: "",
                self.outline: "", self.cast: "", self.go: gr.Button("Preview", visible=True, interactive=True),
                self.stop: gr.Button(visible=False), **self.editor.shown(None, at),
            }  # fmt: skip
        busy = self._kept_going(view.standing)
        glance = self._glance(view.project.changed, view.standing)  # before it is drawn: what comes meanwhile is news
        board = board_html(view, str(at["shot"]))
        return {
            self.at: at,
            self.mark: mark_of(view),
            self.timer: gr.Timer(active=bool(busy) or view.wanting),
            self.board: board,
            self.history: history_html(*self.studio.projects.steps(view.project.id)),
            self.seen: f"{glance} {hash(board)} {len(busy)}{WANTING if view.wanting else ''}",
            self.cast: cast_html(view.project, self.studio.cast.list()),
            self.go: gr.Button(visible=not busy, interactive=True),
            self.stop: gr.Button(visible=bool(busy), value=stop_label(busy)),
            **self.editor.shown(view, at, typed=typed),
        }

    def opened(self, at: At, *, open_list: bool = False) -> Updates:
        """The page with another film, or another script in it. open_list: the films taken out of the list are shown"""
        updates = self.shown(at, posters=POSTERS_AT_ONCE)
        at = updates[self.at]
        films = [NEW, *((listed.title, listed.id) for listed in self.studio.projects.list())]
        updates |= {self.films: gr.Dropdown(choices=films, value=at["film"]), **self.files.look(at["film"])}
        if not at["film"]:
            removed = list_html(None, self.studio.projects.list(removed=True), open_list)
            updates |= {self.shown_as.own: self.shown_as.sound(None), self.listed: removed}
            return updates | {self.script: "", self.read: gr.Button("Read it")}
        film = self.studio.projects.get(at["film"])
        values = {name: getattr(film.film, name) for name in self.settings}
        updates |= {self.settings[name]: value for name, value in values.items()}
        updates |= {self.held[name]: (film.id, value) for name, value in {**values, "script": film.script}.items()}
        return updates | {
            self.script: film.script, self.read: gr.Button("Read it again"), self.outline: outline_html(film),
            self.shown_as.own: self.shown_as.sound(film), self.listed: list_html(film, []),
        }  # fmt: skip

    def restore(self, at: At | None, watched: dict[str, Any] | None) -> Updates:
        return self.opened(known(at)) | self.watch.restore(watched)

    def look(self, at: At, seen: str) -> Updates:
        """One look while jobs run; nothing is sent when it shows what the last one did, and nothing is drawn when
        neither film nor jobs nor previews have changed."""
        film = known(at)["film"]
        if film and not seen.endswith(WANTING):
            try:
                changed, clips = self.studio.projects.glance(film)
            except FilmGone:
                return self.shown(at)
            standing = making.standing_of_clips(self.studio, clips)
            if self._kept_going(standing) and seen.partition(" ")[0] == self._glance(changed, standing):
                return {self.seen: gr.skip()}
        updates = self.shown(at, typed=True, posters=POSTERS_AT_ONCE)
        return {self.seen: gr.skip()} if updates[self.seen] == seen else updates

    def _kept_going(self, standing: Standing) -> list[Job]:
        """The jobs that have not ended; somebody works on them."""
        busy = [job for job in standing.jobs.values() if not job.ended]
        if busy:
            self.studio.keeper.ensure()
        return busy

    def _glance(self, changed: float, standing: Standing) -> str:
        """What the board is made from, in short. changed: of the film, seconds since 1970"""
        jobs = sorted((job.id, job.state) for job in standing.jobs.values())
        running = [job_id for job_id, state in jobs if state == "running"]
        previews = [preview_url(self.studio, job_id) for job_id in running]
        return str(hash((changed, standing.made, tuple(jobs), tuple(previews))))

    def refresh(self, at: At) -> Updates:
        return self.shown(at, posters=POSTERS_AT_ONCE)

    def on_mark(self, at: At) -> Updates:
        """What Preview will take now; said after the edit itself has been shown."""
        try:
            view = self.view(known(at))
            if view is None:
                return {self.needs: ""}
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


def stop_label(busy: list[Job]) -> str:
    return f"Stop, {len(busy)} shots to draw" if len(busy) != 1 else "Stop, one shot to draw"
