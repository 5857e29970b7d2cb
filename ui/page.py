"""The page as a whole: a header, seven tabs, the queue under all of them."""

from __future__ import annotations

import gradio as gr

from diffscaler.requests import DeliverRequest, FaceSwapRequest, Request, Text2VideoRequest, UpscaleRequest
from diffscaler.studio import Studio
from ui import api
from ui.acts import Acts, WorkTab
from ui.deliver_tab import DeliverTab
from ui.faceswap_tab import FaceSwapTab
from ui.library_tab import LibraryTab
from ui.queue_panel import QueuePanel
from ui.storyboard_tab import StoryboardTab
from ui.text2video_tab import Text2VideoTab
from ui.training_tab import TrainingTab
from ui.upscale_tab import UpscaleTab
from ui.watch import remembered

TITLE = "DiffScaler Studio"


def build_page(studio: Studio) -> gr.Blocks:
    """The page, ready to launch."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as page:
        gr.HTML(f'<h1 class="brand">{TITLE}</h1>', elem_id="brand")
        queue = QueuePanel(studio)
        # Whatever a browser remembers stands outside the tabs: a tab's inside is only there once it was opened.
        at = remembered("tab", "text2video")
        story = StoryboardTab(studio)
        text2video, faceswap, upscale = Text2VideoTab(studio), FaceSwapTab(studio), UpscaleTab(studio)
        deliver, training, library = DeliverTab(studio), TrainingTab(studio), LibraryTab(studio)
        with gr.Tabs(elem_id="tabs", selected="text2video", overflow_behavior="wrap") as tabs:
            for tab in (story, text2video, faceswap, upscale, deliver, training, library):
                tab.place()
        queue.place()
        for part in (story, text2video, faceswap, upscale, deliver, training, library, queue):
            part.wire(page)
        for tab in (story, text2video, faceswap, upscale):
            tab.keep_models(queue.models)
        training.keep_models(queue.models)
        work: dict[type[Request], WorkTab] = {
            Text2VideoRequest: text2video,
            FaceSwapRequest: faceswap,
            UpscaleRequest: upscale,
            DeliverRequest: deliver,
        }
        Acts(studio, tabs, queue, library, training, work, story).wire()
        every = (story, text2video, faceswap, upscale, deliver, training, library)
        remember_tab(page, tabs, at, [tab.tab for tab in every])
        api.add(studio)
    return page


def remember_tab(page: gr.Blocks, tabs: gr.Tabs, at: gr.BrowserState, every: list[gr.Tab]) -> None:
    """A reload shows the tab that was open."""
    for tab in every:
        tab.select(lambda name=tab.id: name, None, at, queue=False, api_visibility="private", show_progress="hidden")
    page.load(
        lambda name: gr.Tabs(selected=name), at, tabs, queue=False, api_visibility="private", show_progress="hidden"
    )
