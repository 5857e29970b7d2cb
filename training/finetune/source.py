"""The installed model a fine-tuning run goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diffscaler.errors import DiffScalerError
from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.models.spec import ModelSpec
from diffscaler.settings import read_settings
from training.events import RunError
from training.task import Place

FORMATS = {"torch.float32": "float32", "torch.bfloat16": "bfloat16", "torch.float16": "float16"}


@dataclass(frozen=True)
class Bench:
    """The device as loaders want it (models.device.Device), with nothing held back to save memory: a network that
    trains must lie on its device whole."""

    torch_name: str
    dtype: str
    name: str = "the trainer's device"
    rungs: tuple[str, ...] = ()
    budget_bytes: int = 0

    @classmethod
    def of(cls, place: Place) -> Bench:
        return cls(str(place.device), FORMATS[str(place.lower)])


def find_model(name_or_path: str) -> ModelSpec:
    """An installed model by its name, or one by its folder. Raises RunError."""
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return text2video_folder(path.resolve())
    try:
        spec = Catalogue(read_settings()).spec(name_or_path, "text2video")
    except DiffScalerError as error:
        raise RunError(
            f"{name_or_path[:80]} is neither an installed model nor a folder.", error.hint or "See models list."
        ) from None
    if spec.path is None or not spec.path.is_dir():
        raise RunError(f"{spec.title} is not installed.", f"Fetch it: python app.py models fetch {spec.name}")
    return spec


def cache_folder(said: str) -> Path:
    """Where encoded clips and captions are kept."""
    return Path(said).expanduser() if said else read_settings().data_dir / "training-cache"
