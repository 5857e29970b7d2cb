"""OpenTimelineIO: the form in which a cut goes to any program that has an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.rates import rate_of

if TYPE_CHECKING:
    from opentimelineio.opentime import TimeRange
    from opentimelineio.schema import Clip, Timeline, Transition


def timeline_of(cut: Cut) -> Timeline:
    """A timeline with one track of pictures, and one of sound where any file has it."""
    from opentimelineio import schema
    from opentimelineio.opentime import RationalTime

    timeline = schema.Timeline(cut.name, global_start_time=RationalTime(cut.start_frame, float(rate_of(cut.rate))))
    kinds = [schema.TrackKind.Video]
    if any(event.sound for event in cut.events):
        kinds.append(schema.TrackKind.Audio)
    for kind in kinds:
        track = schema.Track("V1" if kind == schema.TrackKind.Video else "A1", kind=kind)
        for event in cut.events:
            silent = kind == schema.TrackKind.Audio and not event.sound
            if kind == schema.TrackKind.Video and (half := event.dissolve // 2):
                track.append(_transition(cut, "Cross Dissolve", half, half))
            if kind == schema.TrackKind.Video and event.fade_in:
                track.append(_transition(cut, "Fade In", 0, event.fade_in))
            track.append(schema.Gap(source_range=_range(cut, 0, event.frames)) if silent else _clip(cut, event))
            if kind == schema.TrackKind.Video and event.fade_out:
                track.append(_transition(cut, "Fade Out", event.fade_out, 0))
        timeline.tracks.append(track)
    return timeline


def otio_of(cut: Cut) -> str:
    """The text of an .otio file."""
    return timeline_of(cut).to_json_string()


def _clip(cut: Cut, event: Event) -> Clip:
    from opentimelineio import schema

    media = schema.ExternalReference(
        target_url=event.url, available_range=_range(cut, event.clip_start, event.available)
    )
    media.name = event.clip.name
    told = {"reel": event.reel_name, "comment": event.comment, "dialogue": list(event.dialogue)}
    used = _range(cut, event.clip_start + event.start, event.frames)
    metadata = {"diffscaler": told, "cmx_3600": {"reel": event.reel_name}}
    return schema.Clip(event.name, media_reference=media, source_range=used, metadata=metadata)


def _transition(cut: Cut, name: str, before: int, behind: int) -> Transition:
    """before, behind: frames of it on either side of the cut."""
    from opentimelineio import schema
    from opentimelineio.opentime import RationalTime

    rate = float(rate_of(cut.rate))
    return schema.Transition(
        name, schema.TransitionTypes.SMPTE_Dissolve, RationalTime(before, rate), RationalTime(behind, rate)
    )


def _range(cut: Cut, start: int, frames: int) -> TimeRange:
    from opentimelineio.opentime import RationalTime, TimeRange

    rate = float(rate_of(cut.rate))
    return TimeRange(RationalTime(start, rate), RationalTime(frames, rate))
