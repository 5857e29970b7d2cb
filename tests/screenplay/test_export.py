"""Every form of a cut is read again by another program's reader, and is the same cut to the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio import adapters, opentime, schema

from diffscaler.errors import ScriptError
from diffscaler.screenplay.export.cut import Cut, Event, cut_of
from diffscaler.screenplay.export.edl import edl_of
from diffscaler.screenplay.export.fcp7 import fcp7_of
from diffscaler.screenplay.export.fcpxml import fcpxml_of, time_of
from diffscaler.screenplay.export.files import write_cut
from diffscaler.screenplay.export.otio import otio_of
from diffscaler.screenplay.export.srt import srt_of, subtitles_of
from diffscaler.screenplay.export.timecode import frame_of, nominal, timecode_of
from diffscaler.screenplay.rates import RATE_NAMES, RATES, rate_of
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shots import draft
from tests.screenplay.test_read import SAMPLE

RATES_AND_STARTS = [*((rate, "01:00:00:00") for rate in RATE_NAMES), ("29.97", "01:00:00;00"), ("24", "00:00:00:00")]


@dataclass(frozen=True)
class Row:
    """What an edit suite must know of a shot. record: count of its first frame's timecode."""

    name: str
    file: str
    start: int
    stop: int
    record: int


def rows_of(cut: Cut) -> list[Row]:
    return [
        Row(e.name, e.clip.name, e.clip_start + e.start, e.clip_start + e.stop, cut.start_frame + at)
        for e, at in zip(cut.events, cut.record_starts, strict=True)
    ]


def a_cut(rate: str = "24", start: str = "01:00:00:00", sound: bool = False) -> Cut:
    events = (
        Event("SC001_SH010", Path("/media/SC001_SH010 é&1.mov"), 0, 71, 80, comment="A dog & <barks>.", sound=sound),
        Event("SC001_SH020", Path("/media/SC001_SH020.mov"), 12, 61, 100, clip_start=1800, dialogue=("Yes.", "No."),
              sound=sound),
        Event("SC002_SH010", Path("/media/SC001_SH020.mov"), 3, 4, 100, clip_start=1800),
        Event("SC002_SH020", Path("/media/SC002_SH020.mov"), 0, 2000, sound=sound,
              dialogue=("A long way to go. " * 20,)),
    )  # fmt: skip
    return Cut("The Last Bus", rate, events, start)


CUTS = pytest.mark.parametrize(("rate", "start"), RATES_AND_STARTS)


def rows_from_otio(timeline: schema.Timeline, record_start: int | None = None) -> list[Row]:
    (track,) = timeline.video_tracks()
    start = int(timeline.global_start_time.value) if record_start is None else record_start
    found = []
    for clip in track.find_clips():
        used, at = clip.trimmed_range(), clip.range_in_parent().start_time
        url = clip.media_reference.target_url if isinstance(clip.media_reference, schema.ExternalReference) else ""
        file = Path(path_of(url)).name
        first = round(used.start_time.value)
        found.append(Row(clip.name, file, first, first + round(used.duration.value), start + round(at.value)))
    return found


def path_of(url: str) -> str:
    return unquote(urlparse(url).path)


@CUTS
def test_otio(rate, start):
    cut = a_cut(rate, start, sound=True)
    timeline = adapters.read_from_string(otio_of(cut), "otio_json")
    assert rows_from_otio(timeline) == rows_of(cut)
    assert timeline.global_start_time.rate == pytest.approx(float(rate_of(rate)))
    assert [type(item).__name__ for item in timeline.audio_tracks()[0]] == ["Clip", "Clip", "Gap", "Clip"]


@CUTS
@pytest.mark.parametrize("sound", [False, True])
def test_edl(rate, start, sound):
    cut = a_cut(rate, start, sound)
    text = edl_of(cut)
    assert ("FCM: DROP FRAME" in text) == (";" in start)
    timeline = adapters.read_from_string(text, "cmx_3600", rate=float(rate_of(rate)))
    (track,) = timeline.video_tracks()
    found = [
        (clip.name, round(clip.trimmed_range().start_time.value), round(clip.trimmed_range().duration.value),
         round(clip.range_in_parent().start_time.value))
        for clip in track.find_clips()
    ]  # fmt: skip
    assert found == [
        (e.name, e.clip_start + e.start, e.frames, at) for e, at in zip(cut.events, cut.record_starts, strict=True)
    ]
    records = [line.split()[-2:] for line in text.splitlines() if line[:3].isdigit()]
    assert [frame_of(first, rate) for first, _ in records] == [row.record for row in rows_of(cut)]
    assert [frame_of(last, rate) for _, last in records[:-1]] == [row.record for row in rows_of(cut)[1:]]
    reels = [line.split()[1] for line in text.splitlines() if line[:3].isdigit()]
    assert len(set(reels)) == 3 and "SC001_SH020" in reels


@CUTS
def test_fcp7_xml(rate, start):
    cut = a_cut(rate, start, sound=True)
    timeline = adapters.read_from_string(fcp7_of(cut).decode(), "fcp_xml")
    assert rows_from_otio(timeline) == rows_of(cut)  # it adds a file's own timecode to in and out
    assert len(timeline.audio_tracks()) == 2


@CUTS
def test_fcpxml(rate, start):
    cut = a_cut(rate, start, sound=True)
    root = ElementTree.fromstring(fcpxml_of(cut))
    files = {asset.get("id"): Path(path_of(asset.get("src"))).name for asset in root.iter("asset")}

    def frames(text: str) -> int:
        count = Fraction(text.removesuffix("s")) * rate_of(rate)
        assert count.denominator == 1, "a time that is no whole frame is refused by Final Cut"
        return int(count)

    found = []
    for clip in root.iter("asset-clip"):
        first = frames(clip.get("start"))
        found.append(
            Row(clip.get("name"), files[clip.get("ref")], first, first + frames(clip.get("duration")),
                frames(clip.get("offset")))
        )  # fmt: skip
    assert found == rows_of(cut)
    (sequence,) = root.iter("sequence")
    assert frames(sequence.get("tcStart")) == cut.start_frame
    assert sequence.get("tcFormat") == ("DF" if cut.drop_frame else "NDF")
    assert frames(sequence.get("duration")) == cut.frames


@pytest.mark.parametrize("rate", ["24", "25", "30"])  # at others the adapter counts 23 or 29 frames a second
def test_fcpxml_as_opentimelineio_reads_it(rate):
    cut = a_cut(rate, sound=True)
    library = adapters.read_from_string(fcpxml_of(cut).decode(), "fcpx_xml")
    (timeline,) = library.find_children(descended_from_type=schema.Timeline)
    assert [replace(row, file="") for row in rows_from_otio(timeline, 0)] == [
        replace(row, file="") for row in rows_of(cut)
    ]


@CUTS
def test_srt(rate, start):
    cut = a_cut(rate, start)
    expected = subtitles_of(cut)
    blocks = srt_of(cut).strip().split("\n\n")
    assert len(blocks) == len(expected) > 3
    for block, subtitle in zip(blocks, expected, strict=True):
        _, times, text = block.split("\n", 2)
        begins, ends = (frame_at(part, rate) for part in times.split(" --> "))
        assert (begins, ends, text) == (subtitle.start, subtitle.stop, subtitle.text)
        assert all(len(line) <= 44 for line in text.split("\n"))
    assert expected[0].text == "- Yes.\n- No."
    assert " ".join(" ".join(one.text.split()) for one in expected[1:]) == " ".join(("A long way to go. " * 20).split())


def frame_at(time: str, rate: str) -> int:
    hours, minutes, seconds = time.replace(",", ".").split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)) * rate_of(rate))


@pytest.mark.parametrize(
    ("frame", "timecode"),
    [(0, "00:00:00;00"), (1799, "00:00:59;29"), (1800, "00:01:00;02"), (17981, "00:09:59;29"), (17982, "00:10:00;00"),
     (107892, "01:00:00;00")],
)  # fmt: skip
def test_drop_frame_leaves_out_two_numbers_a_minute_but_every_tenth(frame, timecode):
    assert timecode_of(frame, "29.97", True) == timecode
    assert frame_of(timecode, "29.97") == frame


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(RATE_NAMES), st.integers(0, 2_000_000), st.booleans())
def test_timecode_agrees_with_opentimelineio(rate, frame, drop):
    drop = drop and rate == "29.97"
    text = timecode_of(frame, rate, drop)
    assert frame_of(text, rate) == frame
    theirs = opentime.RationalTime(frame, float(rate_of(rate)))
    assert opentime.to_timecode(theirs, theirs.rate, drop) == text


@pytest.mark.parametrize(
    ("timecode", "rate"),
    [("01:00:00:24", "24"), ("00:01:00;00", "29.97"), ("01:00:00;00", "25"), ("1:00:00:00", "25"), ("", "25"),
     ("24:00:00:00", "24")],
)  # fmt: skip
def test_timecodes_that_do_not_exist(timecode, rate):
    with pytest.raises(ScriptError):
        frame_of(timecode, rate)


def test_a_day_is_over_after_24_hours():
    assert timecode_of(24 * 3600 * 24, "24") == "00:00:00:00"
    assert timecode_of(2589408, "29.97", True) == "00:00:00;00"
    assert nominal("23.976") == 24


def test_times_are_whole_frames():
    assert time_of(86400, RATES["23.976"]) == "86486400/24000s"
    assert time_of(48, RATES["24"]) == "2s"


def test_a_cut_that_cannot_be():
    with pytest.raises(ScriptError, match="no shot"):
        Cut("x", "24", ())
    with pytest.raises(ScriptError, match="has no frames from 5 to 5"):
        Cut("x", "24", (Event("a", Path("a.mov"), 5, 5),))
    with pytest.raises(ScriptError, match="no drop-frame"):
        Cut("x", "24", (Event("a", Path("a.mov"), 0, 5),), "01:00:00;00")


def test_the_bundled_script_goes_to_every_form(tmp_path):
    shots = draft(read_script(SAMPLE), "23.976")
    clips = {shot.id: tmp_path / f"{shot.name}.mov" for shot in shots[:-1]}
    cut = cut_of("The Last Bus: to the Sea", "23.976", shots, clips)
    paths = write_cut(cut, tmp_path / "out")
    assert [path.name for path in paths] == [
        f"The Last Bus_ to the Sea{suffix}" for suffix in (".otio", ".edl", ".xml", ".fcpxml", ".srt")
    ]
    timeline = adapters.read_from_file(str(paths[0]))
    assert rows_from_otio(timeline) == rows_of(cut)
    assert len(cut.events) == len(shots) - 1 and cut.frames == sum(shot.frames for shot in shots[:-1])
