"""Small pieces of the page's HTML. Everything a person or a file could have written is escaped here."""

from __future__ import annotations

from html import escape
from typing import Any

from diffscaler.library.clips import Clip
from diffscaler.media import ClipMeta
from diffscaler.plan import IMPORT, nodes
from diffscaler.studio import Studio
from diffscaler.video.encodings import formats
from ui.pictures import media_url, poster_url

VIDEO_SUFFIXES = ("mp4", "webm", "m4v", "mov")
PICTURE_SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif", "avif", "bmp")


def do(
    verb: str,
    label: str,
    *,
    cls: str = "",
    title: str = "",
    disabled: bool = False,
    pressed: bool | None = None,
    **data: str,
) -> str:
    """A button that sends `verb` and `data` to the pane's click handler. label: HTML; pressed: whether it is down"""
    extra = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    hint = f' title="{escape(title)}"' if title else ""
    off = " disabled" if disabled else ""
    off += "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
    return f'<button type="button" class="{cls}" data-do="{verb}"{extra}{hint}{off}>{label}</button>'


def message(sentence: str, hint: str = "", kind: str = "error") -> str:
    """What went wrong and what to try, read out by screen readers."""
    if not sentence:
        return ""
    return f'<div class="say {kind}" role="alert"><b>{escape(sentence)}</b> {escape(hint)}</div>'


def player(studio: Studio, clip: Clip, *, label: str = "", controls: bool = True) -> str:
    """The clip itself, looping, or its picture; for a file that no browser plays, its poster."""
    url, poster = media_url(studio, clip), poster_url(studio, clip)
    suffix = url.rsplit(".", 1)[-1].lower() if url else ""
    shape = f"--w:{max(1, clip.meta.width)};--h:{max(1, clip.meta.height)}"
    name = escape(label or clip.title)
    if suffix in VIDEO_SUFFIXES and not edit_file(clip):
        # Browsers start a clip by themselves only when it is muted.
        back = f' poster="{poster}"' if poster else ""
        return (
            f'<video class="media" style="{shape}" src="{url}"{back} aria-label="{name}" tabindex="0"'
            f' loop autoplay muted playsinline{" controls" if controls else ""} preload="auto"></video>'
        )
    picture = url if suffix in PICTURE_SUFFIXES else poster
    if picture is None:
        return '<p class="invite quiet">The file of this clip is gone.</p>'
    return f'<img class="media" style="{shape}" src="{picture}" alt="{name}">'


def edit_file(clip: Clip) -> bool:
    """Whether a clip is a file for an edit suite, which no browser plays."""
    form = formats().get(str(clip.node.params.get("encoding")))
    return form is not None and form.muxer == "mov"


def size_of(meta: ClipMeta) -> str:
    """ "512 × 512, 16 frames, 2.0 s" """
    text = f"{meta.width} × {meta.height}"
    if meta.still:
        return text
    return f"{text}, {meta.num_frames} frames, {meta.duration_s:.1f} s"


def notes_of(studio: Studio, clip: Clip) -> list[str]:
    """What must be told about how a clip was made, first stage first, each fact once."""
    found: dict[str, None] = {}
    for node in nodes(clip.node):
        if node.stage != IMPORT and studio.library.complete(node.key):
            found.update(dict.fromkeys(studio.library.clip(node.key).notes))
    return list(found)


def models_of(studio: Studio, clip: Clip) -> list[str]:
    """Titles of the models behind a clip, e.g. "mini, built in"."""
    titles = {spec.name: spec.title for spec in studio.catalogue.specs()}
    found: dict[str, None] = {}
    for node in nodes(clip.node):
        found.update(dict.fromkeys(titles.get(ref.name, ref.name) for ref in node.models))
    return list(found)


def facts(studio: Studio, clip: Clip) -> str:
    """One line under a clip: what ran, seed, size."""
    request = clip.request or {}
    notes = notes_of(studio, clip)
    # A note that begins with a model's title says where it ran as well.
    parts = [title for title in models_of(studio, clip) if not any(note.startswith(title) for note in notes)]
    parts += notes if parts or notes else ["imported"]
    if request.get("seed") is not None and not _swapped_without_chance(clip):
        parts.append(f"seed {request['seed']}")
    parts.append(size_of(clip.meta))
    parts.append(weight(clip.size_bytes))
    return '<p class="facts">' + "".join(f"<span>{escape(str(part))}</span>" for part in parts) + "</p>"


def _swapped_without_chance(clip: Clip) -> bool:
    """Whether a clip is a face swap by an engine that draws nothing at random: its request has a seed all the same."""
    swapped = (clip.request or {}).get("type") == "FaceSwapRequest"
    return swapped and all(node.stage != "redraw_faces" for node in nodes(clip.node))


def weight(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{max(1, size_bytes // 1000)} kB"


def verbs(studio: Studio, clip: Clip, *, compared: bool = False) -> str:
    """The same row under every clip. compared: it is beside its source already."""
    url = media_url(studio, clip)
    usable = clip.meta.kind != "tensors"
    row = [
        do("swap", "Swap faces", key=clip.key, disabled=not usable),
        do("upscale", "Upscale", key=clip.key, disabled=not usable),
        do(
            "deliver",
            "Deliver",
            key=clip.key,
            disabled=not usable,
            title="As a file for an edit suite, a phone, a link",
        ),
        do("reuse", "Use settings", key=clip.key, disabled=not clip.request),
    ]
    if not compared and (clip.request or {}).get("clip"):
        row.append(do("compare", "Compare", key=clip.key, title="Before and after"))
    if url:
        name = escape(download_name(clip, url))
        row.append(f'<a class="verb" href="{url}" download="{name}">Download</a>')
    row.append(do("delete", "Delete", key=clip.key, cls="danger"))
    return '<div class="verbs">' + "".join(row) + "</div>"


def download_name(clip: Clip, url: str) -> str:
    """A file name made from the clip's title, with the suffix of the file behind `url`."""
    words = "".join(char if char.isalnum() else " " for char in clip.title).split()
    return f"{'-'.join(words)[:60].lower() or 'clip'}.{url.rsplit('.', 1)[-1]}"


def card(studio: Studio, clip: Clip, *, picked: bool = False, verb: str = "pick") -> str:
    """A clip as a picture to choose."""
    poster = poster_url(studio, clip)
    image = f'<img src="{poster}" alt="" loading="lazy">' if poster else '<span class="blank"></span>'
    length = "" if clip.meta.still else f'<span class="tc">{clip.meta.duration_s:.1f} s</span>'
    pressed = str(picked).lower()
    return (
        f'<button type="button" class="card" data-do="{verb}" data-key="{clip.key}" aria-pressed="{pressed}"'
        f' title="{escape(clip.title)}">{image}{length}<span class="name">{escape(clip.title)}</span></button>'
    )


def bar(fraction: float, label: Any = "") -> str:
    """A progress bar. fraction: 0 to 1."""
    percent = round(100 * min(1.0, max(0.0, fraction)))
    return (
        f'<div class="bar" role="progressbar" aria-label="{escape(str(label))}" aria-valuemin="0" aria-valuemax="100"'
        f' aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
    )
