"""The last steps of a film's plans: a drawn clip as a shot, a card, shots one behind the other."""

from __future__ import annotations

from collections.abc import Sequence

from diffscaler.errors import InvalidRequest
from diffscaler.film.card_stage import TitleCard, TitleCardParams
from diffscaler.film.fit_stage import FitShot, FitShotParams
from diffscaler.film.join_stage import JoinShots, JoinShotsParams
from diffscaler.media import ClipMeta
from diffscaler.plan import Node, node
from diffscaler.requests import AnimaticRequest, ShotRequest
from diffscaler.screenplay.rates import rate_of
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams


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
    """The card of a title."""
    params = TitleCardParams(
        text=request.card, num_frames=request.frames, fps=str(rate_of(request.rate)), width=request.width,
        height=request.height,
    )  # fmt: skip
    return node(TitleCard(params, ()))


def joined(shots: Sequence[Node], request: AnimaticRequest) -> Node:
    """Shots one behind the other. Raises InvalidRequest where labels are not one a shot."""
    if request.labels and len(request.labels) != len(shots):
        raise InvalidRequest(
            f"{len(request.labels)} labels were given for {len(shots)} shots.", "Give each shot one, or none."
        )
    told = {"labels": request.labels, "rate": request.rate, "timecode": request.timecode} if request.labels else {}
    return node(JoinShots(JoinShotsParams.model_validate(told), ()), *shots)
