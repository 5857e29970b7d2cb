"""Which files of a repository a pipeline loads: repositories hold several copies, demos and pickles besides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from diffscaler.models.source import ModelSource

# A pickle runs whatever its author wrote into it, so none is on this list.
LOADED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE", "LICENSE.md")
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")

_WEIGHTS = re.compile(
    r"(?P<stem>.+?)(?P<early>-\d+-of-\d+)?"
    r"(?:\.(?P<variant>fp16|bf16|fp32|fp8\w*|non_ema|ema)(?P<late>-\d+-of-\d+)?)?\.safetensors"
)


class Weights(NamedTuple):
    """A weights file's name taken apart; sharded: whether it is one of several that belong together."""

    stem: str
    variant: str
    sharded: bool


def read_index(text: str) -> tuple[str, set[str]] | None:
    """(pipeline class, folders of its components) of a model_index.json; None when it is none."""
    try:
        rows: dict[str, Any] = json.loads(text)
        name = str(rows["_class_name"])
        lists = {key: row for key, row in rows.items() if isinstance(row, list) and not key.startswith("_")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return name, {key for key, row in lists.items() if any(row)}


def chosen(names: Iterable[str], source: ModelSource, components: set[str] | None) -> dict[str, str]:
    """What to fetch: path in the model's folder -> path in the repository.

    components: folders of the pipeline's parts; None for a repository that is a single part
    """
    patterns = source.files or LOADED
    names = [name for name in names if any(matches(name, pattern) for pattern in patterns)]
    names = [name for name in names if not name.rpartition("/")[2].startswith(".")]  # git's own
    if source.files:
        return {name: name for name in names}
    if components is not None:
        names = [name for name in names if belongs(name, components)]
    return one_copy(names, source.variant)


def matches(name: str, pattern: str) -> bool:
    """Whether a path, or its last piece, fits a pattern."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)


def belongs(name: str, components: set[str]) -> bool:
    """Whether a file is part of the pipeline: weights beside model_index.json are another format's."""
    folder, slash, _ = name.partition("/")
    return folder in components if slash else not name.endswith(".safetensors")


def one_copy(names: list[str], variant: str = "") -> dict[str, str]:
    """Each network once: the variant wanted if it is a single file, else the plain copy, else whatever there is."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    found = {name: name for name in names}
    for name in names:
        if (parts := weights(name)) is not None:
            groups.setdefault((name.rpartition("/")[0], parts.stem), {}).setdefault(parts.variant, []).append(name)
    for (folder, stem), copies in groups.items():
        place = f"{folder}/{stem}" if folder else stem
        single = copies.get(variant, []) if variant else []
        if len(single) == 1 and not is_sharded(single[0]):
            drop = [name for several in copies.values() for name in several]
            # The index of a copy in several files would send the loader looking for them.
            drop += [name for name in names if name.startswith(f"{place}.safetensors.index.")]
            for name in drop:
                found.pop(name, None)
            found[f"{place}.safetensors"] = single[0]
        elif "" in copies:
            for name in (name for other, several in copies.items() if other for name in several):
                del found[name]
    return found


def weights(name: str) -> Weights | None:
    """A weights file's name taken apart; None for any other file."""
    found = _WEIGHTS.fullmatch(name.rpartition("/")[2])
    if found is None:
        return None
    return Weights(found["stem"], found["variant"] or "", bool(found["early"] or found["late"]))


def is_sharded(name: str) -> bool:
    parts = weights(name)
    return parts is not None and parts.sharded


def only_pickles(names: Iterable[str], taken: Iterable[str], components: set[str]) -> list[str]:
    """Components whose weights come as pickles only; a model without them would not load."""
    safe = {name.partition("/")[0] for name in taken if name.endswith(".safetensors")}
    pickled = {name.partition("/")[0] for name in names if name.endswith(PICKLES) and "/" in name}
    return sorted((pickled & components) - safe)
