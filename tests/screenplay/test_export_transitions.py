"""Dissolves and fades in every form of a cut, read again by another program's reader, to the frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from defusedxml import ElementTree
from opentimelineio import adapters, schema

from diffscaler.errors import ScriptError
from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.export.edl import edl_of
from diffscaler.screenplay.export.fcp7 import fcp7_of
from diffscaler.screenplay.export.fcpxml import fcpxml_of
from diffscaler.screenplay.export.otio import otio_of
from diffscaler.screenplay.export.timecode import frame_of
from diffscaler.screenplay.rates import rate_of
from tests.screenplay.test_export import CUTS, rows_from_otio, rows_of


def a_cut(rate: str = "24", start: str = "01:00:00:00") -> Cut:
    hour = frame_of("01:00:00:00", rate)
    events = (
        Event("SC1_SH010", Path("/media/SC1_SH010.mov"), 0, 71, 71, hour, "SC1_SH010_T1", fade_in=8),
        Event("SC1_SH020", Path("/media/SC1_SH020.mov"), 0, 48, 54, hour, "SC1_SH020_T1"),
        Event("SC2_SH010", Path("/media/SC2_SH010.mov"), 6, 56, 56, hour - 6, "SC2_SH010_T1", dissolve=12, fade_out=10),
    )
    return Cut("Transitions", rate, events, start)


def transitions(timeline: schema.Timeline) -> list[tuple[int, int, int]]:
    """(place in the track, frames before, frames behind)."""
    (track,) = timeline.video_tracks()
    return [
        (index, round(item.in_offset.value), round(item.out_offset.value))
        for index, item in enumerate(track)
        if isinstance(item, schema.Transition)
    ]


@CUTS
def test_otio_and_fcp7_give_the_transitions_back(rate, start):
    cut = a_cut(rate, start)
    for text, adapter in ((otio_of(cut), "otio_json"), (fcp7_of(cut).decode(), "fcp_xml")):
        timeline = adapters.read_from_string(text, adapter)
        assert transitions(timeline) == [(0, 0, 8), (3, 6, 6), (5, 10, 0)], adapter
        assert rows_from_otio(timeline) == rows_of(cut), adapter


@CUTS
def test_fcpxml_has_them_over_their_cuts(rate, start):
    cut = a_cut(rate, start)
    (spine,) = ElementTree.fromstring(fcpxml_of(cut)).iter("spine")

    def frames(text: str) -> int:
        count = Fraction(text.removesuffix("s")) * rate_of(rate)
        assert count.denominator == 1
        return int(count) - cut.start_frame

    found = [(item.tag, frames(item.get("offset")), frames(item.get("duration")) + cut.start_frame) for item in spine]
    assert found == [
        ("transition", 0, 8), ("asset-clip", 0, 71), ("asset-clip", 71, 48), ("transition", 113, 12),
        ("asset-clip", 119, 50), ("transition", 159, 10),
    ]  # fmt: skip


@CUTS
def test_edl_is_read_as_the_same_cut(rate, start):
    """As CMX 3600 has it: an event with a second line of its number dissolves in over so many frames."""
    cut = a_cut(rate, start)
    rows: dict[int, list[tuple[str, str, int, int, int, int, int]]] = {}
    for line in edl_of(cut).splitlines():
        if line[:3].isdigit():
            number, reel, _, kind, *rest = line.split()
            frames = int(rest.pop(0)) if kind == "D" else 0
            times = [frame_of(code, rate) for code in rest]
            rows.setdefault(int(number), []).append((reel, kind, frames, *times))
    hour, zero = frame_of("01:00:00:00", rate), cut.start_frame
    assert list(rows.values()) == [
        [("BL", "C", 0, 0, 0, zero, zero), ("SC1_SH010_T1", "D", 8, hour, hour + 71, zero, zero + 71)],
        [("SC1_SH020_T1", "C", 0, hour, hour + 42, zero + 71, zero + 113)],
        [("SC1_SH020_T1", "C", 0, hour + 42, hour + 42, zero + 113, zero + 113),
         ("SC2_SH010_T1", "D", 12, hour - 6, hour + 40, zero + 113, zero + 159)],
        [("SC2_SH010_T1", "C", 0, hour + 40, hour + 40, zero + 159, zero + 159),
         ("BL", "D", 10, 0, 10, zero + 159, zero + 169)],
    ]  # fmt: skip
    assert "D    012" in edl_of(cut)


@CUTS
def test_opentimelineio_reads_the_dissolve_of_an_edl(rate, start):
    cut = a_cut(rate, start)
    plain = Cut(cut.name, rate, tuple(Event(e.name, e.clip, e.start, e.stop, e.clip_frames, e.clip_start, e.reel,
                                            dissolve=e.dissolve) for e in cut.events), start)  # fmt: skip
    timeline = adapters.read_from_string(edl_of(plain), "cmx_3600", rate=float(rate_of(rate)))
    (track,) = timeline.video_tracks()
    clips = [item for item in track if isinstance(item, schema.Clip)]
    assert [clip.name for clip in clips] == ["SC1_SH010", "SC1_SH020", "SC2_SH010"]
    # An EDL dissolves from the incoming event's first frame on: six frames of it lie before the cut.
    assert transitions(timeline) == [(2, 0, 12)]
    assert [round(clip.trimmed_range().duration.value) for clip in clips] == [71, 42, 56]
    assert round(track.range_of_child_at_index(3).start_time.value) == 113


def test_a_dissolve_needs_frames_on_both_sides():
    one, two = Event("A", Path("a.mov"), 0, 48, 54), Event("B", Path("b.mov"), 6, 48, 48, dissolve=12)
    assert Cut("x", "24", (one, two)).dissolve_after(0) == 12
    for events in ((two,), (one, Event("B", Path("b.mov"), 5, 48, 48, dissolve=12)),
                   (Event("A", Path("a.mov"), 0, 48, 53), two)):  # fmt: skip
        with pytest.raises(ScriptError, match="no frames to dissolve into B"):
            Cut("x", "24", events)
