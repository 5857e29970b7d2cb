"""What the fine-tuning recipes can be told beyond training/options.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.options import RunConfig


class FineTuneConfig(RunConfig):
    """A run that goes on from an installed model."""

    pretrained_model_name_or_path: Annotated[
        str,
        Field(
            title="Model",
            description="An installed model's name, or a model's folder.",
            min_length=1,
            max_length=1000,
        ),
    ] = "hotshot-xl"
    resolution: Annotated[
        int,
        Field(title="Size", description="Pixels a side of the square bucket; the others hold as many.", ge=16, le=2048),
    ] = 512
    aspect_ratio: Annotated[
        float,
        Field(
            title="Aspect ratio",
            description="Width by height, for all clips; 0 picks for each clip the nearest of seven.",
            ge=0,
            le=4,
        ),
    ] = 0.0
    num_frames: Annotated[int, Field(title="Frames", description="Of a training clip.", ge=1, le=128)] = 8
    fps: Annotated[float, Field(title="Frames per second", description="Of a training clip.", gt=0, le=120)] = 8.0
    windows_per_shot: Annotated[
        int, Field(title="Clips from a shot", description="At most; spread over a long one.", ge=1, le=1000)
    ] = 16
    image_share: Annotated[
        float,
        Field(title="Single-frame share", description="Of the batches: frames as clips of one.", ge=0, le=1),
    ] = 0.0
    augment: Annotated[
        bool,
        Field(title="Vary", description="Crops at random. Clips are then encoded anew every step, which is slow."),
    ] = False
    cache_dir: Annotated[
        str,
        Field(
            title="Cache folder",
            description="Of encoded clips and captions, shared between runs; empty: the studio's. ",
            max_length=1000,
        ),
    ] = ""
    use_cache: Annotated[bool, Field(title="Cache", description="Off encodes clips and captions anew every step.")] = (
        True
    )
    max_vae_encode: Annotated[
        int, Field(title="Frames encoded at once", description="0: all of a clip.", ge=0, le=1024)
    ] = 0
    vae_b16: Annotated[bool, Field(title="Encode in 16 bits", description="Half the memory, a little less exact.")] = (
        False
    )
    latent_nan_checking: Annotated[
        bool, Field(title="Check encoded clips", description="A clip whose encoding is no number is named.")
    ] = True
    xformers: Annotated[
        bool, Field(title="xformers", description="Its attention in place of torch's; it must be installed.")
    ] = False
    compile: Annotated[
        bool,
        Field(
            title="Compile",
            description="Make kernels for the transformer blocks first: a minute or two before the first step, a fifth "
            "to a quarter less time for those after. On a CPU this needs a C++ compiler.",
        ),
    ] = False
    validation_steps: Annotated[int, Field(title="Sampler steps of samples", ge=1, le=1000)] = 30
    validation_guidance: Annotated[
        float, Field(title="Guidance of samples", description="0: the model's own.", ge=0, le=30)
    ] = 0.0


class TemporalConfig(FineTuneConfig):
    """Temporal layers of a model that has some: Hotshot-XL, AnimateDiff-SDXL, AnimateDiff and the like."""

    recipe: Literal["temporal"] = "temporal"
    data: Annotated[str, Field(title="Data", min_length=1, max_length=1000)]
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 5e-6
    noise_offset: Annotated[
        float, Field(title="Offset noise", description="Lets clips be darker and brighter than average.", ge=0, le=1)
    ] = 0.05
    unet_resume_path: Annotated[
        str,
        Field(
            title="Temporal layers from",
            description="A file or folder of temporal layers to begin with; empty: the model's own.",
            max_length=1000,
        ),
    ] = ""


class MotionLoraConfig(FineTuneConfig):
    """A LoRA on the attention of the temporal layers: a small file, laid over the model it was made for."""

    recipe: Literal["motion-lora"] = "motion-lora"
    data: Annotated[str, Field(title="Data", min_length=1, max_length=1000)]
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 1e-4
    rank: Annotated[int, Field(title="Rank", description="Higher holds more, in a larger file.", ge=1, le=512)] = 16
    lora_alpha: Annotated[
        float, Field(title="Alpha", description="Strength of the changes; 0: the rank.", ge=0, le=1024)
    ] = 0.0


class OneShotConfig(FineTuneConfig):
    """Tune-A-Video: an image model learns one clip, which then can be drawn with other words."""

    recipe: Literal["one-shot"] = "one-shot"
    data: Annotated[
        str,
        Field(
            title="Clip",
            description="A clip with a .txt caption beside it, or a folder or data set that holds one.",
            min_length=1,
            max_length=1000,
        ),
    ]
    prompt: Annotated[
        str, Field(title="What it shows", description="Empty: the caption beside the clip.", max_length=500)
    ] = ""
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 3e-5
    max_train_steps: Annotated[int, Field(title="Steps", ge=1, le=1_000_000)] = 500
    caption_dropout: Annotated[float, Field(title="Caption dropout", ge=0, le=1)] = 0.0
    num_frames: Annotated[int, Field(title="Frames", description="Of the clip that is learnt.", ge=1, le=128)] = 24
    validation_steps: Annotated[
        int, Field(title="Sampler steps", description="Also of the way back.", ge=2, le=1000)
    ] = 50
    validation_guidance: Annotated[float, Field(title="Guidance of samples", ge=0, le=30)] = 12.5
    held_out: Annotated[
        Literal[0], Field(title="Held-out clips", description="There is one clip, and it is learnt.")
    ] = 0  # type: ignore[assignment]

    @model_validator(mode="after")
    def _one_clip(self) -> OneShotConfig:
        if self.image_share or self.augment:
            raise ValueError("image_share and augment make no sense with one clip")
        return self
