"""Networks that make of a frame what a ControlNet reads, tell what is in front in it, or how well words fit it: folders
as transformers saves them, told apart by what their config.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.source import read_record
from diffscaler.models.spec import ModelKind, ModelSpec
from diffscaler.wording import bytes_in_words

if TYPE_CHECKING:
    from diffscaler.models.catalogue import Catalogue


class Annotator(NamedTuple):
    """What a folder holds. loader: as in ModelSpec; network, processor: classes of transformers"""

    kind: ModelKind
    loader: str
    network: str
    processor: str


_AT = "diffscaler.text2video.annotators"
_DEPTH, _POSE, _PEOPLE = f"{_AT}.depth:load_depth", f"{_AT}.pose:load_pose", f"{_AT}.people:load_people"
_THINGS = f"{_AT}.segments:load_segmenter"
_FIT = "diffscaler.scorers.clip:load_clip"

#: model_type in a config.json -> what it is.
ANNOTATORS: dict[str, Annotator] = {
    "depth_anything": Annotator("depth_estimator", _DEPTH, "DepthAnythingForDepthEstimation", "DPTImageProcessor"),
    "dpt": Annotator("depth_estimator", _DEPTH, "DPTForDepthEstimation", "DPTImageProcessor"),
    "vitpose": Annotator("pose_estimator", _POSE, "VitPoseForPoseEstimation", "VitPoseImageProcessor"),
    "rt_detr": Annotator("person_detector", _PEOPLE, "RTDetrForObjectDetection", "RTDetrImageProcessor"),
    "rt_detr_v2": Annotator("person_detector", _PEOPLE, "RTDetrV2ForObjectDetection", "RTDetrImageProcessor"),
    "segformer": Annotator("segmenter", _THINGS, "SegformerForSemanticSegmentation", "SegformerImageProcessor"),
    "mobilenet_v2": Annotator("segmenter", _THINGS, "MobileNetV2ForSemanticSegmentation", "MobileNetV2ImageProcessor"),
    "clip": Annotator("caption_scorer", _FIT, "CLIPModel", "CLIPProcessor"),
}

#: What each kind does, to a person.
DOES: dict[ModelKind, str] = {
    "depth_estimator": "measures depth",
    "pose_estimator": "finds poses",
    "person_detector": "finds people",
    "segmenter": "tells what is where",
    "caption_scorer": "tells how well words fit a picture",
}

#: Whole, or in shards; a pickle is read for its tensors alone.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def annotator_in(text: str) -> Annotator | None:
    """What the text of a config.json describes; None when that is no annotator."""
    try:
        config = json.loads(text)
        found = ANNOTATORS.get(config["model_type"])
        # The same backbone may carry another head: DPT also divides pictures into classes.
        return found if found and found.network in (config.get("architectures") or [found.network]) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def annotator_of(folder: Path) -> Annotator | None:
    """What a folder holds; None when that is no annotator, or it has no weights."""
    if not any((folder / name).is_file() for name in WEIGHTS):
        return None
    try:
        return annotator_in((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def annotator_folder(path: Path) -> ModelSpec | None:
    """The model in a folder; None when it is no annotator."""
    found = annotator_of(path)
    if found is None:
        return None
    from diffscaler.models.catalogue import plain  # it imports this file

    record = read_record(path)
    return ModelSpec(
        name=plain(path.name),
        title=path.name,
        kind=found.kind,
        path=path,
        loader=found.loader,
        licence=record.licence if record else "unknown",
        working_bytes=annotator_bytes(path),
    )


def annotator_bytes(path: Path) -> int:
    """Memory an annotator takes at work: its weights, perhaps in a wider number format, and one frame at a time.

    Networks of the sizes the studio describes took 220 to 260 MiB beside their weights (CPU, float32, 672 x 384).
    """
    files = list(path.glob("*.safetensors")) or list(path.glob("*.bin"))
    return sum(file.stat().st_size for file in files) * 2 + 300 * 2**20


def check_annotator(path: Path) -> None:
    """Raise InvalidRequest, with the reason, for a folder with a config.json that is no annotator."""
    if annotator_of(path) is None and (path / "config.json").is_file():
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            what = str((config.get("architectures") or [config.get("model_type", "network")])[0])[:60]
        except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError):
            what = "folder whose config.json cannot be read"
        networks = ", ".join(annotator.network for annotator in ANNOTATORS.values())
        raise InvalidRequest(
            f"{path.name} is no model that the studio knows: a {what}, or one without weights.",
            f"Beside diffusers folders it takes {networks}.",
        )


def pick_annotator(catalogue: Catalogue, kind: ModelKind, name: str = "") -> ModelSpec:
    """The installed model of a kind called `name`, or the first one. Raises ModelNotFound with how to get one."""
    specs = catalogue.specs(kind)
    for spec in specs:
        if name in ("", spec.name):
            return spec
    if specs:
        raise ModelNotFound(
            f"There is no model called {name[:60]!r} here that {DOES[kind]}.",
            f"Installed: {', '.join(spec.name for spec in specs)}.",
        )
    first = next(known.spec for known in catalogue.known() if known.spec.kind == kind)
    raise ModelNotFound(
        f"No model that {DOES[kind]} is installed.",
        f"`python app.py models get {first.name}` installs one ({bytes_in_words(first.download_bytes)}).",
    )
