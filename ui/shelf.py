"""A shelf of library pictures to choose from, and a place to drop new ones: photos of a face, or a clip to work on."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.library.clips import Clip
from diffscaler.studio import Studio
from ui import pieces
from ui.pane import QUIET, pane
from ui.watch import Updates, remembered, said

PHOTO_TYPES = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"]
SHOWN = 24


class Shelf:
    """Pictures of the library; `picked` holds the keys chosen, kept by this browser."""

    def __init__(self, studio: Studio, name: str, label: str, *, photos: bool = False, single: bool = False) -> None:
        """photos: still pictures, several at once unless `single`; otherwise clips, one at a time."""
        self.studio, self.name, self.label, self.photos = studio, name, label, photos
        self.several = photos and not single
        self.picked = remembered(f"{name}.picked", [])

    def place(self) -> None:
        """Place the shelf here."""
        name = self.name
        # No file_types for clips: a wrong file is refused with a sentence that says what it really is.
        self.drop = gr.File(
            label=self.label,
            file_count="multiple" if self.several else "single",
            file_types=PHOTO_TYPES if self.photos else None,
            height=84,
            elem_id=f"{name}-drop",
            elem_classes=["drop"],
        )
        self.pane = pane(elem_id=f"{name}-shelf", elem_classes=["shelf"])
        self.said = pane(elem_classes=["said"])

    def wire(self) -> None:
        self.drop.upload(
            self.on_drop,
            [self.drop, self.picked],
            [self.drop, self.picked, self.pane, self.said],
            api_visibility="private",
            show_progress_on=[self.drop],
        )
        self.pane.click(self.on_pick, self.picked, [self.picked, self.pane], **QUIET)
        self.picked.change(self.render, self.picked, self.pane, **QUIET)

    def on_drop(self, dropped: list[str] | str | None, picked: list[str]) -> Updates:
        updates: Updates = {self.drop: None, self.said: ""}
        with said(updates, self.said):
            files = [dropped] if isinstance(dropped, str) else dropped or []
            added = [self.studio.add_file(Path(file)) for file in files]
            for clip in added:
                self._check(clip)
            keys = [clip.key for clip in added]
            picked = [*[key for key in picked if key not in keys], *keys] if self.several else keys[-1:]
            updates |= {self.picked: picked, self.pane: self.render(picked)}
        return updates

    def on_pick(self, picked: list[str], event: gr.EventData) -> Updates:
        key = str(event.key)
        if key in picked:
            picked = [other for other in picked if other != key]
        else:
            picked = [*picked, key] if self.several else [key]
        return {self.picked: picked, self.pane: self.render(picked)}

    def render(self, picked: list[str] | None) -> str:
        """The shelf as HTML: what is picked first, then the latest."""
        chosen = [clip for clip in map(self._clip, picked or []) if clip]
        rest = [clip for clip in self._latest() if clip.key not in (picked or [])]
        cards = [pieces.card(self.studio, clip, picked=True) for clip in chosen]
        cards += [pieces.card(self.studio, clip) for clip in rest[: SHOWN - len(cards)]]
        return '<div class="cards">' + "".join(cards) + "</div>" if cards else ""

    def _latest(self) -> list[Clip]:
        clips = self.studio.library.list(kept_only=True, limit=200)
        if self.photos:
            return [clip for clip in clips if clip.stage == "import" and clip.meta.still]
        return [
            clip for clip in clips if clip.meta.kind != "tensors" and not (clip.stage == "import" and clip.meta.still)
        ]

    def _clip(self, key: str) -> Clip | None:
        try:
            return self.studio.library.clip(key)
        except DiffScalerError:
            return None

    def _check(self, clip: Clip) -> None:
        if self.photos and not clip.meta.still:
            raise InvalidRequest(
                f"{clip.title} is a clip, not a photo.", "Drop a JPEG, PNG or WebP picture of the face."
            )
