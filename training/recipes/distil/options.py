"""What distillation can be told."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from training.options import RunConfig


class DistilRun(RunConfig):
    """The steps of a run are shared out among the halvings: 32 to 4 has three."""

    FIXED: ClassVar[tuple[str, ...]] = ("max_train_steps", "steps_from", "steps_to")

    recipe: Literal["distil"] = "distil"
    data: Annotated[str, Field(title="Data", min_length=1, max_length=1000)]
    init: Annotated[
        str,
        Field(
            title="Model",
            description="Folder of a model from scratch or of a Wan model, which is the first teacher.",
            min_length=1,
            max_length=1000,
        ),
    ]
    steps_from: Annotated[
        int, Field(title="Steps of the model", description="In which it draws well.", ge=2, le=1024)
    ] = 32
    steps_to: Annotated[
        int, Field(title="Steps wanted", description="Half of it, or a half of that, and so on.", ge=1, le=512)
    ] = 4
    guidance: Annotated[float, Field(title="Guidance", description="That is built in; 1 is none.", ge=1, le=20)] = 1.0
    resolution: Annotated[
        int,
        Field(title="Resolution", description="Pixels a side of a square of the same area.", ge=4, le=1024),
    ] = 128
    num_frames: Annotated[int, Field(title="Frames", description="Of a training clip.", ge=1, le=241)] = 17
    fps: Annotated[float, Field(title="Frames per second", description="Of a training clip.", gt=0, le=120)] = 8.0
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 1e-4
    lr_scheduler: Annotated[
        Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"],
        Field(title="Learning rate over time", description="Restarts begin anew with each halving."),
    ] = "cosine_with_restarts"
    adam_weight_decay: Annotated[
        float, Field(title="Weight decay", description="Pulls weights towards zero.", ge=0, le=1)
    ] = 0.0
    caption_dropout: Annotated[
        float, Field(title="Caption dropout", description="Guidance is inside: it needs none.", ge=0, le=1)
    ] = 0.0
    ema: Annotated[
        Literal[False], Field(title="Average weights", description="A student becomes a teacher as it is.")
    ] = False

    @property
    def halvings(self) -> int:
        return (self.steps_from // self.steps_to).bit_length() - 1

    @model_validator(mode="before")
    @classmethod
    def _restarts(cls, given: dict[str, object]) -> dict[str, object]:
        """The learning rate begins anew with each halving, where nobody says otherwise (section 3 of the paper)."""
        first, last = given.get("steps_from", 32), given.get("steps_to", 4)
        if "lr_num_cycles" not in given and isinstance(first, int) and isinstance(last, int) and 0 < last < first:
            given = given | {"lr_num_cycles": max(1, (first // last).bit_length() - 1)}
        return given

    @model_validator(mode="after")
    def _halves(self) -> DistilRun:
        if self.halvings < 1 or self.steps_to << self.halvings != self.steps_from:
            raise ValueError("steps_from must be steps_to doubled once or more: 32 and 4, 8 and 4")
        if self.num_train_epochs:
            raise ValueError("a distillation goes by steps: leave num_train_epochs at 0")
        if self.max_train_steps < self.halvings:
            raise ValueError(f"{self.halvings} halvings need as many steps at least")
        return self
