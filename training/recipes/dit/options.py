"""What the from-scratch transformer can be told, by the names of the library's `WanTransformer3DModel`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.options import RunConfig


class DitRun(RunConfig):
    """A run of the recipe "dit". The defaults make a network of some twenty million weights."""

    init: Annotated[
        str,
        Field(
            title="Model",
            description="A Wan model, by name or folder. Its VAE and text encoder are used; they do not train.",
            min_length=1,
            max_length=1000,
        ),
    ]
    transformer: Annotated[
        Literal["new", "init"],
        Field(title="Transformer", description="new: random weights of the shape below. init: that of the model."),
    ] = "new"
    resolution: Annotated[
        int,
        Field(
            title="Resolution",
            description="Pixels a side of a square of the same area; clips keep their own shape.",
            ge=16,
            le=1024,
            multiple_of=16,
        ),
    ] = 128
    num_frames: Annotated[
        int, Field(title="Frames", description="The longest clip; shorter ones keep their length.", ge=1, le=241)
    ] = 17
    fps: Annotated[float, Field(title="Frames per second", description="Of a training clip.", gt=0, le=120)] = 8.0
    num_attention_heads: Annotated[int, Field(title="Attention heads", ge=1, le=64)] = 6
    attention_head_dim: Annotated[
        int, Field(title="Width of a head", description="A multiple of 2, 12 or more.", ge=12, le=256, multiple_of=2)
    ] = 64
    num_layers: Annotated[int, Field(title="Blocks", ge=1, le=64)] = 6
    ffn_dim: Annotated[int, Field(title="Width between", description="Of the two layers after attention.", ge=8)] = 1536
    freq_dim: Annotated[int, Field(title="Time channels", ge=8, le=1024, multiple_of=2)] = 256
    flow_shift: Annotated[
        float,
        Field(title="Shift", description="Above 1 leans towards noisy levels, as large pictures need.", ge=0.1, le=20),
    ] = 3.0
    sample_steps: Annotated[int, Field(title="Sample steps", ge=1, le=200)] = 30
    guidance_scale: Annotated[
        float, Field(title="Sample guidance", description="Of the samples drawn while it trains.", ge=1, le=20)
    ] = 4.0
    shared_noise: Annotated[
        float, Field(title="Shared noise", description="How much of its noise a clip's frames share.", ge=0, le=1)
    ] = 0.0
    prediction_type: Annotated[
        Literal["model", "flow"], Field(title="Target", description="Such a network knows one: the flow.")
    ] = "flow"  # type: ignore[assignment]
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 2e-4
    ema: Annotated[bool, Field(title="Average weights", description="Samples and the model use the average.")] = True
    ema_decay: Annotated[
        float, Field(title="Memory of the average", description="Nearer to 1 is longer.", gt=0, lt=1)
    ] = 0.999
