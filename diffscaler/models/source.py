"""Where a model's files come from, and what each of them must be when it has arrived."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

RECORD = ".source.json"

REPOSITORY = r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$"


class ModelSource(BaseModel):
    """What `presets/models/*.toml` says in its [source] table.

    repo: "owner/name" at the model hub; revision: a branch, tag or commit of it
    files: patterns of what is fetched ("*.safetensors"), pickles too if they match; empty: what a diffusers pipeline
        loads (safetensors, json, txt, model), never a pickle
    variant: a smaller set of weights to take where there is one ("fp16"); it is stored under the plain names
    parts: folder in the model -> another repository whose files go there
    urls: path in the model -> address of a file that lies elsewhere; sha256: path -> what such a file must be
    texts: path in the model -> content that is written as it stands here
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = Field("", pattern=rf"{REPOSITORY}|^$")
    revision: str = "main"
    files: tuple[str, ...] = ()
    variant: str = ""
    parts: dict[str, ModelSource] = {}
    urls: dict[str, str] = {}
    sha256: dict[str, str] = {}
    texts: dict[str, str] = {}


class RemoteFile(BaseModel):
    """One file of a model.

    path: in the model's folder, with "/"; url: absolute, or below the hub's address
    sha256: hex, always known once the file has arrived; git_sha1: hex digest git gives a small file
    text: the content itself, for a file that is not fetched
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    url: str = ""
    size_bytes: int = Field(ge=0)
    sha256: str = ""
    git_sha1: str = ""
    text: str | None = None

    @property
    def identity(self) -> str:
        """What tells this content from another: a file half fetched continues only under the same."""
        return f"{self.size_bytes}:{self.sha256 or self.git_sha1 or self.url}"

    def is_same(self, arrived: RemoteFile) -> bool:
        """Whether `arrived`, which carries its sha256, has this content."""
        if self.size_bytes != arrived.size_bytes or self.path != arrived.path:
            return False
        if self.sha256:
            return self.sha256 == arrived.sha256
        return self.git_sha1 == arrived.git_sha1 if self.git_sha1 else self.url == arrived.url


class Record(BaseModel):
    """What a model's folder is made of; it lies beside the files, so that they can be checked without the hub.

    revision: the branch or tag asked for; commit: what it stood for; pipeline: the class its model_index.json names
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = ""
    revision: str = ""
    commit: str = ""
    licence: str = ""
    pipeline: str = ""
    files: tuple[RemoteFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def read_record(folder: Path) -> Record | None:
    """The record in a model's folder; None when there is none that can be read."""
    try:
        return Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Replace the record in a folder, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{RECORD}.{uuid.uuid4().hex[:8]}.part"
    part.write_text(json.dumps(record.model_dump(exclude_defaults=True), indent=1) + "\n", encoding="utf-8")
    os.replace(part, folder / RECORD)
