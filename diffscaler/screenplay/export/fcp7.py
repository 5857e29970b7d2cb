"""FCP7 XML (xmeml 5): what Premiere, Resolve and Avid read as "Final Cut Pro XML"."""

from __future__ import annotations

from xml.etree import ElementTree

from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.export.timecode import nominal, timecode_of
from diffscaler.screenplay.rates import rate_of

Node = ElementTree.Element
AUDIO_TRACKS = 2
SAMPLE_RATE = 48000


def fcp7_of(cut: Cut) -> bytes:
    """The bytes of an .xml file, UTF-8."""
    root = Node("xmeml", version="5")
    sequence = ElementTree.SubElement(root, "sequence", id="sequence-1")
    _add(sequence, "name", cut.name)
    _add(sequence, "duration", cut.frames)
    _rate(sequence, cut)
    _timecode(sequence, cut, cut.start_frame)
    media = ElementTree.SubElement(sequence, "media")
    video = ElementTree.SubElement(media, "video")
    _picture(ElementTree.SubElement(video, "format"), cut)
    files: dict[str, str] = {}
    track = ElementTree.SubElement(video, "track")
    for number, event in enumerate(cut.events):
        at, half = cut.record_starts[number], event.dissolve // 2
        if half:
            _transition(track, cut, at - half, at + half, "center")
        if event.fade_in:
            _transition(track, cut, at, at + event.fade_in, "start-black")
        _clip_item(track, cut, number, 0, files)
        if event.fade_out:
            _transition(track, cut, at + event.frames - event.fade_out, at + event.frames, "end-black")
    if any(event.sound for event in cut.events):
        audio = ElementTree.SubElement(media, "audio")
        for channel in range(1, AUDIO_TRACKS + 1):
            track = ElementTree.SubElement(audio, "track")
            for number, event in enumerate(cut.events):
                if event.sound:
                    _clip_item(track, cut, number, channel, files)
    ElementTree.indent(root)
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
    return head + ElementTree.tostring(root, "utf-8") + b"\n"


def _clip_item(track: Node, cut: Cut, number: int, channel: int, files: dict[str, str]) -> None:
    """channel: of the sound, from 1; 0 for the picture."""
    event, at = cut.events[number], cut.record_starts[number]
    item = ElementTree.SubElement(track, "clipitem", id=_item_id(number, channel))
    _add(item, "name", event.name)
    _add(item, "enabled", "TRUE")
    _add(item, "duration", event.available)
    _rate(item, cut)
    for name, frame in _times(cut, number, at, picture=not channel):
        _add(item, name, frame)
    _file(item, cut, event, files)
    if channel:
        source = ElementTree.SubElement(item, "sourcetrack")
        _add(source, "mediatype", "audio")
        _add(source, "trackindex", channel)
    if event.sound:
        for linked in range(AUDIO_TRACKS + 1):
            link = ElementTree.SubElement(item, "link")
            _add(link, "linkclipref", _item_id(number, linked))
            _add(link, "mediatype", "audio" if linked else "video")
            _add(link, "trackindex", linked or 1)
            _add(link, "clipindex", 1 + sum(one.sound or not linked for one in cut.events[:number]))
    if event.comment:
        _add(ElementTree.SubElement(item, "comments"), "mastercomment1", event.comment)


def _times(cut: Cut, number: int, at: int, picture: bool) -> tuple[tuple[str, int], ...]:
    """An end at a transition is told as -1: the transition says where it lies; in and out then take the handle in."""
    event = cut.events[number]
    if not picture:
        return (("start", at), ("end", at + event.frames), ("in", event.start), ("out", event.stop))
    begins, ends = event.dissolve or event.fade_in, cut.dissolve_after(number) or event.fade_out
    return (
        ("start", -1 if begins else at),
        ("end", -1 if ends else at + event.frames),
        ("in", event.start - event.dissolve // 2),
        ("out", event.stop + cut.dissolve_after(number) // 2),
    )


def _transition(track: Node, cut: Cut, start: int, end: int, alignment: str) -> None:
    """A dissolve between two clip items, or between one and black. start, end: frames of the cut"""
    item = ElementTree.SubElement(track, "transitionitem")
    _rate(item, cut)
    _add(item, "start", start)
    _add(item, "end", end)
    _add(item, "alignment", alignment)
    effect = ElementTree.SubElement(item, "effect")
    names = ("name", "Cross Dissolve"), ("effectid", "Cross Dissolve"), ("effectcategory", "Dissolve")
    for name, value in (*names, ("effecttype", "transition"), ("mediatype", "video")):
        _add(effect, name, value)


def _file(item: Node, cut: Cut, event: Event, files: dict[str, str]) -> None:
    """The file, told once and referred to after that."""
    known = event.url in files
    file = ElementTree.SubElement(item, "file", id=files.setdefault(event.url, f"file-{len(files) + 1}"))
    if known:
        return
    _add(file, "name", event.clip.name)
    _add(file, "pathurl", event.url.replace("file:///", "file://localhost/", 1))
    _rate(file, cut)
    _add(file, "duration", event.available)
    timecode = _timecode(file, cut, event.clip_start)
    _add(ElementTree.SubElement(timecode, "reel"), "name", event.reel_name)
    media = ElementTree.SubElement(file, "media")
    _picture(ElementTree.SubElement(media, "video"), cut)
    if event.sound:
        audio = ElementTree.SubElement(media, "audio")
        form = ElementTree.SubElement(audio, "samplecharacteristics")
        _add(form, "depth", 16)
        _add(form, "samplerate", SAMPLE_RATE)
        _add(audio, "channelcount", AUDIO_TRACKS)


def _picture(node: Node, cut: Cut) -> None:
    form = ElementTree.SubElement(node, "samplecharacteristics")
    _rate(form, cut)
    _add(form, "width", cut.width)
    _add(form, "height", cut.height)
    _add(form, "pixelaspectratio", "square")


def _rate(node: Node, cut: Cut) -> None:
    rate = ElementTree.SubElement(node, "rate")
    _add(rate, "timebase", nominal(cut.rate))
    _add(rate, "ntsc", "FALSE" if rate_of(cut.rate).denominator == 1 else "TRUE")


def _timecode(node: Node, cut: Cut, frame: int) -> Node:
    timecode = ElementTree.SubElement(node, "timecode")
    _rate(timecode, cut)
    _add(timecode, "string", timecode_of(frame, cut.rate, cut.drop_frame))
    _add(timecode, "frame", frame)
    _add(timecode, "displayformat", "DF" if cut.drop_frame else "NDF")
    return timecode


def _item_id(number: int, channel: int) -> str:
    return f"clipitem-{number + 1}" + (f"-a{channel}" if channel else "")


def _add(node: Node, name: str, value: object) -> None:
    ElementTree.SubElement(node, name).text = str(value)
