"""What a plan will need, before anything runs: sizes, seconds, disk. A request that cannot fit is refused here."""

from __future__ import annotations

import shutil

from diffscaler import plan
from diffscaler.errors import InvalidRequest, NotEnoughRoom
from diffscaler.faceswap.redraw_stage import RedrawFaces
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.trim import trim, used_bytes
from diffscaler.media import ClipMeta
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import free_main_memory
from diffscaler.models.fit import Fit, Room, fit_model
from diffscaler.plan import Node
from diffscaler.progress import FIRST_GUESS, units
from diffscaler.text2video.stages import Denoise

MAX_SIDE = 16384

# Bytes per pixel that one stored frame takes; measured 0.02 (clean) to 1.25 MB (noisy) a frame at 720p, 0.5 in between.
FRAME_BYTES_PER_PIXEL = 0.5
FILE_BYTES_PER_PIXEL = 0.12

# A few copies of a frame are alive at once: made, waiting, being stored, read back, inside the encoder.
# A stage that works on several frames at a time says itself what it needs.
WORKING_BYTES_PER_PIXEL = 3 * 12


def meta_of_plan(library: ClipLibrary, node: Node) -> ClipMeta:
    """The facts of a node's clip: from the library when it is complete, else as its stages describe it."""
    if node.stage == plan.IMPORT or library.complete(node.key):
        return library.clip(node.key).meta
    return node.build().describe(tuple(meta_of_plan(library, source) for source in node.inputs))


def model_names(node: Node) -> str:
    return "+".join(model.name for model in node.models)


def seconds_of(library: ClipLibrary, node: Node) -> float:
    """Predicted seconds for one node, from what the same stage and models took here before."""
    work = units(meta_of_plan(library, node), getattr(node.build(), "effort", 1.0))
    pace = library.pace(node.stage, model_names(node))
    return work * (FIRST_GUESS.get(node.stage, 0.5) if pace is None else pace)


def disk_bytes_of(library: ClipLibrary, node: Node) -> int:
    """Predicted size of a node's clip once it is stored."""
    return disk_bytes(meta_of_plan(library, node), getattr(node.build(), "bytes_per_pixel", FILE_BYTES_PER_PIXEL))


def disk_bytes(meta: ClipMeta, file_bytes_per_pixel: float = FILE_BYTES_PER_PIXEL) -> int:
    """Predicted size of a stored clip."""
    if meta.kind == "tensors":
        return 2**16 * max(1, meta.num_frames)
    per_pixel = FRAME_BYTES_PER_PIXEL if meta.kind == "frames" else file_bytes_per_pixel
    return int(meta.width * meta.height * meta.num_frames * per_pixel)


def fit_of(catalogue: Catalogue, todo: list[Node], room: Room) -> Fit | None:
    """What the most demanding model of `todo` will need, and what will be done to make it fit; None without models."""
    fits = []
    specs = {spec.name: spec for spec in catalogue.specs()}
    for node in todo:
        for model in node.models:
            size = None
            if node.stage == Denoise.name:
                given = node.params
                size = (given["width"], given["height"], given["window"] or given["num_frames"])
            elif node.stage == RedrawFaces.name:
                size = (node.params["side"], node.params["side"], node.params["window"])
            fits.append(fit_model(specs[model.name], room, room.budget_bytes, size))
    return max(fits, key=lambda fit: fit.needed_bytes, default=None)


def check_room(library: ClipLibrary, todo: list[Node], reserve_bytes: int = 0) -> None:
    """Raise when the clips of `todo` would not fit.

    InvalidRequest: a size no file can have; NotEnoughRoom: more memory or disk than is free.
    """
    total = 0
    for node in todo:
        meta = meta_of_plan(library, node)
        if max(meta.width, meta.height) > MAX_SIDE:
            raise InvalidRequest(
                f"The result would be {meta.width} x {meta.height} pixels; {MAX_SIDE} a side is the limit.",
                "Use a smaller scale or a smaller clip.",
            )
        needed = meta.width * meta.height * getattr(node.build(), "working_bytes_per_pixel", WORKING_BYTES_PER_PIXEL)
        if needed > (free := free_main_memory()):
            raise NotEnoughRoom(
                f"Frames of {meta.width} x {meta.height} need about {needed / 1e9:.1f} GB of memory;"
                f" {free / 1e9:.1f} GB are free.",
                "Use a smaller scale or a smaller clip.",
            )
        total += max(0, disk_bytes_of(library, node) - library.stored_bytes(node.key))
    free = shutil.disk_usage(library.root).free - reserve_bytes
    if total > free and todo:
        # Intermediates of other clips can be made again; what this plan starts from stays.
        trim(library, used_bytes(library) - (total - free), spare=plan.nodes(todo[-1]))
        free = shutil.disk_usage(library.root).free - reserve_bytes
    if total > free:
        raise NotEnoughRoom(
            f"This needs about {total / 1e9:.1f} GB of disk; {max(0, free) / 1e9:.1f} GB are free.",
            "Use a shorter clip or a smaller scale, or remove clips from the library.",
        )
