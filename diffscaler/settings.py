"""Where the studio keeps things and how much it may use: read once at the front door, passed in everywhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ROOT = Path(__file__).resolve().parent.parent

GIB = 2**30


class Settings(BaseModel):
    """All that a process needs to know about its machine and its folders.

    Every field can be set by the environment variable DIFFSCALER_<FIELD>, e.g. DIFFSCALER_DATA_DIR.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("diffscaler", appauthor=False),
        description="Holds the library, the job queue, installed models and logs. Nothing is written elsewhere.",
    )
    device: str | None = Field(None, description="cpu, cuda, cuda:1 or mps; empty: the best one that works.")
    threads: int = Field(0, ge=0, description="CPU threads for the networks; 0: one per core.")
    memory_budget_gb: float = Field(0.0, ge=0, description="Memory models may stay in; 0: 60 % of what is free.")
    library_budget_gb: float = Field(50.0, gt=0, description="Disk for intermediate clips; the oldest unused go first.")
    disk_reserve_gb: float = Field(1.0, ge=0, description="Free disk that a job must leave.")
    worker_idle_s: float = Field(30.0, ge=0, description="Seconds a worker waits for work after its last client left.")

    hub_endpoint: str | None = Field(
        None, description="The model hub or a mirror of it; empty: HF_ENDPOINT, else https://huggingface.co."
    )
    hub_token: SecretStr | None = Field(None, description="Token for gated models; empty: HF_TOKEN.")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()  # the worker runs in another folder and must mean the same one

    @property
    def library_dir(self) -> Path:
        return self.data_dir / "library"

    @property
    def models_dir(self) -> Path:
        """Where a person puts model files; training results land here too."""
        return self.data_dir / "models"

    @property
    def jobs_dir(self) -> Path:
        return self.data_dir / "jobs"

    @property
    def cast_dir(self) -> Path:
        return self.data_dir / "cast"

    @property
    def datasets_dir(self) -> Path:
        """Folders of clips as they were prepared for training, one data set a folder."""
        return self.data_dir / "datasets"

    @property
    def projects_dir(self) -> Path:
        return self.data_dir / "projects"

    @property
    def presets_dir(self) -> Path:
        return ROOT / "presets"

    @property
    def assets_dir(self) -> Path:
        return ROOT / "assets"

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process that must agree with this one."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["hub_token"] = self.hub_token and self.hub_token.get_secret_value()  # which str() would hide
        return {f"DIFFSCALER_{name.upper()}": str(value) for name, value in values.items() if value is not None}


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from DIFFSCALER_* variables, defaults for the rest.

    Raises pydantic.ValidationError when a value is out of range.
    """
    environ = os.environ if environ is None else environ
    values = {name: environ[key] for name in Settings.model_fields if environ.get(key := f"DIFFSCALER_{name.upper()}")}
    return Settings.model_validate(values)
