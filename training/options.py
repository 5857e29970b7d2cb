"""What every recipe of the trainer can be told; a recipe's own config adds what its networks need.

The names are those of Hotshot-XL's fine-tuning script where it has the option.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Prediction = Literal["model", "epsilon", "v_prediction", "sample", "flow"]


class RunConfig(BaseModel):
    """One run of the trainer. Frozen and flat: a [run] table of a TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Options on which the meaning of every step hangs: a run goes on with those it began with, or not at all.
    FIXED: ClassVar[tuple[str, ...]] = ()

    recipe: Annotated[str, Field(title="Recipe", description="What is trained; training/recipes lists them.")]
    output_dir: Annotated[
        str,
        Field(title="Output folder", description="Where the model, checkpoints and log go. The same folder resumes."),
    ]
    data: Annotated[
        str,
        Field(
            title="Data",
            description="A prepared data set (its folder or manifest), or a plain folder of clips, each with a .txt "
            "caption of the same name or a prompt.txt among its frames.",
            max_length=1000,
        ),
    ] = ""

    # Steps
    max_train_steps: Annotated[
        int, Field(title="Steps", description="Updates of the weights.", ge=1, le=10_000_000)
    ] = 1000
    num_train_epochs: Annotated[
        int, Field(title="Epochs", description="Times through the data; 0 goes by steps alone.", ge=0, le=100_000)
    ] = 0
    train_batch_size: Annotated[int, Field(title="Clips per step", description="On each device.", ge=1, le=1024)] = 1
    gradient_accumulation_steps: Annotated[
        int, Field(title="Accumulated batches", description="Batches that one update adds up.", ge=1, le=1024)
    ] = 1
    gradient_checkpointing: Annotated[
        bool,
        Field(title="Gradient checkpointing", description="Needs much less memory, and a third more time."),
    ] = False
    mixed_precision: Annotated[
        Literal["no", "fp16", "bf16"],
        Field(title="Number format", description="Of what is computed; trained weights and moments stay in 32 bits."),
    ] = "no"
    seed: Annotated[int, Field(title="Seed", description="The same seed trains the same model.", ge=0, lt=2**31)] = 111
    nccl_timeout: Annotated[int, Field(title="Patience between devices", description="Seconds.", ge=10, le=86_400)] = (
        3600
    )

    # Optimizer
    learning_rate: Annotated[float, Field(title="Learning rate", description="Lower is safer.", gt=0, le=0.1)] = 5e-6
    scale_lr: Annotated[
        bool,
        Field(
            title="Scale the learning rate",
            description="By devices, accumulated batches and clips per step.",
        ),
    ] = False
    lr_scheduler: Annotated[
        Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"],
        Field(title="Learning rate over time", description="All of them warm up first when warm-up steps are set."),
    ] = "constant"
    lr_warmup_steps: Annotated[
        int, Field(title="Warm-up steps", description="Over which the learning rate rises.", ge=0, le=1_000_000)
    ] = 0
    lr_num_cycles: Annotated[
        int, Field(title="Restarts", description="Of the cosine with restarts.", ge=1, le=1000)
    ] = 1
    lr_power: Annotated[float, Field(title="Power", description="Of the polynomial schedule.", gt=0, le=10)] = 1.0
    use_8bit_adam: Annotated[
        bool, Field(title="8-bit Adam", description="Needs bitsandbytes; a quarter of the optimizer's memory.")
    ] = False
    adam_beta1: Annotated[float, Field(title="Adam beta 1", description="Memory for slopes.", ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[float, Field(title="Adam beta 2", description="Memory for their size.", ge=0, lt=1)] = 0.999
    adam_weight_decay: Annotated[
        float, Field(title="Weight decay", description="Pulls weights towards zero.", ge=0, le=1)
    ] = 1e-2
    adam_epsilon: Annotated[float, Field(title="Adam epsilon", description="Keeps it stable.", gt=0, le=1)] = 1e-8
    max_grad_norm: Annotated[
        float, Field(title="Largest gradient norm", description="Longer ones are shortened; 0 never.", ge=0, le=1000)
    ] = 1.0
    ema: Annotated[bool, Field(title="Average weights", description="Samples and the model use the average.")] = False
    ema_decay: Annotated[
        float, Field(title="Memory of the average", description="Nearer to 1 is longer.", gt=0, lt=1)
    ] = 0.9999

    # Loss
    prediction_type: Annotated[
        Prediction,
        Field(title="Target", description="What the network is asked for; model: as its checkpoint was trained."),
    ] = "model"
    noise_offset: Annotated[
        float,
        Field(title="Offset noise", description="Lets clips be darker and brighter than average.", ge=0, le=1),
    ] = 0.0
    snr_gamma: Annotated[
        float,
        Field(
            title="Min-SNR gamma",
            description="Evens out the noise levels (Hang et al. 2023); 5 is usual, 0 is off.",
            ge=0,
            le=100,
        ),
    ] = 0.0
    caption_dropout: Annotated[
        float,
        Field(title="Caption dropout", description="Share of steps without words: guidance needs some.", ge=0, le=1),
    ] = 0.1

    # Watching
    report_to: Annotated[
        Literal["tensorboard", "wandb", "trackio", "none"],
        Field(
            title="Also report to",
            description="Kept in the log folder. wandb and trackio must be installed; wandb also sends it to its host "
            "unless it is told WANDB_MODE=offline.",
        ),
    ] = "tensorboard"
    project_name: Annotated[
        str, Field(title="Project", description="Under which the run is reported.", min_length=1, max_length=100)
    ] = "diffscaler"
    run_name: Annotated[str, Field(title="Run", description="Its name there; empty: the folder's.", max_length=100)] = (
        ""
    )
    logging_dir: Annotated[
        str, Field(title="Log folder", description="Inside the output folder.", pattern=r"^[\w.-]+$", max_length=100)
    ] = "logs"
    validate_every_steps: Annotated[
        int,
        Field(
            title="Look every", description="Steps between samples and held-out losses; 0 never.", ge=0, le=1_000_000
        ),
    ] = 100
    run_validation_at_start: Annotated[bool, Field(title="Look at the start", description="Before step 1.")] = False
    test_prompts: Annotated[
        str,
        Field(
            title="Sample prompts",
            description="Separated by | ; empty uses captions of the data.",
            max_length=2000,
        ),
    ] = ""
    held_out: Annotated[
        int,
        Field(
            title="Held-out clips",
            description="Never trained on, to see whether it learns or memorises; the data must be twice as many.",
            ge=0,
            le=1000,
        ),
    ] = 4
    divergence_factor: Annotated[
        float,
        Field(
            title="Divergence alarm",
            description="When the smoothed loss is this many times its lowest; 0 never.",
            ge=0,
            le=1000,
        ),
    ] = 3.0
    on_divergence: Annotated[
        Literal["warn", "stop"], Field(title="On divergence", description="The last good checkpoint is kept anyway.")
    ] = "warn"

    # Checkpoints
    save_n_steps: Annotated[
        int, Field(title="Checkpoint every", description="Steps; Stop saves too.", ge=1, le=1_000_000)
    ] = 100
    save_starting_step: Annotated[
        int, Field(title="First checkpoint at", description="Step from which checkpoints are kept; 0: all.", ge=0)
    ] = 0
    keep_checkpoints: Annotated[
        int, Field(title="Checkpoints kept", description="The newest; and always the best.", ge=1, le=1000)
    ] = 3
    resume: Annotated[
        Literal["newest", "best", "no"],
        Field(
            title="Go on from",
            description="A checkpoint of the output folder: the newest, or that of the lowest held-out loss.",
        ),
    ] = "newest"
    disable_optimizer_restore: Annotated[
        bool, Field(title="Forget the optimizer", description="Resume with the weights alone.")
    ] = False

    # Where
    device: Annotated[
        str,
        Field(
            title="Device", description="auto, cpu, cuda or cuda:1; auto takes a card when one works.", max_length=20
        ),
    ] = "auto"
    threads: Annotated[int, Field(title="Threads", description="0 uses every core.", ge=0, le=256)] = 0

    @property
    def prompts(self) -> tuple[str, ...]:
        """`test_prompts`, one by one."""
        return tuple(filter(None, (part.strip() for part in self.test_prompts.split("|"))))

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        if self.lr_warmup_steps >= self.max_train_steps > 1:
            raise ValueError("lr_warmup_steps must be fewer than max_train_steps, or the rate is never reached")
        return self
