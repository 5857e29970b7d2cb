"""What the Training tab asks, and the trainer's configuration file made from it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from diffscaler.errors import InvalidRequest
from diffscaler.models.catalogue import Catalogue, plain
from diffscaler.requests import Request, more
from diffscaler.settings import Settings
from ui.training_events import read_run

MAX_NAME = 60
# Folders with a meaning of their own, and names Windows keeps for itself.
RESERVED = ("upscalers", "con", "nul", "aux", "prn")
CLIP_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png", ".jpg", ".jpeg")


class TrainRequest(Request):
    """A training run as the page asks for it; training/config.py knows many more settings."""

    name: str = Field(
        title="Name", min_length=1, max_length=MAX_NAME, description="The model appears under it in Text to video."
    )
    recipe: Literal["mini", "upscaler", "temporal", "motion-lora", "one-shot"] = Field(
        "mini", title="Train", description="What is trained."
    )
    start: Literal["built in", "scratch"] = Field(
        "built in", title="Start from", description="Scratch takes hours, not minutes."
    )
    folder: str = Field(
        "",
        title="Folder of clips",
        max_length=1000,
        description="On this computer; each clip with a .txt caption beside it.",
    )
    steps: int = Field(200, title="Steps", ge=4, le=100_000, description="200 take some ten minutes on two cores.")
    learning_rate: float = Field(
        3e-4,
        title="Learning rate",
        gt=0,
        le=0.1,
        description="Lower is safer. (learning_rate)",
        json_schema_extra=more("Learning"),
    )
    base: str = Field(
        "hotshot-xl",
        title="Model to tune",
        max_length=1000,
        description="For motion and for one clip: its name in the model list, or its folder on this computer.",
        json_schema_extra=more("Learning"),
    )
    num_scenes: int = Field(
        300,
        title="Scenes",
        ge=4,
        le=20_000,
        description="Drawn by the program when no clips are given. (num_scenes)",
        json_schema_extra=more("Learning"),
    )
    size: int = Field(
        128,
        title="Size",
        ge=32,
        le=256,
        multiple_of=16,
        description="Pixels a side. (size)",
        json_schema_extra=more("Picture"),
    )
    num_frames: int = Field(
        16, title="Frames", ge=2, le=32, description="Length of a clip. (num_frames)", json_schema_extra=more("Picture")
    )
    sample_every: int = Field(
        50,
        title="Sample every",
        ge=0,
        le=100_000,
        description="Steps between samples; 0 draws none. (sample_every)",
        json_schema_extra=more("Watching"),
    )
    sample_prompts: str = Field(
        "",
        title="Sample prompts",
        max_length=500,
        description="Separated by semicolons. (sample_prompts)",
        json_schema_extra=more("Watching"),
    )
    seed: int = Field(
        0,
        title="Seed",
        ge=0,
        lt=2**31,
        description="The same seed trains the same model.",
        json_schema_extra=more("Repeatability"),
    )


#: Recipes that go on from an installed model (training/recipes).
TUNING = ("temporal", "motion-lora", "one-shot")


def folders(settings: Settings, name: str) -> tuple[Path, Path]:
    """(where the run's configuration and dropped clips lie, where its model goes) for a model name."""
    tidy = re.sub(r"\s+", "-", name.strip())
    safe = plain(tidy)[:MAX_NAME]
    if safe != tidy or safe.lower() in RESERVED:  # two names must never share a folder
        safe = f"{safe}-{hashlib.sha256(tidy.encode()).hexdigest()[:6]}"
    return settings.data_dir / "training" / safe, settings.models_dir / safe


def write_config(request: TrainRequest, settings: Settings) -> tuple[Path, Path]:
    """Write the trainer's TOML file; returns (file, output folder). Raises InvalidRequest."""
    home, output = folders(settings, request.name)
    if read_run(output).last == "done":
        raise InvalidRequest(f"There is a model called {output.name} already.", "Pick another name.")
    home.mkdir(parents=True, exist_ok=True)
    file = home / "config.toml"
    rows = "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table_of(request, settings).items()
    )
    file.write_text(
        f"# Written by the Training tab; run again with: python app.py train {file.name}\n[run]\n{rows}",
        encoding="utf-8",
    )
    return file, output


def table_of(request: TrainRequest, settings: Settings) -> dict[str, Any]:
    """The fields of training/config.py for a request. Raises InvalidRequest when the clips are not there."""
    home, output = folders(settings, request.name)
    if request.recipe in TUNING:
        return tuning_table(request, settings)
    scratch = request.start == "scratch"
    table: dict[str, Any] = {"recipe": request.recipe, "output_dir": output.as_posix()}
    names = ("learning_rate", "num_scenes", "size", "num_frames", "sample_every", "seed")
    table |= {name: getattr(request, name) for name in names}
    table |= {"device": settings.device or "auto", "threads": settings.threads}
    table["frames_per_step"] = min(8, request.num_frames)
    table["checkpoint_every"] = max(10, min(100, request.steps // 4))
    table["sample_prompts"] = [text.strip() for text in request.sample_prompts.split(";") if text.strip()]
    clips = clips_folder(request, home)
    table |= {"data": "folder", "data_dir": clips.as_posix()} if clips else {"data": "scenes"}
    if request.recipe == "upscaler":
        return table | {"init": "", "upscaler_steps": request.steps, "motion_steps": 0}
    table["init"] = "" if scratch else (settings.assets_dir / "models" / "mini").as_posix()
    if scratch:  # the shares of the recipe that made the built-in model
        table |= {"vae_steps": max(1, request.steps // 4), "image_steps": max(1, request.steps // 3)}
        table["motion_steps"] = max(1, request.steps - request.steps // 4 - request.steps // 3)
    else:
        table["motion_steps"] = request.steps
    return table


def tuning_table(request: TrainRequest, settings: Settings) -> dict[str, Any]:
    """The same for a recipe that goes on from an installed model. What nobody set is left to the recipe, and size and
    length to the model."""
    home, output = folders(settings, request.name)
    clips = clips_folder(request, home)
    if clips is None:
        raise InvalidRequest("There are no clips to learn from.", "Drop some, or give a folder on this computer.")
    table: dict[str, Any] = {"recipe": request.recipe, "output_dir": output.as_posix(), "data": clips.as_posix()}
    table |= {"pretrained_model_name_or_path": request.base.strip(), "max_train_steps": request.steps}
    native = next((spec.native for spec in Catalogue(settings).specs("text2video") if spec.name == request.base), {})
    fields = TrainRequest.model_fields
    if {"width", "height"} <= set(native) and request.size == fields["size"].default:
        table["resolution"] = round((native["width"] * native["height"]) ** 0.5)
    else:
        table["resolution"] = request.size
    own_length = native.get("num_frames") if request.num_frames == fields["num_frames"].default else None
    table["num_frames"] = own_length or request.num_frames
    if request.learning_rate != fields["learning_rate"].default:
        table["learning_rate"] = request.learning_rate
    every = max(10, min(100, request.steps // 4))
    table |= {"validate_every_steps": request.sample_every, "save_n_steps": every, "seed": request.seed}
    table["test_prompts"] = " | ".join(text.strip() for text in request.sample_prompts.split(";") if text.strip())
    return table | {"device": settings.device or "auto", "threads": settings.threads}


def clips_folder(request: TrainRequest, home: Path) -> Path | None:
    """Where the clips to learn from lie: the folder named, else what was dropped, else None."""
    if request.folder:
        folder = Path(request.folder).expanduser()
        if not folder.is_dir():
            raise InvalidRequest(
                f"There is no folder {folder.name!r} on the studio's computer.",
                "Give its full path, or drop the clips.",
            )
        return folder
    dropped = home / "clips"
    return dropped if dropped.is_dir() and any(dropped.iterdir()) else None


def footage_folder(settings: Settings, name: str, folder: str) -> Path:
    """What is to be prepared: the folder named, else the clips dropped for a model. Raises InvalidRequest."""
    if folder.strip():
        path = Path(folder.strip()).expanduser()
        if path.exists():
            return path.absolute()
        raise InvalidRequest(
            f"There is no folder {path.name!r} on the studio's computer.", "Give its full path, or drop the clips."
        )
    dropped = folders(settings, name.strip())[0] / "clips" if name.strip() else None
    if dropped is None or not dropped.is_dir():
        raise InvalidRequest("There are no clips to prepare yet.", "Give a folder on this computer, or drop clips.")
    return dropped


def dataset_folder(settings: Settings, source: Path) -> Path:
    """Where a folder's data set goes: one name each, the same one every time."""
    name = source.parent.name if source.name == "clips" else source.stem
    marked = hashlib.sha256(str(source).encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return settings.datasets_dir / f"{plain(name)[:MAX_NAME] or 'data'}-{marked}"


def keep_dropped(files: list[Path], settings: Settings, name: str) -> int:
    """Put dropped clips and captions into the run's own folder; returns how many clips lie there.

    A clip without a caption gets its file name as one: "a-dog-running.mp4" says enough.
    """
    home, _ = folders(settings, name or "model")
    target = home / "clips"
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, target / file.name)
    clips = [file for file in target.iterdir() if file.suffix.lower() in CLIP_SUFFIXES]
    for clip in clips:
        caption = clip.with_suffix(".txt")
        if not caption.exists():
            caption.write_text(" ".join(re.findall(r"[^\W\d_]+", clip.stem)), encoding="utf-8")
    return len(clips)
