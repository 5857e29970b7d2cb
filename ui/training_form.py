"""What the Training tab asks, and the folders its answers lead to."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field

from diffscaler.errors import InvalidRequest
from diffscaler.models.catalogue import plain
from diffscaler.requests import Request, more
from diffscaler.settings import Settings

MAX_NAME = 60
# Folders with a meaning of their own, and names Windows keeps for itself.
RESERVED = ("upscalers", "con", "nul", "aux", "prn")
CLIP_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png", ".jpg", ".jpeg")


class TrainRequest(Request):
    """A training run as the page asks for it. What is left open is as the recipe has it; training/ knows many more
    options (see ui/recipe_forms.py)."""

    name: str = Field(
        title="Name", min_length=1, max_length=MAX_NAME, description="The model appears under it in Text to video."
    )
    recipe: str = Field("mini", title="Train", description="What is trained.", max_length=60)
    start: Literal["built in", "scratch"] = Field(
        "built in", title="Start from", description="Scratch takes hours, not minutes."
    )
    folder: str = Field(
        "",
        title="Folder of clips",
        max_length=1000,
        description="On this computer; each clip with a .txt caption beside it.",
    )
    base: str = Field(
        "",
        title="Model to begin with",
        max_length=1000,
        description="Its name in the model list, or its folder on this computer.",
    )
    steps: int | None = Field(None, title="Steps", ge=1, le=10_000_000, description="Empty: as the recipe has it.")
    learning_rate: float | None = Field(
        None,
        title="Learning rate",
        gt=0,
        le=0.1,
        description="Lower is safer. (learning_rate)",
        json_schema_extra=more("Learning"),
    )
    num_scenes: int | None = Field(
        None,
        title="Scenes",
        ge=4,
        le=20_000,
        description="Drawn by the program when no clips are given. (num_scenes)",
        json_schema_extra=more("Learning"),
    )
    size: int | None = Field(
        None,
        title="Size",
        ge=4,
        le=2048,
        description="Pixels a side. (size)",
        json_schema_extra=more("Picture"),
    )
    num_frames: int | None = Field(
        None,
        title="Frames",
        ge=1,
        le=241,
        description="Length of a clip. (num_frames)",
        json_schema_extra=more("Picture"),
    )
    sample_every: int | None = Field(
        None,
        title="Sample every",
        ge=0,
        le=1_000_000,
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
    seed: int | None = Field(
        None,
        title="Seed",
        ge=0,
        lt=2**31,
        description="The same seed trains the same model.",
        json_schema_extra=more("Repeatability"),
    )


def folders(settings: Settings, name: str) -> tuple[Path, Path]:
    """(where the run's configuration and dropped clips lie, where its model goes) for a model name."""
    tidy = re.sub(r"\s+", "-", name.strip())
    safe = plain(tidy)[:MAX_NAME]
    if safe != tidy or safe.lower() in RESERVED:  # two names must never share a folder
        safe = f"{safe}-{hashlib.sha256(tidy.encode()).hexdigest()[:6]}"
    return settings.data_dir / "training" / safe, settings.models_dir / safe


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
