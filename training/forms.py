"""The recipes and their options as data: what a page needs to ask for a run, without importing the trainer."""

from __future__ import annotations

import argparse
import json
import sys
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from training.config import TrainingConfig
from training.options import RunConfig
from training.recipes import MODEL_LIST, RECIPES, RecipeEntry

#: Name in a form's bounds -> pydantic's rule and its attribute.
BOUNDS: dict[str, tuple[type, str]] = {
    "minimum": (Ge, "ge"),
    "above": (Gt, "gt"),
    "maximum": (Le, "le"),
    "below": (Lt, "lt"),
    "multiple_of": (MultipleOf, "multiple_of"),
    "max_length": (MaxLen, "max_length"),
}

#: First option of each group of training/options.py -> its name; the groups follow each other there.
GROUPS = {
    "recipe": "Run",
    "max_train_steps": "Steps",
    "learning_rate": "Learning",
    "prediction_type": "Loss",
    "report_to": "Watching",
    "save_n_steps": "Checkpoints",
    "device": "Where",
}
OWN_GROUP = "This recipe"

#: What a page asks in words of its own -> the options that may hold the answer; the first that a recipe has does.
ROLES: dict[str, tuple[str, ...]] = {
    "model": ("pretrained_model_name_or_path", "init"),
    "data": ("data_dir", "data"),
    "steps": ("max_train_steps", "upscaler_steps", "judge_steps", "motion_steps"),
    "learning_rate": ("learning_rate",),
    "size": ("resolution", "image_size", "size"),
    "num_frames": ("num_frames",),
    "num_scenes": ("num_scenes",),
    "sample_every": ("validate_every_steps", "sample_every"),
    "sample_prompts": ("test_prompts", "sample_prompts"),
    "seed": ("seed",),
}

#: Options of training/config.py that every recipe with a loop of its own reads.
SHARED = ("output_dir", "learning_rate", "seed", "checkpoint_every", "sample_every", "device", "threads")
CLIPS = ("data", "data_dir", "num_scenes", "size", "num_frames")
PAIR = (
    "init", "image_share", "image_steps", "motion_steps", "image_batch", "motion_batch", "frames_per_step",
    "pair_widths",
)  # fmt: skip

DRAWN = "without any it learns from scenes the program draws"


class OwnLoop(NamedTuple):
    """A recipe with a loop of its own. options: those of training/config.py that it reads; the rest as in
    RecipeEntry."""

    title: str
    about: str
    needs: str
    options: tuple[str, ...]
    found_in: str = MODEL_LIST


FOR_THE_BENCH = "its folder, for the bench"

#: Recipes with a loop of their own, by name.
WITH_OWN_LOOP: dict[str, OwnLoop] = {
    "mini": OwnLoop(
        "The built-in model",
        "The model that is built in goes on learning, or a new one like it begins from nothing.",
        f"clips with captions; {DRAWN}",
        (
            *SHARED, *CLIPS, "sample_prompts", "compile", "init", "vae_from", "frames_per_step", "full_length_share",
            "image_share", "shared_noise", "vae_steps", "image_steps", "motion_steps", "decoder_steps", "distil_steps",
            "distil_to", "distil_guidance", "vae_batch", "image_batch", "motion_batch", "vae_widths", "unet_widths",
            "text_width",
        ),
    ),
    "upscaler": OwnLoop(
        "The built-in upscaler",
        "A small, quick upscaler for any clip.",
        f"clips; {DRAWN}",
        (
            *SHARED, "data", "data_dir", "init", "upscaler_steps", "upscaler_batch", "scale", "upscaler_width",
            "upscaler_depth", "upscaler_residual", "upscaler_degraded",
        ),
        "the model list of Upscale",
    ),
    "pair": OwnLoop(
        "The diffusion upscaler",
        "A network that adds detail to pictures four times as large, looking at neighbouring frames.",
        f"clips; {DRAWN}",
        (*SHARED, *CLIPS, *PAIR, "vae_from"),
        FOR_THE_BENCH,
    ),
    "pair_tsr": OwnLoop(
        "Frames between",
        "The diffusion upscaler's other half: it draws the frames between two others.",
        f"clips; {DRAWN}",
        (*SHARED, *CLIPS, *PAIR),
        FOR_THE_BENCH,
    ),
    "judge": OwnLoop(
        "The judge of the bench",
        "What the bench reads clips with: it learns to name what drawn scenes show.",
        "no clips: the program draws its scenes",
        (*SHARED, "num_scenes", "size", "num_frames", "judge_steps", "judge_batch", "num_tests"),
        FOR_THE_BENCH,
    ),
}  # fmt: skip


def forms() -> list[dict[str, Any]]:
    """Every recipe: name, title, about, needs, found_in, roles (see ROLES) and its fields (see `field_of`)."""
    built_in = [form(name, entry, TrainingConfig, entry.options) for name, entry in WITH_OWN_LOOP.items()]
    others = []
    for name, entry in RECIPES.items():
        kind = entry.config_class()
        others.append(form(name, entry, kind, tuple(kind.model_fields)))
    first, *rest = built_in
    return [first, *others, *rest]


def form(name: str, entry: OwnLoop | RecipeEntry, kind: type[BaseModel], options: tuple[str, ...]) -> dict[str, Any]:
    fields = [
        field_of(option, kind.model_fields[option], group_of(option, kind)) for option in options if option != "recipe"
    ]
    roles = {role: next((n for n in names if n in options), None) for role, names in ROLES.items()}
    if kind is TrainingConfig:
        roles.pop("model")  # it continues the built-in model, or nothing
    return {
        "name": name,
        "title": entry.title,
        "about": entry.about,
        "needs": entry.needs,
        "found_in": entry.found_in,
        "roles": {role: option for role, option in roles.items() if option},
        "fields": fields,
    }


def field_of(name: str, field: FieldInfo, group: str) -> dict[str, Any]:
    """One option: name, title, description, group, type (bool, int, float, text, choice or list), choices, bounds,
    whether it is required or may be left open, and its default as TOML has it (None: there is none)."""
    kind, optional = _inner(field.annotation)
    choices = list(get_args(kind)) if get_origin(kind) is Literal else []
    types = {bool: "bool", int: "int", float: "float", str: "text"}
    default = None if field.is_required() else field.default
    return {
        "name": name,
        "title": field.title or name.replace("_", " ").capitalize(),
        "description": (field.description or "").strip(),
        "group": group,
        "type": "choice" if choices else "list" if get_origin(kind) is tuple else types[kind],
        "choices": choices,
        "bounds": {
            word: getattr(rule, attribute)
            for word, (cls, attribute) in BOUNDS.items()
            for rule in field.metadata
            if isinstance(rule, cls)
        },
        "required": field.is_required(),
        "optional": optional,
        "default": list(default) if isinstance(default, tuple) else default,
    }


def group_of(option: str, kind: type[BaseModel]) -> str:
    """The group of training/options.py an option is in; what a recipe adds is its own."""
    if not issubclass(kind, RunConfig) or option not in RunConfig.model_fields:
        return OWN_GROUP if option not in SHARED else "Run"
    group = ""
    for name in RunConfig.model_fields:
        group = GROUPS.get(name, group)
        if name == option:
            break
    return group


def _inner(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return parts[0], len(parts) < len(get_args(annotation))
    return annotation, False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training forms", description="The recipes and their options.")
    parser.add_argument("recipe", nargs="?", help="its options, each with what it is")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = [entry for entry in forms() if options.recipe in (None, entry["name"])]
    if not found:
        print(f"There is no recipe {options.recipe!r}.", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
        return 0
    for entry in found:
        print(f"{entry['name']}: {entry['title']}. {entry['about']} Needs {entry['needs']}.")
        for field in entry["fields"] if options.recipe else ():
            given = "must be given" if field["required"] else json.dumps(field["default"])
            print(f"  {field['name']} ({given}): {field['title']}. {field['description']}".rstrip())
    return 0
