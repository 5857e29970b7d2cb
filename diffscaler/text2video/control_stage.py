"""The stage that turns a clip into pictures which a ControlNet reads."""

from __future__ import annotations

from typing import Literal

from diffscaler.media import Frames
from diffscaler.text2video.clip_frames import ClipFrames
from diffscaler.text2video.stages import Shaped


class ControlFramesParams(Shaped):
    """kind: "canny" for edges, "none" for a clip that shows edges, depth or poses already."""

    kind: Literal["canny", "none"]


class ControlFrames(ClipFrames):
    """A clip to follow, frame by frame."""

    name = "control_frames"
    called = "The clip to follow"
    Params = ControlFramesParams
    params: ControlFramesParams

    def made(self, frame: Frames) -> Frames:
        picture = super().made(frame)
        if self.params.kind == "none":
            return picture
        from diffscaler.text2video.hotshot.controlnet import canny

        return canny(picture[None])[0]
