"""Which masks a swap is planned with: what was asked for, out of what is installed and may be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.faceswap.mask_params import KINDS, Front, MaskName
from diffscaler.faceswap.mask_stage import MaskFaces, MaskFacesParams
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node
from diffscaler.requests import FaceSwapRequest, FrontChoice

Spans = tuple[tuple[int, int], ...]

CALLED: dict[MaskName, str] = {"parsing": "face parser", "occluder": "face occluder", "landmarks": "face landmarks"}


def fronts(catalogue: Catalogue, wanted: FrontChoice, commercial_only: bool) -> tuple[Front, ...]:
    """What keeps things in front of faces. A parser takes hands for skin: without an occluder the looks help it."""
    if wanted == "none":
        return ()
    if wanted != "auto":
        return (wanted,)
    networks: tuple[MaskName, ...] = ("parsing", "occluder")
    there: list[Any] = [name for name in networks if usable(catalogue, name, commercial_only)]
    return (*there, *(() if "occluder" in there else ("looks",)))


def mask_nodes(
    catalogue: Catalogue,
    request: FaceSwapRequest,
    frames: Node,
    found: Node,
    wanted: Iterable[str],
    spans: Mapping[str, Spans] | None = None,
) -> dict[MaskName, Node]:
    """The masks to be made of a clip, by name: those of `wanted` that networks make, and outlines where one gives them.

    frames, found: the clip and its detections; spans: by name, the only frames a mask is wanted of
    Raises ModelNotFound when such a network is not installed, InvalidRequest when its licence is not wanted.
    """
    safe = request.commercial_only
    models = {name: network(catalogue, name, safe) for name in KINDS if name in wanted}
    if spec := usable(catalogue, "landmarks", safe):
        models["landmarks"] = spec
    made: dict[MaskName, Node] = {}
    for name, spec in models.items():
        values: dict[str, Any] = {"what": name, "wishes": [role.people for role in request.playing]}
        if name == "parsing":
            values["regions"] = request.regions
        if spans and name in spans:
            values["spans"] = spans[name]
        stage = MaskFaces(MaskFacesParams.model_validate(values), (catalogue.ref(spec),))
        made[name] = node(stage, frames, found)
    return made


def spans_of(request: FaceSwapRequest, fps: float) -> dict[str, Spans]:
    """The frames that corrections want done in each way, with as many around them as have a say in their masks."""
    reach = math.ceil(request.mask_steady * fps)
    found: dict[str, list[tuple[int, int]]] = {}
    for row in sorted(request.corrections, key=lambda row: row.start):
        start, stop = max(0, row.start - reach), row.stop + reach
        spans = found.setdefault(row.how, [])
        if spans and start <= spans[-1][1]:
            start, stop = spans[-1][0], max(stop, spans.pop()[1])
        spans.append((start, stop))
    return {how: tuple(spans) for how, spans in found.items()}


def mask_look(request: FaceSwapRequest, in_front: tuple[Front, ...], masks: Iterable[MaskName]) -> dict[str, Any]:
    """The fields of `MaskParams` for a stage whose last inputs are `masks`."""
    return {
        "in_front": in_front,
        "masks": tuple(masks),
        "padding": request.mask_padding,
        "blur": request.mask_blur,
        "steady": request.mask_steady,
    }


def usable(catalogue: Catalogue, name: MaskName, commercial_only: bool) -> ModelSpec | None:
    """The first network installed that makes a mask and may be used; None without one."""
    specs = catalogue.specs(KINDS[name])
    return next((spec for spec in specs if spec.commercial or not commercial_only), None)


def network(catalogue: Catalogue, name: MaskName, commercial_only: bool) -> ModelSpec:
    """The network that makes a mask. Raises ModelNotFound, InvalidRequest when its licence is not wanted."""
    if spec := usable(catalogue, name, commercial_only):
        return spec
    for spec in catalogue.specs(KINDS[name]):
        raise InvalidRequest(
            f"{spec.title} may not be used commercially.",
            "Let the looks say what stays in front, or allow every licence.",
        )
    card = next((known.spec.description for known in catalogue.known() if known.spec.kind == KINDS[name]), "")
    raise ModelNotFound(f"No {CALLED[name]} is installed.", card)
