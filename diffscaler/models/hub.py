"""What a model hub says about a repository: its commit, its licence, and the files wanted, with their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from diffscaler.errors import DownloadFailed
from diffscaler.models.annotators import annotator_in
from diffscaler.models.background import in_background
from diffscaler.models.fetch import content_range
from diffscaler.models.paths import safe_path
from diffscaler.models.selection import chosen, only_pickles, read_index
from diffscaler.models.source import ModelSource, Record, RemoteFile
from diffscaler.models.web import Hub, Web, host_of
from diffscaler.settings import Settings

HUGGING_FACE = "https://huggingface.co"
INDEX = "model_index.json"
INDEX_BYTES = 2**20
CONFIG = "config.json"

Stopped = Callable[[], bool]


def hub_of(settings: Settings, environ: Mapping[str, str] | None = None) -> Hub:
    """The hub to ask: settings first, then HF_ENDPOINT and HF_TOKEN, as other tools read them.

    Raises InvalidRequest for an address or a token that cannot be right.
    """
    environ = os.environ if environ is None else environ
    token = settings.hub_token.get_secret_value() if settings.hub_token else environ.get("HF_TOKEN", "")
    return Hub(settings.hub_endpoint or environ.get("HF_ENDPOINT") or HUGGING_FACE, token.strip())


class Lfs(BaseModel):
    """A large file: what its pointer in git stands for."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Sibling(BaseModel):
    """One file in the hub's answer. blobId: git's digest, which for an LFS file is that of its pointer."""

    rfilename: str
    size: int | None = Field(None, ge=0)
    blobId: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")  # noqa: N815 - the hub's spelling
    lfs: Lfs | None = None


class Answer(BaseModel):
    """What is used of /api/models/{repo}/revision/{revision}."""

    sha: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    siblings: list[Sibling]
    tags: list[str] = []
    cardData: dict[str, Any] | None = None  # noqa: N815 - the hub's spelling

    @property
    def licence(self) -> str:
        card = self.cardData or {}
        said = card.get("license_name") or card.get("license")
        tagged = [tag.removeprefix("license:") for tag in self.tags if tag.startswith("license:")]
        return str(said if isinstance(said, str) else (tagged or ["unknown"])[0])[:80]


def contents(web: Web, source: ModelSource, stopped: Stopped) -> Record:
    """Every file a source brings, with sizes and what is known of its content.

    Raises DownloadFailed when there is no such repository, or nothing in it that this studio loads; JobCancelled.
    """
    index = source.texts.get(INDEX, "")
    record, files = Record(), list[RemoteFile]()
    if source.repo:
        record, files = repository(web, source, index, stopped)
    for folder, part in source.parts.items():
        _, more = repository(web, part, None, stopped)
        files += [file.model_copy(update={"path": f"{folder}/{file.path}"}) for file in more]
    for path, url in source.urls.items():
        size = size_at(web, url, path, stopped)
        files.append(RemoteFile(path=path, url=url, size_bytes=size, sha256=source.sha256.get(path, "")))
    files = [file for file in files if file.path not in source.texts]
    files += [written(path, text) for path, text in source.texts.items()]
    check_paths(files)
    return record.model_copy(update={"files": tuple(sorted(files, key=lambda file: (file.size_bytes, file.path)))})


def repository(web: Web, source: ModelSource, index: str | None, stopped: Stopped) -> tuple[Record, list[RemoteFile]]:
    """One repository. index: its model_index.json; "" to read it there, None for one that is a part of a pipeline."""
    repo, revision = source.repo, quote(source.revision, safe="")
    host = web.hub.host
    data = web.read(web.hub.url(f"api/models/{repo}/revision/{revision}?blobs=true"), repo, stopped)
    try:
        answer = Answer.model_validate_json(data)
    except ValidationError:
        raise DownloadFailed(
            f"{host} did not answer like a model hub.", "Check its address: DIFFSCALER_HUB_ENDPOINT or HF_ENDPOINT."
        ) from None
    commit = answer.sha or revision
    siblings = {sibling.rfilename: sibling for sibling in answer.siblings}

    def url(name: str) -> str:
        return f"{repo}/resolve/{commit}/{quote(name)}"

    pipeline, components = "", None
    if index is not None and not source.files:

        def read(name: str) -> str:
            return web.read(web.hub.url(url(name)), f"{repo}/{name}", stopped, INDEX_BYTES).decode("utf-8", "replace")

        if index or INDEX in siblings:
            pipeline, components = read_index(index or read(INDEX)) or ("", None)
            if components is None:
                raise DownloadFailed(f"The {INDEX} of {repo} cannot be read.", "Look for another version of the model.")
        elif CONFIG not in siblings or annotator_in(read(CONFIG)) is None:
            raise DownloadFailed(
                f"{repo} is not a diffusers pipeline: it has no {INDEX}.", "Look for its diffusers version."
            )
        elif not any(name.endswith(".safetensors") for name in siblings):
            raise DownloadFailed(
                f"{repo} has its weights only as pickles, which can run code; they are not fetched.",
                "Look for a version with safetensors.",
            )
    wanted = chosen(siblings, source, components)
    if components and (pickles := only_pickles(siblings, wanted, components)):
        raise DownloadFailed(
            f"{repo} has {', '.join(pickles)} only as pickles, which can run code; they are not fetched.",
            "Look for a version with safetensors.",
        )
    if not wanted:
        raise DownloadFailed(f"{repo} has no file that this studio loads.", "Look for a version with safetensors.")
    files = [known(web, siblings[name], path, url(name), repo, stopped) for path, name in wanted.items()]
    record = Record(
        repo=repo, revision=source.revision, commit=commit, licence=answer.licence, pipeline=pipeline
    )  # fmt: skip
    return record, files


def known(web: Web, sibling: Sibling, path: str, url: str, repo: str, stopped: Stopped) -> RemoteFile:
    """What the hub says of a file; its size is asked for where a mirror leaves it out."""
    if sibling.lfs is not None:
        return RemoteFile(path=path, url=url, size_bytes=sibling.lfs.size, sha256=sibling.lfs.sha256)
    size = sibling.size
    if size is None:
        size = size_at(web, web.hub.url(url), f"{repo}/{path}", stopped)
    return RemoteFile(path=path, url=url, size_bytes=size, git_sha1=sibling.blobId or "")


def size_at(web: Web, url: str, what: str, stopped: Stopped) -> int:
    """Size in bytes of the file at an address. Raises DownloadFailed when the server does not say."""

    def ask() -> Iterator[int | None]:
        # Not HEAD, which some hosts refuse or answer without a size.
        with web.open(web.hub.url(url), what, {"Range": "bytes=0-0"}) as response:
            total = content_range(response.headers.get("Content-Range"))[1]
            yield response.length if response.status == 200 else total

    (size,) = web.patiently(what, lambda: list(in_background(ask, stopped)), stopped)
    if size is None:
        raise DownloadFailed(f"{host_of(url)} does not say how large {what} is.", "Use another mirror.")
    return size


def written(path: str, text: str) -> RemoteFile:
    """A file whose content is known already."""
    data = text.encode("utf-8")
    return RemoteFile(path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), text=text)


def check_paths(files: list[RemoteFile]) -> None:
    """Raise DownloadFailed unless every file has a safe path of its own, on file systems that fold case too."""
    seen: set[str] = set()
    folders: set[str] = set()
    for file in files:
        path = safe_path(file.path)
        seen.add(str(path).casefold())
        folders |= {str(parent).casefold() for parent in path.parents if parent != PurePosixPath(".")}
    if len(seen) != len(files) or seen & folders:
        raise DownloadFailed("The server names two files that are one on some systems.", "Nothing of it was kept.")
