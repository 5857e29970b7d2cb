"""Gradio controls made from a request's fields, so that a range is stated once, in diffscaler/requests.py."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr
from annotated_types import Ge, Le, MaxLen, MultipleOf
from pydantic.fields import FieldInfo

from diffscaler.requests import Request
from diffscaler.video.destination import offered
from diffscaler.video.encodings import formats

Controls = dict[str, Any]

LONG_TEXT = 500
SLIDER_STEPS = 1000
# Fields whose words read better than their values.
WORDS: dict[str, dict[Any, str]] = {
    "scale": {1: "off", 2: "2×", 4: "4×"},
    "fps_times": {1: "as it is", 2: "2×", 4: "4×"},
    "engine": {
        "auto": "best there is",
        "builtin": "built in",
        "inswapper": "inswapper",
        "ghost": "GHOST",
        "diffusion": "diffusion: redraw",
    },
    "scheduler": {
        "native": "the model's own",
        "ddim": "DDIM",
        "euler": "Euler",
        "euler-a": "Euler, ancestral",
        "dpm++2m": "DPM++ 2M",
        "unipc": "UniPC",
        "lcm": "LCM",
    },
    "aspect": {"native": "the model's own"},
    "control_kind": {"canny": "edges", "pose": "poses", "none": "as it is"},
    "in_front": {
        "auto": "automatic",
        "parsing": "what the face parser sees",
        "occluder": "what the occluder sees",
        "looks": "what looks unlike the face",
        "none": "nothing",
    },
    "cards": {"none": "none", "scenes": "before scenes", "shots": "and shots"},
    "speech": {"auto": "spoken", "off": "silent"},
    "sound_track": {"mixed": "with the dialogue", "own": "its own"},
    "media": {"clips": "as drawn", "prores": "ProRes", "dnxhr": "DNxHR", "mp4": "MP4"},
    "items": {
        "animatic": "Animatic, MP4",
        "cut": "Cut and clips: OTIO, EDL, FCP7 XML, FCPXML, SRT",
        "pdf": "Board, PDF",
        "html": "Board, web page",
        "sheet": "Contact sheets",
        "list": "Shot list, CSV",
        "film": "The film, to open again",
        "everything": "The film, all takes",
    },
    "people": {"all": "everyone", "largest": "the one seen longest"},
}


def control(model: type[Request], name: str, **overrides: Any) -> Any:
    """The control for one field. overrides: keyword arguments of the Gradio component."""
    field = model.model_fields[name]
    kind, optional = inner_type(field.annotation)
    common: dict[str, Any] = {
        "label": field.title or name,
        "info": field.description,
        "elem_id": f"{model.__name__}-{name}",
    }
    common |= {"value": None if field.is_required() else field.default} | overrides
    limits = limits_of(field)
    if name == "encoding":
        common.setdefault("choices", encodings(get_args(kind)))
    if "choices" in common:
        return gr.Dropdown(**common)
    if get_origin(kind) is Literal:
        values = get_args(kind)
        choices = [(WORDS.get(name, {}).get(value, str(value)), value) for value in values]
        return gr.Radio(choices, **common) if len(choices) < 6 else gr.Dropdown(choices, **common)
    if get_origin(kind) is tuple:  # of Literals: some of them
        values = get_args(get_args(kind)[0])
        choices = [(WORDS.get(name, {}).get(value, str(value)), value) for value in values]
        return gr.CheckboxGroup(choices, **common | {"value": list(common["value"] or ())})
    if kind is bool:
        return gr.Checkbox(**common)
    if kind in (int, float) and optional:
        # gr.Number turns "empty" into 0. The request reads the text, and words what is wrong with it.
        return gr.Textbox(**{"placeholder": "automatic", "max_lines": 1, **common})
    if kind in (int, float) and not slides(limits):
        return gr.Number(precision=0 if kind is int else None, **common)
    if kind in (int, float):
        fine = 0.05 if limits["maximum"] - limits["minimum"] >= 0.5 else 0.01
        step = limits.get("step", 1 if kind is int else fine)
        return gr.Slider(limits["minimum"], limits["maximum"], step=step, **common)
    if kind is str:
        length = limits.get("max_length")
        lines = 3 if (length or 0) > LONG_TEXT else 1
        common = {"max_length": length, "lines": lines, **common}
        return gr.Textbox(**common)
    raise TypeError(f"no control for {model.__name__}.{name}: {kind}")


def encodings(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """(title, name) of the file formats that can be written here."""
    titles = {name: form.title for name, form in formats().items()}
    return [(titles.get(name, "automatic"), name) for name in offered(names)]


def more(model: type[Request], names: Iterable[str] | None = None, **overrides: dict[str, Any]) -> Controls:
    """The fields that wait under "More", placed here, one group per intent. overrides: by field name."""
    groups: dict[str, list[str]] = {}
    for name, field in model.model_fields.items():
        group = group_of(field)
        if group and (names is None or name in names):
            groups.setdefault(group, []).append(name)
    made: Controls = {}
    with gr.Accordion("More", open=False, elem_classes=["more"]):
        for group, members in groups.items():
            gr.HTML(f'<h3 class="group">{group}</h3>')
            with gr.Row(elem_classes=["fields"]):
                for name in members:
                    made[name] = control(model, name, **overrides.get(name, {}))
    return made


def group_of(field: FieldInfo) -> str | None:
    """The group a field waits in under "More", or None for one that is always in sight."""
    extra = field.json_schema_extra
    return str(extra["group"]) if isinstance(extra, dict) and "group" in extra else None


def inner_type(annotation: Any) -> tuple[Any, bool]:
    """A field's type without Optional, and whether it was."""
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return parts[0], len(parts) < len(get_args(annotation))
    return annotation, False


def limits_of(field: FieldInfo) -> dict[str, Any]:
    """minimum, maximum, step, max_length: those a field states."""
    found: dict[str, Any] = {}
    for rule in field.metadata:
        if isinstance(rule, Ge):
            found["minimum"] = rule.ge
        elif isinstance(rule, Le):
            found["maximum"] = rule.le
        elif isinstance(rule, MultipleOf):
            found["step"] = rule.multiple_of
        elif isinstance(rule, MaxLen):
            found["max_length"] = rule.max_length
    return found


def slides(limits: dict[str, Any]) -> bool:
    """Whether a range is one a slider can set with some precision."""
    return {"minimum", "maximum"} <= set(limits) and limits["maximum"] - limits["minimum"] <= SLIDER_STEPS * limits.get(
        "step", 1
    )


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Values without those left empty: the request's own defaults stand for them."""
    return {name: value for name, value in values.items() if value is not None and value != ""}
