"""Everything a training run can be told. The Training tab makes its controls from these fields."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.events import RunError
from training.options import RunConfig
from training.recipes import RECIPES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class TrainingConfig(BaseModel):
    """One run. The defaults fine-tune the built-in model on a folder of clips in some ten minutes on two cores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: Annotated[
        Literal["mini", "upscaler", "judge", "pair", "pair_tsr"],
        Field(
            title="Recipe",
            description="mini: text to video. upscaler: the preview upscaler. judge: what the bench reads clips with. "
            "pair: the diffusion upscaler. pair_tsr: its other half, for more frames a second.",
        ),
    ] = "mini"
    output_dir: Annotated[
        str,
        Field(title="Output folder", description="Where the model, checkpoints and log go. The same folder resumes."),
    ]
    init: Annotated[
        str,
        Field(
            title="Start from",
            description="Folder of the model to continue from; empty trains from scratch.",
        ),
    ] = "assets/models/mini"
    vae_from: Annotated[
        str,
        Field(title="VAE from", description="With nothing to start from: the model folder whose VAE is taken over."),
    ] = ""
    data: Annotated[
        Literal["folder", "scenes"],
        Field(title="Data", description="folder: your own clips. scenes: drawn by the program."),
    ] = "folder"
    data_dir: Annotated[
        str,
        Field(
            title="Clips folder",
            description="Clips (GIF, MP4, MKV, ...), each with a .txt caption of the same name; or folders of frames "
            "with a prompt.txt.",
        ),
    ] = ""
    num_scenes: Annotated[int, Field(title="Scenes", description="How many scenes to draw.", ge=4, le=100_000)] = 1000
    size: Annotated[
        int, Field(title="Size", description="Width and height in pixels.", ge=32, le=512, multiple_of=16)
    ] = 128
    num_frames: Annotated[
        int, Field(title="Frames", description="Length of a clip, at 8 frames per second.", ge=2, le=32)
    ] = 16
    frames_per_step: Annotated[
        int,
        Field(
            title="Frames per step",
            description="How many of a clip's frames one step looks at; fewer is faster.",
            ge=2,
            le=32,
        ),
    ] = 8
    full_length_share: Annotated[
        float,
        Field(
            title="Full-length share",
            description="Share of the motion steps, at the end, that see all frames.",
            ge=0,
            le=1,
        ),
    ] = 0.2
    image_share: Annotated[
        float,
        Field(
            title="Single-frame share",
            description="Share of the motion steps that see many single frames instead of a few clips.",
            ge=0,
            le=0.9,
        ),
    ] = 0.0
    shared_noise: Annotated[
        float | None,
        Field(
            title="Shared noise",
            description="How much of the noise the frames of a clip share; empty: as the model was trained.",
            ge=0,
            le=1,
        ),
    ] = None
    vae_steps: Annotated[int, Field(title="VAE steps", ge=0, le=1_000_000)] = 0
    image_steps: Annotated[int, Field(title="Image steps", ge=0, le=1_000_000)] = 0
    motion_steps: Annotated[int, Field(title="Motion steps", ge=0, le=1_000_000)] = 200
    decoder_steps: Annotated[
        int,
        Field(
            title="Decoder steps",
            description="Sharpens pictures at the end; latents stay as they are.",
            ge=0,
            le=1_000_000,
        ),
    ] = 0
    distil_steps: Annotated[
        int,
        Field(
            title="Distillation steps",
            description="Training steps that teach the model to draw in few sampler steps, without guidance.",
            ge=0,
            le=1_000_000,
        ),
    ] = 0
    distil_to: Annotated[
        Literal[4, 8],
        Field(title="Distil to", description="Sampler steps of the distilled model; its teacher takes twice as many."),
    ] = 4
    distil_guidance: Annotated[
        float, Field(title="Distilled guidance", description="Guidance scale that is built in.", ge=1, le=15)
    ] = 4.0
    upscaler_steps: Annotated[int, Field(title="Upscaler steps", ge=0, le=1_000_000)] = 0
    judge_steps: Annotated[int, Field(title="Judge steps", ge=0, le=1_000_000)] = 0
    num_tests: Annotated[
        int,
        Field(title="Test scenes", description="Of each kind, on which the finished judge is tested.", ge=4, le=10_000),
    ] = 400
    judge_batch: Annotated[int, Field(title="Clips per judge step", ge=1, le=256)] = 32
    scale: Annotated[Literal[2, 4], Field(title="Scale", description="Of the upscaler.")] = 4
    vae_batch: Annotated[int, Field(title="Pictures per VAE step", ge=1, le=256)] = 16
    image_batch: Annotated[int, Field(title="Pictures per image step", ge=1, le=1024)] = 48
    motion_batch: Annotated[int, Field(title="Clips per motion step", ge=1, le=256)] = 4
    upscaler_batch: Annotated[int, Field(title="Pictures per upscaler step", ge=1, le=256)] = 16
    learning_rate: Annotated[float, Field(title="Learning rate", gt=0, le=0.1)] = 3e-4
    vae_widths: tuple[int, ...] = (16, 32, 64, 96)
    unet_widths: tuple[int, ...] = (64, 160)
    text_width: Annotated[int, Field(title="Text width", ge=16, le=1024, multiple_of=16)] = 160
    pair_widths: tuple[int, int] = (32, 64)
    upscaler_width: Annotated[int, Field(title="Upscaler width", ge=4, le=128)] = 32
    upscaler_depth: Annotated[int, Field(title="Upscaler depth", ge=1, le=32)] = 6
    upscaler_residual: Annotated[
        bool, Field(title="Residual layers", description="In pairs, as more than some eight layers need them.")
    ] = False
    upscaler_degraded: Annotated[
        float,
        Field(
            title="Worn share",
            description="Share of the patches that are blurred, noisy and compressed too, as much footage is.",
            ge=0,
            le=1,
        ),
    ] = 0.0
    seed: Annotated[int, Field(title="Seed", ge=0, lt=2**31)] = 0
    checkpoint_every: Annotated[int, Field(title="Checkpoint every", description="Steps.", ge=1)] = 100
    sample_every: Annotated[int, Field(title="Sample every", description="Steps; 0 draws none.", ge=0)] = 100
    sample_prompts: Annotated[
        tuple[str, ...],
        Field(title="Sample prompts", description="Drawn while training; empty uses captions of the data."),
    ] = ()
    device: Annotated[
        str,
        Field(
            title="Device", description="auto, cpu, cuda or cuda:1; auto takes a card when one works.", max_length=20
        ),
    ] = "auto"
    compile: Annotated[
        bool,
        Field(
            title="Compile",
            description="Make kernels for the network first: a few minutes before the first steps, faster ones after. "
            "On a CPU this needs a C++ compiler.",
        ),
    ] = False
    threads: Annotated[int, Field(title="Threads", description="0 uses every core.", ge=0, le=256)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> TrainingConfig:
        if self.frames_per_step > self.num_frames:
            raise ValueError("frames_per_step cannot be larger than num_frames")
        if self.recipe == "mini" and self.data == "folder" and not self.data_dir:
            raise ValueError("data_dir is needed to train on your own clips")
        if self.recipe == "judge" and self.judge_steps == 0:
            raise ValueError("a judge needs judge_steps")
        if self.recipe in ("pair", "pair_tsr") and self.image_steps + self.motion_steps == 0:
            raise ValueError("a pair needs image_steps or motion_steps")
        if self.recipe == "mini" and not self.init and self.vae_steps == 0 and not self.vae_from:
            raise ValueError("a run from scratch needs vae_steps, or vae_from")
        if self.recipe == "mini" and not self.init and self.image_steps == 0:
            raise ValueError("a run from scratch needs image_steps")
        return self


#: Recipes with a loop of their own; those of training/recipes share the trainer.
BUILT_IN = ("mini", "upscaler", "judge", "pair", "pair_tsr")


def load_config(path: Path) -> TrainingConfig | RunConfig:
    """Read a TOML file with one [run] table, whose `recipe` says which fields it has.

    Raises RunError with the field and the reason.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"There is no file {path}.", "Give the path of a run's TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path.name} is not valid TOML: {error}.", "See presets/training for examples.") from None
    run = table.get("run", {})
    recipe = run.get("recipe", "mini") if isinstance(run, dict) else "mini"
    if not isinstance(recipe, str) or recipe not in (*BUILT_IN, *RECIPES):
        raise RunError(
            f"{path.name}: there is no recipe {str(recipe)[:60]!r}.", f"There are {', '.join((*BUILT_IN, *RECIPES))}."
        )
    kind = RECIPES[recipe].config_class() if recipe in RECIPES else TrainingConfig
    try:
        return kind.model_validate(run)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "[run]"
        if first["type"] == "extra_forbidden":
            near = get_close_matches(field, kind.model_fields, 1)
            hint = f"Did you mean {near[0]}?" if near else f"python -m training forms {recipe} lists the options."
            raise RunError(f"{path.name}: {field[:60]} is no option of the recipe {recipe}.", hint) from None
        where = "training/options.py" if recipe in RECIPES else "training/config.py"
        raise RunError(f"{path.name}: {field}: {first['msg']}.", f"See {where} for all fields.") from None
