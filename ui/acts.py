"""What the buttons inside the page's panes do: one place for the verbs under clips and in the queue strip."""

from __future__ import annotations

from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.recipes import request_from
from diffscaler.requests import (
    AnimaticRequest,
    DeliverRequest,
    FaceSwapRequest,
    Request,
    ShotRequest,
    Text2VideoRequest,
    UpscaleRequest,
)
from diffscaler.studio import Studio
from ui.deliver_tab import DeliverTab
from ui.faceswap_tab import FaceSwapTab
from ui.library_tab import LibraryTab
from ui.models_shelf import choices
from ui.queue_panel import UNSHOWN, QueuePanel
from ui.storyboard_tab import KIND as STORYBOARD
from ui.storyboard_tab import StoryboardTab
from ui.text2video_tab import Text2VideoTab
from ui.training_tab import TrainingTab
from ui.upscale_tab import UpscaleTab
from ui.watch import Updates, explained

#: Requests that belong to a film.
OF_FILMS = (ShotRequest.__name__, AnimaticRequest.__name__)

WorkTab = Text2VideoTab | FaceSwapTab | UpscaleTab | DeliverTab


class Acts:
    """Carries out {"do": verb, "key": clip or job} across the tabs."""

    def __init__(
        self,
        studio: Studio,
        tabs: gr.Tabs,
        queue: QueuePanel,
        library: LibraryTab,
        training: TrainingTab,
        work: dict[type[Request], WorkTab],
        story: StoryboardTab,
    ) -> None:
        self.studio, self.tabs, self.queue, self.library, self.training, self.work, self.story = (
            studio,
            tabs,
            queue,
            library,
            training,
            work,
            story,
        )
        self.watches = [tab.watch for tab in (*work.values(), training, story)]

    def wire(self) -> None:
        panes = [watch.monitor for watch in self.watches] + [self.queue.pane, self.library.detail]
        outputs: list[Any] = [self.tabs, *self.queue.outputs, *self.library.outputs]
        for watch in self.watches:
            outputs += watch.outputs
        for tab in self.work.values():
            outputs += tab.fields.values()
        outputs += [at for at in self.swap.filling if at not in outputs]
        outputs += [self.upscale.clips.picked, self.deliver.clips.picked]
        outputs += self.words.leads.inputs.values()
        outputs += self.story.everything
        states = {watch.name: watch.state for watch in self.watches}
        gr.on(
            [pane.click for pane in panes],
            self.on_act,
            inputs_kwargs={**states, "search": self.library.search, "kind": self.library.kind},
            outputs=outputs,
            api_visibility="private",
            show_progress="hidden",
        )

    @property
    def words(self) -> Text2VideoTab:
        tab = self.work[Text2VideoRequest]
        assert isinstance(tab, Text2VideoTab)
        return tab

    @property
    def swap(self) -> FaceSwapTab:
        tab = self.work[FaceSwapRequest]
        assert isinstance(tab, FaceSwapTab)
        return tab

    @property
    def upscale(self) -> UpscaleTab:
        tab = self.work[UpscaleRequest]
        assert isinstance(tab, UpscaleTab)
        return tab

    @property
    def deliver(self) -> DeliverTab:
        tab = self.work[DeliverRequest]
        assert isinstance(tab, DeliverTab)
        return tab

    def on_act(self, event: gr.EventData, search: str, kind: str, **states: dict[str, Any]) -> Updates:
        verb, key = str(event.do), str(getattr(event, "key", ""))
        try:
            updates: Updates = getattr(self, f"do_{verb}")(key, states)
            if verb == "delete":
                updates |= self.library.listing(search, kind)
            if verb in ("stop", "up", "down", "forget", "retry", "keep", "delete"):
                updates |= self.queue.look()
        except Exception as error:
            gr.Warning(explained(error), title="Not done")
            return {self.tabs: gr.skip()}
        return updates or {self.tabs: gr.skip()}

    # -- with a clip ----------------------------------------------------------------------------------------------

    def do_swap(self, key: str, states: dict[str, Any]) -> Updates:
        return {self.tabs: gr.Tabs(selected="faceswap"), self.swap.clips.picked: [key]}

    def do_upscale(self, key: str, states: dict[str, Any]) -> Updates:
        return {self.tabs: gr.Tabs(selected="upscale"), self.upscale.clips.picked: [key]}

    def do_deliver(self, key: str, states: dict[str, Any]) -> Updates:
        return {self.tabs: gr.Tabs(selected="deliver"), self.deliver.clips.picked: [key]}

    def do_compare(self, key: str, states: dict[str, Any]) -> Updates:
        clip = self.studio.library.clip(key)
        tab = self.tab_of(clip.request or {})
        return {self.tabs: gr.Tabs(selected=tab.watch.name)} | tab.watch.showing(key)

    def do_reuse(self, key: str, states: dict[str, Any]) -> Updates:
        clip = self.studio.library.clip(key)
        if clip.request is None:
            raise DiffScalerError("That clip was imported, not made here.", "It has no settings to use.")
        request = request_from(clip.request)
        tab = self.work.get(type(request))
        if tab is None:
            raise DiffScalerError("That clip belongs to a film.", "Its script and shot list say what is in it.")
        shown = {self.tabs: gr.Tabs(selected=tab.watch.name)}
        if isinstance(tab, FaceSwapTab):
            return shown | tab.fill(request, clip)  # type: ignore[arg-type]
        return shown | tab.fill(request)  # type: ignore[arg-type]

    def do_delete(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.remove(key)
        (self.studio.library.root / "thumbs" / f"{key}.jpg").unlink(missing_ok=True)
        updates: Updates = {}
        for watch in self.watches:
            if key in (states[watch.name].get("clip"), states[watch.name].get("source")):
                updates |= watch.view({**states[watch.name], "clip": None})
        return updates

    # -- with a job -----------------------------------------------------------------------------------------------

    def do_open(self, key: str, states: dict[str, Any]) -> Updates:
        job = self.studio.queue.get(key)
        if (job.request or {}).get("type") in OF_FILMS:
            return {self.tabs: gr.Tabs(selected=STORYBOARD)} | self.story.showing(job)
        watch = self.watch_of(job)
        return {self.tabs: gr.Tabs(selected=watch.name)} | watch.follow(job)

    def do_retry(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.queue.retry(key)
        job = self.studio.queue.get(key)
        self.studio.keeper_of(job).ensure()
        return {} if job.kind in UNSHOWN or job.looks_up else self.do_open(key, states)

    def do_keep(self, key: str, states: dict[str, Any]) -> Updates:
        job = self.studio.keep_finished(key)
        return self.do_open(job.id, states)

    # -- with a model that was trained ----------------------------------------------------------------------------

    def do_draw(self, key: str, states: dict[str, Any]) -> Updates:
        chosen = gr.Dropdown(choices=choices(self.studio), value=key)
        return {self.tabs: gr.Tabs(selected=self.words.watch.name), self.words.fields["model"]: chosen}

    def do_erase(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.remove_run(self.studio.queue.get(key))
        return self.training.watch.view(states[self.training.watch.name])

    def do_stop(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.queue.stop(key)
        return {}

    def do_up(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.queue.move(key, -1)
        return {}

    def do_down(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.queue.move(key, 1)
        return {}

    def do_forget(self, key: str, states: dict[str, Any]) -> Updates:
        self.studio.queue.forget(key)
        return {}

    def watch_of(self, job: Job) -> Any:
        """The monitor that shows jobs of this kind."""
        if job.kind == "train":
            return self.training.watch
        return self.tab_of(job.request or {}).watch

    def tab_of(self, request: dict[str, Any]) -> WorkTab:
        """The tab that makes requests of this kind."""
        named = {kind.__name__: tab for kind, tab in self.work.items()}
        return named.get(str(request.get("type")), self.work[Text2VideoRequest])
