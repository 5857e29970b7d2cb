"""A model hub on the loopback interface, with everything that can go wrong on the way to one."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from diffscaler.models.fetch import fetch
from diffscaler.models.place import Place
from diffscaler.models.source import ModelSource, Record, RemoteFile
from diffscaler.models.web import Hub, Patience, Web
from diffscaler.models.weights import get

QUICK = Patience(stall_s=1.5, attempts=3, pause_s=0.01)
REPO = "studio/tiny"
DATA = bytes(range(251)) * 40
TOKEN = "hf_secretsecret"


@dataclass
class Fault:
    """How one response goes wrong. drop_after, stall_after: bytes of its body that are sent before"""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    stall_after: int | None = None
    redirect: str = ""
    ignore_range: bool = False
    ignore_if_range: bool = False
    no_length: bool = False
    extra: bytes = b""


@dataclass
class Seen:
    """A request as the server got it."""

    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else None


class FakeHub:
    """repos: repository -> path -> content; faults: path -> how its next responses go wrong, in order."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.lies: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.token = ""
        self.seen: list[Seen] = []
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def commit(self, repo: str) -> str:
        rows = sorted(self.repos[repo].items())
        return hashlib.sha1(repr([(name, hashlib.sha1(data).digest()) for name, data in rows]).encode()).hexdigest()

    def asked(self, name: str) -> list[Seen]:
        """The requests for one file's content."""
        return [seen for seen in self.seen if "/resolve/" in seen.path and unquote(seen.path).endswith(f"/{name}")]

    def fetched(self) -> set[str]:
        """Which files' content was asked for."""
        paths = [unquote(seen.path) for seen in self.seen if "/resolve/" in seen.path]
        return {path.split("/resolve/")[1].partition("/")[2] for path in paths}

    def web(self, token: str = "", patience: Patience = QUICK) -> Web:
        return Web(Hub(self.endpoint, token), patience)

    def file(self, name: str, data: bytes, sha256: str | None = None) -> RemoteFile:
        """Serve a single file and say what it is. sha256: "" for one nothing is known of"""
        self.repos.setdefault(REPO, {})[name] = data
        known = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
        return RemoteFile(path=name, url=f"{REPO}/resolve/main/{name}", size_bytes=len(data), sha256=known)

    def siblings(self, repo: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name, data in self.repos[repo].items():
            row: dict[str, Any] = {"rfilename": name, "size": len(data)}
            if name.endswith((".safetensors", ".bin")):
                row["blobId"] = "0" * 40
                row["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
            else:
                row["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            rows.append(row | self.lies.get(name, {}))
        return rows

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                with suppress(BrokenPipeError, ConnectionResetError):
                    hub.answer(self)

        return Handler

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(to.path).path
        self.seen.append(Seen(path, dict(to.headers.items())))
        if self.token and to.headers.get("Authorization") != f"Bearer {self.token}":
            return reply(to, 401, b"", {} if "Authorization" in to.headers else {"X-Error-Code": "GatedRepo"})
        if path.startswith("/api/models/"):
            repo = "/".join(path.split("/")[3:5])
            fault = self.next_fault(f"api:{repo}")
            if fault is not None and fault.status:
                return reply(to, fault.status, b"", fault.headers)
            if repo not in self.repos:
                return reply(to, 404, b"")
            row = {"sha": self.commit(repo), "siblings": self.siblings(repo), "cardData": {"license": "apache-2.0"}}
            return reply(to, 200, self.answers.get(repo) or json.dumps(row).encode())
        repo, name = path.split("/resolve/")[0].strip("/"), unquote(path.split("/resolve/")[1].partition("/")[2])
        if name not in self.repos.get(repo, {}):
            return reply(to, 404, b"")
        self.send_file(to, name, self.repos[repo][name], self.next_fault(name) or Fault())
        return None

    def next_fault(self, name: str) -> Fault | None:
        waiting = self.faults.get(name)
        return waiting.pop(0) if waiting else None

    def send_file(self, to: BaseHTTPRequestHandler, name: str, data: bytes, fault: Fault) -> None:
        if fault.redirect:
            return reply(to, 302, b"", {"Location": fault.redirect})
        if fault.status:
            return reply(to, fault.status, b"", fault.headers)
        etag = self.etags.get(name, f'"{hashlib.sha256(data).hexdigest()[:16]}"')
        start = self.seen[-1].start if not fault.ignore_range else None
        if "If-Range" in to.headers and to.headers["If-Range"] != etag and not fault.ignore_if_range:
            start = None
        if start is not None and start >= len(data):
            return reply(to, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        body = memoryview(data)[start or 0 :]
        to.send_response(200 if start is None else 206)
        if etag:
            to.send_header("ETag", etag)
        if not fault.no_length:
            to.send_header("Content-Length", str(len(body)))
        if start is not None:
            to.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        to.end_headers()
        stop = fault.drop_after if fault.drop_after is not None else fault.stall_after
        to.wfile.write(body if stop is None else body[:stop])
        if fault.stall_after is not None:
            self.released.wait(20)
        elif fault.drop_after is None:
            to.wfile.write(fault.extra)
        return None


def reply(to: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    to.send_response(status)
    for key, value in (headers or {}).items():
        to.send_header(key, value)
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    to.wfile.write(body)


@contextmanager
def running() -> Iterator[FakeHub]:
    hub = FakeHub()
    try:
        yield hub
    finally:
        hub.close()


INDEX = {
    "_class_name": "AnimateDiffPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNetMotionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "image_encoder": [None, None],
}


def tiny_repo(hub: FakeHub, repo: str = REPO) -> dict[str, bytes]:
    """A repository as they are: a pipeline, and much that no pipeline loads."""
    hub.repos[repo] = {
        "model_index.json": json.dumps(INDEX).encode(),
        "unet/config.json": b'{"layers": 2}',
        "unet/diffusion_pytorch_model.safetensors": bytes(range(256)) * 40,
        "unet/diffusion_pytorch_model.fp16.safetensors": bytes(range(256)) * 20,
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": b"vae" * 1000,
        "vae/diffusion_pytorch_model.bin": b"a pickle",
        "tokenizer/merges.txt": b"c a\nca t\n",
        "LICENSE": b"Apache-2.0\n",
        "README.md": b"# tiny\n",
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "tiny-original.safetensors": b"the same in another format",
        "media/demo.json": b"{}",
    }
    return hub.repos[repo]


LOADED = {
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "tokenizer/merges.txt",
    "LICENSE",
}


class Quiet:
    """models.place.Watch that remembers what it was told, and can be stopped."""

    def __init__(self) -> None:
        self.moments: list[tuple[str, str, int, int]] = []
        self.stop_when: Any = lambda: False

    def stopped(self) -> bool:
        return bool(self.stop_when())

    def moment(self, doing: str, file: str, done_bytes: int, total_bytes: int) -> None:
        self.moments.append((doing, file, done_bytes, total_bytes))


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def source() -> ModelSource:
    return ModelSource(repo=REPO)


def never() -> bool:
    return False


def get_file(hub: FakeHub, file: RemoteFile, part: Path, token: str = "", **options: Any) -> RemoteFile:
    """Fetch one file, with little patience."""
    return fetch(hub.web(token), file, part, f"{REPO}/{file.path}", options.pop("stopped", never), **options)


def bring(hub: FakeHub, place: Place, what: ModelSource | None = None, token: str = "") -> Record:
    """Get a model, with little patience."""
    return get(place, what or source(), hub.web(token), Quiet())
