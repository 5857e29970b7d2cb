"""The trainer's configuration made from what the Training tab asks, and written for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from diffscaler.errors import InvalidRequest
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from ui.recipe_forms import RecipeForm, mistake_in, recipe_forms
from ui.run_file import Table, merged, read, written
from ui.training_events import read_run
from ui.training_form import TrainRequest, clips_folder, folders

#: Recipes that go on from an installed model, which says what it was made for.
TUNING = ("temporal", "motion-lora", "one-shot")

#: What the built-in recipes take in place of the trainer's own defaults: a first run should take minutes.
QUICK: dict[str, Any] = {
    "steps": 200,
    "learning_rate": 3e-4,
    "num_scenes": 300,
    "size": 128,
    "num_frames": 16,
    "sample_every": 50,
    "seed": 0,
}

#: Roles whose answers go into the configuration as they are.
PLAIN_ROLES = ("learning_rate", "num_scenes", "size", "num_frames", "sample_every", "seed")


def write_config(
    request: TrainRequest, settings: Settings, text: str = "", before: Table | None = None
) -> tuple[Path, Path]:
    """Write the trainer's TOML file; returns (file, output folder).

    text: every option as it stands on the page, maybe edited; before: the form's values it was written from
    Raises InvalidRequest, naming the option, for what the trainer would not take.
    """
    home, output = folders(settings, request.name)
    if read_run(output).last == "done":
        raise InvalidRequest(f"There is a model called {output.name} already.", "Pick another name.")
    form = form_of(request.recipe)
    table = table_of(request, settings)
    edited = read(text) if text.strip() else {}
    if edited:
        table = merged(table, before or {}, edited)
    if table.get("recipe") != request.recipe:
        raise InvalidRequest("recipe is another one in the text than in the list.", "Choose it in the list.")
    if table.get("output_dir") != output.as_posix():
        raise InvalidRequest("output_dir follows the model's name.", "Change the name, and leave that line.")
    home.mkdir(parents=True, exist_ok=True)
    file, part = home / "config.toml", home / "config.part.toml"
    part.write_text(text if edited == table else written(form, table), encoding="utf-8")
    if mistake := mistake_in(part):
        part.unlink()
        raise InvalidRequest(mistake, "Change it in the form, or under Every option.")
    os.replace(part, file)
    return file, output


def form_of(recipe: str) -> RecipeForm:
    """Raises InvalidRequest for a recipe there is not."""
    forms = recipe_forms()
    if recipe not in forms:
        raise InvalidRequest(f"There is no recipe {recipe[:60]!r}.", f"There are {', '.join(forms)}.")
    return forms[recipe]


def draft_of(values: dict[str, Any], settings: Settings) -> Table:
    """The configuration as far as the form goes: what is missing, or wrong, is left out."""
    kept = {name: value for name, value in values.items() if value is not None and value != ""}
    try:
        request = TrainRequest(**{"name": "new", **kept})
    except ValidationError as error:
        wrong = {str(row["loc"][0]) for row in error.errors() if row["loc"]}
        request = TrainRequest(**{"name": "new", **{name: kept[name] for name in kept if name not in wrong}})
    table = table_of(request, settings, whole=False)
    return table if kept.get("name") else {name: table[name] for name in table if name != "output_dir"}


def table_of(request: TrainRequest, settings: Settings, whole: bool = True) -> Table:
    """The trainer's options for a request. whole: raises InvalidRequest when clips or a model are missing; else they
    are left out"""
    form = form_of(request.recipe)
    home, output = folders(settings, request.name)
    try:
        clips = clips_folder(request, home)
    except InvalidRequest:
        if whole:
            raise
        clips = None
    table: Table = {"recipe": request.recipe, "output_dir": output.as_posix()}
    if form.by_steps:
        return table | _for_trainer(request, settings, form, clips, whole)
    return table | _for_built_in(request, settings, form, clips)


def _for_built_in(request: TrainRequest, settings: Settings, form: RecipeForm, clips: Path | None) -> Table:
    asked = {name: getattr(request, name) for name in QUICK}
    values = {name: value if value is not None else QUICK[name] for name, value in asked.items()}
    steps, scratch = int(values["steps"]), request.start == "scratch"
    table: Table = {form.roles[role]: values[role] for role in PLAIN_ROLES if role in form.roles}
    table |= {"device": settings.device or "auto", "threads": settings.threads}
    if "frames_per_step" in form.options:
        table["frames_per_step"] = min(8, values["num_frames"])
    table["checkpoint_every"] = every(steps)
    if "sample_prompts" in form.roles:
        table[form.roles["sample_prompts"]] = prompts_of(request)
    if "data" in form.options:
        table |= {"data": "folder", "data_dir": clips.as_posix()} if clips else {"data": "scenes"}
    if form.name != "mini":
        begun = {"init": ""} if "init" in form.options else {}
        return table | begun | {form.roles["steps"]: steps}
    table["init"] = "" if scratch else (settings.assets_dir / "models" / "mini").as_posix()
    if scratch:  # the shares of the recipe that made the built-in model
        table |= {"vae_steps": max(1, steps // 4), "image_steps": max(1, steps // 3)}
        table["motion_steps"] = max(1, steps - steps // 4 - steps // 3)
    else:
        table["motion_steps"] = steps
    return table


def _for_trainer(request: TrainRequest, settings: Settings, form: RecipeForm, clips: Path | None, whole: bool) -> Table:
    """What nobody set is left to the recipe, and with a model to tune size and length to the model."""
    if clips is None and whole:
        raise InvalidRequest("There are no clips to learn from.", "Drop some, or give a folder on this computer.")
    table: Table = {"data": clips.as_posix()} if clips else {}
    model, steps = form.option("model"), form.option("steps")
    base = request.base.strip()
    if model and base:
        table[model.name] = base
    elif model and model.required and whole:
        raise InvalidRequest("The model to begin with is missing.", model.description)
    elif model and model.default:
        base = table[model.name] = model.default
    table |= {form.roles[role]: value for role in PLAIN_ROLES if (value := getattr(request, role)) is not None}
    if form.name in TUNING:
        native = next((spec.native for spec in Catalogue(settings).specs("text2video") if spec.name == base), {})
        if {"width", "height"} <= set(native):
            table.setdefault("resolution", round((native["width"] * native["height"]) ** 0.5))
        if "num_frames" in native:
            table.setdefault("num_frames", native["num_frames"])
    if steps and request.steps is not None:
        table |= {steps.name: request.steps, "save_n_steps": every(request.steps)}
    if prompts := prompts_of(request):
        table["test_prompts"] = " | ".join(prompts)
    return table | {"device": settings.device or "auto", "threads": settings.threads}


def prompts_of(request: TrainRequest) -> list[str]:
    return [text.strip() for text in request.sample_prompts.split(";") if text.strip()]


def every(steps: int) -> int:
    """Steps between two checkpoints of a run of so many."""
    return max(10, min(100, steps // 4))
