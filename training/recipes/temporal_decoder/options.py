"""What the temporal decoder's recipe can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.options import RunConfig


class TemporalDecoderRun(RunConfig):
    """The decoder of an image model's VAE gets temporal layers; the encoder stays."""

    recipe: Literal["temporal-decoder"] = "temporal-decoder"
    data: Annotated[str, Field(title="Data", min_length=1, max_length=1000)]
    init: Annotated[
        str,
        Field(
            title="VAE",
            description="A model with an image VAE, by name or folder, or the VAE's own folder. One that has temporal "
            "layers already goes on learning.",
            min_length=1,
            max_length=1000,
        ),
    ]
    into: Annotated[
        str,
        Field(
            title="Into",
            description="A Stable Video Diffusion model that gets the decoder, as a model of its own. "
            "Empty: the VAE alone is written.",
            max_length=1000,
        ),
    ] = ""
    size: Annotated[
        int, Field(title="Size", description="Width and height in pixels of a training clip.", ge=16, le=1024)
    ] = 256
    num_frames: Annotated[int, Field(title="Frames", description="Of a training clip.", ge=2, le=64)] = 8
    fps: Annotated[float, Field(title="Frames per second", description="Of a training clip.", gt=0, le=120)] = 8.0
    layers: Annotated[
        Literal["temporal", "all"],
        Field(title="What learns", description="The temporal layers of the decoder, or all of it."),
    ] = "temporal"
    latent_noise: Annotated[
        float,
        Field(
            title="Noise on latents",
            description="Of each frame, relative to their spread: what a sampler leaves, and makes frames flicker.",
            ge=0,
            le=1,
        ),
    ] = 0.1
    difference_weight: Annotated[
        float,
        Field(title="Weight of motion", description="Of the error of frame-to-frame differences.", ge=0, le=100),
    ] = 1.0
    adversarial_weight: Annotated[
        float,
        Field(
            title="Weight of the critic",
            description="A small network that tells real clips from decoded ones keeps them sharp; 0 does without.",
            ge=0,
            le=10,
        ),
    ] = 0.0
    adversarial_start: Annotated[
        int, Field(title="Critic from step", description="Counted in batches; it learns from the start.", ge=0)
    ] = 0
    max_train_steps: Annotated[
        int, Field(title="Steps", description="Updates of the weights.", ge=1, le=10_000_000)
    ] = 2000
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 1e-4
    caption_dropout: Annotated[float, Field(title="Caption dropout", description="It reads none.", ge=0, le=1)] = 0.0
