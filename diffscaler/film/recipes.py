"""The last steps of a film's plans: a drawn clip as a shot, a card, shots one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.film.card_stage import TitleCard, TitleCardParams
from diffscaler.film.fit_stage import FitShot, FitShotParams
from diffscaler.film.join_stage import JoinShots, JoinShotsParams
from diffscaler.film.slate_stage import Slate, SlateParams
from diffscaler.film.speak_stage import Speak, SpeakParams
from diffscaler.media import ClipMeta
from diffscaler.plan import Node, node
from diffscaler.requests import AnimaticRequest, ShotRequest
from diffscaler.screenplay.rates import rate_of
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from diffscaler.video.soundtrack import Soundtrack


def shot_frames(drawn: Node, meta: ClipMeta, request: ShotRequest) -> Node:
    """frames [-> more a second, as many as the film has room for] -> a shot. meta: of the drawn clip"""
    rate = rate_of(request.rate)
    times = next((times for times in (4, 2) if meta.fps * times <= rate), 1) if request.smooth else 1
    if times > 1 and meta.num_frames > 1:
        drawn = node(Interpolate(InterpolateParams(times=times), ()), drawn)
        meta = meta.change(num_frames=meta.num_frames * times, fps=meta.fps * times)
    params = FitShotParams(
        num_frames=request.frames, fps=str(rate), width=request.width, height=request.height,
        source_frames=meta.num_frames, source_fps=str(meta.fps),
    )  # fmt: skip
    return node(FitShot(params, ()), drawn)


def card_frames(request: ShotRequest) -> Node:
    """The card of a title, or a slate."""
    size = {"num_frames": request.frames, "fps": str(rate_of(request.rate)), "width": request.width}
    size |= {"height": request.height}
    if request.rows:
        return node(Slate(SlateParams.model_validate({"title": request.card, "rows": request.rows} | size), ()))
    return node(TitleCard(TitleCardParams.model_validate({"text": request.card} | size), ()))


def joined(shots: Sequence[Node], request: AnimaticRequest) -> Node:
    """Shots one behind the other. Raises InvalidRequest where labels or the cut are not one a shot."""
    for what, given in (("labels", request.labels), ("cuts", request.cut)):
        if given and len(given) != len(shots):
            raise InvalidRequest(
                f"{len(given)} {what} were given for {len(shots)} shots.", "Give each shot one, or none."
            )
    told: dict[str, Any] = {"shots": request.cut}
    told |= {"captions": request.captions} if request.show_captions else {}
    if request.labels:
        told |= {"labels": request.labels, "rate": request.rate, "timecode": request.timecode}
    return node(JoinShots(JoinShotsParams.model_validate(told), ()), *shots)


def spoken(request: AnimaticRequest) -> tuple[Node, ...]:
    """The lines of a film's scratch dialogue, each a sound."""
    rate = rate_of(request.rate)
    return tuple(
        node(Speak(SpeakParams(
            text=line.text, language=request.language, variant=line.voice, pitch=line.pitch,
            room_s=float(line.room / rate), program=request.speech_program,
        ), ()))
        for line in request.speech
    )  # fmt: skip


def soundtrack_of(request: AnimaticRequest) -> Soundtrack:
    """What the film's file gets beside its pictures."""
    return Soundtrack(
        captions=() if request.show_captions else request.captions,
        laid=tuple(line.at for line in request.speech),
        language=request.language,
        own=request.sound,
        own_at=request.sound_at,
        mixed=request.sound_track == "mixed",
    )
