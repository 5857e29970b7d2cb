"""How a clip was made, drawn as a chain of pictures: every stage with what it was told and who did the work."""

from __future__ import annotations

from html import escape
from typing import Any

from diffscaler.library.clips import Clip
from diffscaler.plan import IMPORT, Node, nodes
from diffscaler.stages import stage_class
from diffscaler.studio import Studio
from ui.pictures import poster_url

NAMES = {
    "import": "Imported",
    "encode_text": "Prompt read",
    "control_frames": "Clip to follow read",
    "control_depth": "Clip to follow: depth",
    "control_pose": "Clip to follow: poses",
    "source_frames": "Clip to redraw read",
    "encode_source": "Clip to redraw encoded",
    "encode_reference": "Reference picture seen",
    "denoise": "Drawn",
    "decode": "Developed",
    "decode_sound": "Sound developed",
    "detect_faces": "Faces found",
    "mask_faces": "Face masks made",
    "list_people": "People told apart",
    "swap_face": "Faces swapped",
    "correct_swap": "Frames corrected",
    "restore_faces": "Faces sharpened",
    "excerpt": "A part to try",
    "upscale": "Upscaled",
    "upscale_pair": "Drawn larger",
    "upscale_sd": "Drawn larger",
    "steady": "Held steady",
    "resize": "Fitted in size",
    "interpolate": "Frames drawn between",
    "interpolate_pair": "Frames drawn between",
    "identify_people": "Who people are, read",
    "redraw_faces": "Faces redrawn",
    "review_swap": "Swap reviewed",
    "inspect_photo": "Photo looked at",
    "beginning": "What was finished, taken",
    "alpha": "Transparency read",
    "measure": "Read back",
    "fit_shot": "Fitted into the film",
    "title_card": "Card written",
    "slate": "Slate written",
    "speak": "Line spoken",
    "join_shots": "Shots joined",
    "encode": "Delivered",
}
LEFT_OUT = ("sha256", "photos", "about", "cast", "corrections", "wishes", "masks")


def chain(studio: Studio, clip: Clip) -> str:
    """The stages behind a clip, first to last."""
    steps = "".join(step(studio, node) for node in nodes(clip.node))
    about: dict[str, Any] = clip.node.params.get("about", {})
    said = f'<p class="facts"><span>consent: {escape(str(about["consent"]))}</span></p>' if about.get("consent") else ""
    return f'<ol class="chain" aria-label="How it was made">{steps}</ol>{said}'


def step(studio: Studio, node: Node) -> str:
    kept = studio.library.clip(node.key) if studio.library.complete(node.key) else None
    poster = poster_url(studio, kept) if kept else None
    image = f'<img src="{poster}" alt="" loading="lazy">' if poster else ""
    lines = [titled(studio, node), *(model.name for model in node.models), *(kept.notes if kept else ())]
    if kept is None and node.stage != IMPORT:
        lines.append("no longer kept")
    inside = "".join(f"<li>{escape(str(line))}</li>" for line in lines if line)
    return f"<li>{image}<div><b>{escape(NAMES.get(node.stage, node.stage))}</b><ul>{inside}</ul></div></li>"


def titled(studio: Studio, node: Node) -> str:
    """A stage's parameters in a line."""
    if node.stage == IMPORT:
        return studio.library.file_name(str(node.params["sha256"]))
    usual = {name: field.default for name, field in stage_class(node.stage).Params.model_fields.items()}
    # What is as usual says nothing about this clip.
    parts = [f"{name.replace('_', ' ')} {told(value)}" for name, value in node.params.items()
             if name not in LEFT_OUT and value not in ("", None, []) and value != plain(usual.get(name))]  # fmt: skip
    if node.params.get("in_front") == []:
        parts.append("nothing in front")
    if photos := [*node.params.get("photos", ()), *photos_of_cast(node)]:
        names = (studio.library.file_name(str(sha256)) for sha256 in photos)
        parts.append("face from " + ", ".join(dict.fromkeys(names)))
    parts += [corrected(row) for row in node.params.get("corrections", ())]
    return ", ".join(parts)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def told(value: Any) -> str:
    """A value in words: "parsing, looks" for a list."""
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def photos_of_cast(node: Node) -> list[str]:
    """SHA-256 of every performer's photos."""
    return [str(sha256) for role in node.params.get("cast", ()) for sha256 in role.get("photos", ())]


def corrected(row: dict[str, Any]) -> str:
    """ "frames 2-3: skip"; frames are counted from 1, as people count."""
    first, last = int(row["start"]) + 1, int(row["stop"])
    return f"frame{'s' if last > first else ''} {first if first == last else f'{first}-{last}'}: {row['how']}"
