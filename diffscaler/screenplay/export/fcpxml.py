"""FCPXML 1.8: what Final Cut Pro and Resolve read. All times are fractions of a second, whole frames exactly."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

from diffscaler.screenplay.export.cut import Cut
from diffscaler.screenplay.rates import rate_of


def fcpxml_of(cut: Cut) -> bytes:
    """The bytes of an .fcpxml file, UTF-8."""
    rate = rate_of(cut.rate)
    root = ElementTree.Element("fcpxml", version="1.8")
    resources = ElementTree.SubElement(root, "resources")
    form = {"id": "r1", "frameDuration": time_of(1, rate), "width": str(cut.width), "height": str(cut.height)}
    ElementTree.SubElement(resources, "format", form)
    assets: dict[str, str] = {}
    for event in cut.events:
        if event.url in assets:
            continue
        assets[event.url] = f"r{len(assets) + 2}"
        asset = ElementTree.SubElement(resources, "asset", {
            "id": assets[event.url], "name": event.clip.stem, "src": event.url,
            "start": time_of(event.clip_start, rate), "duration": time_of(event.available, rate), "hasVideo": "1",
            "format": "r1",
        })  # fmt: skip
        if event.sound:
            asset.attrib |= {"hasAudio": "1", "audioSources": "1", "audioChannels": "2", "audioRate": "48000"}
    library = ElementTree.SubElement(root, "library")
    project = ElementTree.SubElement(ElementTree.SubElement(library, "event", name=cut.name), "project", name=cut.name)
    sequence = ElementTree.SubElement(project, "sequence", {
        "format": "r1", "duration": time_of(cut.frames, rate), "tcStart": time_of(cut.start_frame, rate),
        "tcFormat": "DF" if cut.drop_frame else "NDF",
    })  # fmt: skip
    spine = ElementTree.SubElement(sequence, "spine")
    for event, at in zip(cut.events, cut.record_starts, strict=True):
        begins = cut.start_frame + at
        if half := event.dissolve // 2:
            _transition(spine, begins - half, 2 * half, rate)
        if event.fade_in:
            _transition(spine, begins, event.fade_in, rate)
        clip = ElementTree.SubElement(spine, "asset-clip", {
            "ref": assets[event.url], "name": event.name, "offset": time_of(begins, rate),
            "start": time_of(event.clip_start + event.start, rate), "duration": time_of(event.frames, rate),
            "format": "r1", "tcFormat": "DF" if cut.drop_frame else "NDF",
        })  # fmt: skip
        if event.comment:
            ElementTree.SubElement(clip, "note").text = event.comment
        if event.fade_out:
            _transition(spine, begins + event.frames - event.fade_out, event.fade_out, rate)
    ElementTree.indent(root)
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    return head + ElementTree.tostring(root, "utf-8") + b"\n"


def _transition(spine: ElementTree.Element, at: int, frames: int, rate: Fraction) -> None:
    """Between two clips it lies over the cut; at the end of one beside nothing it is a fade."""
    told = {"name": "Cross Dissolve", "offset": time_of(at, rate), "duration": time_of(frames, rate)}
    ElementTree.SubElement(spine, "transition", told)


def time_of(frames: int, rate: Fraction) -> str:
    """Whole frames in seconds as FCPXML writes them: "3600s", "1001/24000s"."""
    seconds = frames / rate
    if seconds.denominator == 1:
        return f"{seconds.numerator}s"
    return f"{frames * rate.denominator}/{rate.numerator}s"
