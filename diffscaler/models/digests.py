"""A model's revision: the digest of its files, remembered by size and modification time so that it is read once."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from importlib import metadata
from pathlib import Path

from diffscaler.library.files import sha256_of
from diffscaler.models.source import RECORD
from diffscaler.models.spec import ModelSpec


def revision(spec: ModelSpec, cache_path: Path) -> str:
    """Hex digest (16 characters) of everything the model is loaded from.

    cache_path: a JSON file of earlier answers; it may be missing or damaged, and is then made again
    """
    if spec.path is None:
        return f"{spec.package}-{metadata.version(spec.package or '')}"
    files = sorted(path for path in spec.path.rglob("*") if path.is_file()) if spec.path.is_dir() else [spec.path]
    cache = read_cache(cache_path)
    known = dict(cache)
    digest = hashlib.sha256()
    for path in files:
        if path.suffix.lower() == ".md" or path.name == RECORD:
            continue  # a model card explains a model, a record says where it came from: neither is part of it
        stamp = stamp_of(path)
        if stamp not in cache:
            cache[stamp] = sha256_of(path)
        digest.update(f"{path.relative_to(spec.path).as_posix()}:{cache[stamp]}\n".encode())
    if cache != known:
        write_cache(cache_path, cache)
    return digest.hexdigest()[:16]


def remember(cache_path: Path, known: dict[Path, str]) -> None:
    """Note the sha256 of files that were just verified: a model of many gigabytes is then not read again at once."""
    write_cache(cache_path, read_cache(cache_path) | {stamp_of(path): sha256 for path, sha256 in known.items()})


def stamp_of(path: Path) -> str:
    """What changes when a file does."""
    stat = path.stat()
    return f"{path}|{stat.st_size}|{stat.st_mtime_ns}"


def read_cache(path: Path) -> dict[str, str]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_cache(path: Path, cache: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    part.write_text(json.dumps(cache, indent=0), encoding="utf-8")
    os.replace(part, path)
