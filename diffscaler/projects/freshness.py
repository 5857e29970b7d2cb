"""Whether a take still is what its shot asks for, and what has changed since in a director's words."""

from __future__ import annotations

from diffscaler.projects.asking import Asked
from diffscaler.projects.project import Project, Take
from diffscaler.requests import ShotRequest
from diffscaler.screenplay.shot import Shot

_DRAWN = (
    (("prompt",), "Its prompt has changed."),
    (("model",), "Another model draws the film."),
    (("faces", "consent"), "Somebody else plays it."),
    (("scale", "upscaler"), "The upscaling has changed."),
)
_SHOT = (
    (("card",), "The words on its card have changed."),
    (("rate",), "The film's frame rate has changed."),
    (("width", "height"), "The film's frame has another size."),
    (("smooth",), "Frames between the model's are wanted now, or no longer."),
    (("encoding", "quality", "bitrate_mbps"), "The clips' file format has changed."),
)


def why_stale(project: Project, shot: Shot, take: Take | None, asked: Asked) -> str:
    """What has changed since a shot's take was asked for, the script's line first; "" when nothing has.

    asked: what the same take would be today
    """
    change = project.board.stale.get(shot.id)
    if change and (take is not None or shot.locked or "prompt" in shot.edited):
        return str(change)
    return difference(take.request, asked.request) if take is not None else ""


def difference(before: ShotRequest, now: ShotRequest) -> str:
    """What differs in what two requests ask for, in one sentence; "" where they make the same clip."""
    if before.frames != now.frames:
        return f"It lasts {now.frames} frames now, and {before.frames} when it was made."
    if before.head is not None and before.head != now.head:
        return "It dissolves at another end now."
    if (before.drawn is None) != (now.drawn is None):
        return "It was a card and is a picture now, or the other way round."
    if before.drawn is not None and now.drawn is not None:
        for names, sentence in _DRAWN:
            if any(getattr(before.drawn, name) != getattr(now.drawn, name) for name in names):
                return sentence
    for names, sentence in _SHOT:
        if any(getattr(before, name) != getattr(now, name) for name in names):
            return sentence
    return "The way it is drawn has changed." if before.drawn != now.drawn else ""
