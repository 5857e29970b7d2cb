"""What the inflating recipe can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.finetune.options import FineTuneConfig


class InflateRun(FineTuneConfig):
    """An image model gets temporal layers, and only those learn. Captions are used where there are some."""

    recipe: Literal["inflate"] = "inflate"
    data: Annotated[str, Field(title="Data", min_length=1, max_length=1000)]
    pretrained_model_name_or_path: Annotated[
        str,
        Field(
            title="Image model",
            description="Stable Diffusion 2 or a model like it, by name or folder. Its pictures stay what they are.",
            min_length=1,
            max_length=1000,
        ),
    ]
    num_frames: Annotated[int, Field(title="Frames", description="Of a training clip.", ge=1, le=128)] = 16
    resolution: Annotated[
        int,
        Field(title="Size", description="Pixels a side of the square bucket; the others hold as many.", ge=16, le=2048),
    ] = 256
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 1e-4
    shared_noise: Annotated[
        float, Field(title="Shared noise", description="How much of its noise a clip's frames share.", ge=0, le=1)
    ] = 0.0
    image_share: Annotated[
        float,
        Field(title="Single-frame share", description="Of the batches: frames as clips of one.", ge=0, le=0.9),
    ] = 0.0
