"""What the from-scratch U-Net can be told, by the names of video-diffusion-pytorch and text2video-from-scratch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.options import RunConfig


class Unet3DRun(RunConfig):
    """A run of the recipe "unet3d". The defaults suit clips of 32 x 32 pixels on a few CPU cores."""

    init: Annotated[
        str,
        Field(
            title="Start from",
            description="Folder of a from-scratch model to continue from; empty begins with random weights.",
            max_length=1000,
        ),
    ] = ""
    image_size: Annotated[
        int, Field(title="Size", description="Width and height in pixels.", ge=4, le=512, multiple_of=2)
    ] = 32
    num_frames: Annotated[
        int, Field(title="Frames", description="The longest clip; shorter ones keep their length.", ge=1, le=64)
    ] = 10
    fps: Annotated[float, Field(title="Frames per second", description="Of a training clip.", gt=0, le=120)] = 8.0

    # The network
    dim: Annotated[int, Field(title="Width", description="Channels of the first level.", ge=4, le=512)] = 32
    dim_mults: Annotated[
        tuple[int, ...],
        Field(title="Levels", description="Channels of each, as multiples of the width.", min_length=1, max_length=6),
    ] = (1, 2, 4)
    attn_heads: Annotated[int, Field(title="Attention heads", ge=1, le=64)] = 8
    attn_dim_head: Annotated[int, Field(title="Width of a head", ge=2, le=256, multiple_of=2)] = 32
    init_kernel_size: Annotated[
        int, Field(title="First kernel", description="Pixels, odd: what the first layer sees at once.", ge=1, le=15)
    ] = 7
    use_sparse_linear_attn: Annotated[
        bool, Field(title="Attention within frames", description="At every level, not the middle alone.")
    ] = True

    # Words
    use_bert_text_cond: Annotated[bool, Field(title="Learn words", description="Off: draws without a prompt.")] = True
    text_encoder: Annotated[
        str,
        Field(
            title="Words from",
            description="A folder with text_encoder and tokenizer, as bert-base-cased has them. Empty: a small encoder "
            "of the captions' own words is trained along; other words mean nothing to it.",
            max_length=1000,
        ),
    ] = ""
    text_pooling: Annotated[
        Literal["mean", "cls"],
        Field(title="Pooling", description="What stands for a caption: the mean of its words, or the first token."),
    ] = "mean"
    cond_scale: Annotated[
        float, Field(title="Sample guidance", description="Of the samples drawn while it trains.", ge=0, le=20)
    ] = 2.0

    # Diffusion
    timesteps: Annotated[
        int, Field(title="Noise levels", description="As many as steps to draw in, at most.", ge=2, le=10_000)
    ] = 1000
    loss_type: Annotated[Literal["l1", "l2"], Field(title="Loss", description="Absolute or squared error.")] = "l1"
    use_dynamic_thres: Annotated[
        bool, Field(title="Dynamic threshold", description="Keeps strong guidance from burning areas out.")
    ] = False
    dynamic_thres_percentile: Annotated[
        float, Field(title="Threshold at", description="That share of a clip's values stays.", gt=0, le=1)
    ] = 0.9
    sampler: Annotated[
        Literal["ancestral", "ddim"],
        Field(title="Sampler", description="With fresh noise at every step, or with none after the first."),
    ] = "ddim"
    sample_steps: Annotated[int, Field(title="Sample steps", ge=1, le=1000)] = 30
    shared_noise: Annotated[
        float, Field(title="Shared noise", description="How much of its noise a clip's frames share.", ge=0, le=1)
    ] = 0.0

    # Joint training on pictures (Ho et al. 2022, section 3.1)
    prob_focus_present: Annotated[
        float,
        Field(
            title="Frames by themselves",
            description="Share of clips whose frames do not see each other, but in the first layer.",
            ge=0,
            le=1,
        ),
    ] = 0.0
    image_share: Annotated[
        float,
        Field(
            title="Picture steps",
            description="Share of steps that see the frames of their clips one by one.",
            ge=0,
            le=0.9,
        ),
    ] = 0.0

    # What differs from other recipes
    prediction_type: Annotated[
        Literal["model", "epsilon", "v_prediction", "sample"],
        Field(title="Target", description="What the network is asked for; v is the safe one."),
    ] = "v_prediction"  # type: ignore[assignment]
    caption_dropout: Annotated[
        float,
        Field(title="Caption dropout", description="Share of clips without words: guidance needs some.", ge=0, le=1),
    ] = 0.15
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 1e-4
    adam_weight_decay: Annotated[
        float, Field(title="Weight decay", description="Pulls weights towards zero.", ge=0, le=1)
    ] = 0.0
    max_train_steps: Annotated[
        int, Field(title="Steps", description="Updates of the weights.", ge=1, le=10_000_000)
    ] = 10_000
    train_batch_size: Annotated[int, Field(title="Clips per step", description="On each device.", ge=1, le=1024)] = 2
    ema: Annotated[bool, Field(title="Average weights", description="Samples and the model use the average.")] = True
    ema_decay: Annotated[
        float, Field(title="Memory of the average", description="Nearer to 1 is longer.", gt=0, lt=1)
    ] = 0.995

    @model_validator(mode="after")
    def _fits(self) -> Unet3DRun:
        halvings = 2 ** (len(self.dim_mults) - 1)
        if self.image_size % halvings:
            raise ValueError(f"image_size must be a multiple of {halvings} for {len(self.dim_mults)} levels")
        if self.dim % 2 or self.init_kernel_size % 2 == 0:
            raise ValueError("dim must be even, and init_kernel_size odd")
        if min(self.dim_mults) < 1:
            raise ValueError("dim_mults must be 1 or more")
        return self
