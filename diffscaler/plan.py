"""A plan: stages as nodes of a graph, each named by the hash of everything that determines its output.

A node's key is sha256 over canonical JSON of its stage, version, parameters, model revisions and inputs' keys. Equal
recipes have equal keys on every machine, so a clip that exists is found before anything runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from diffscaler.stage import ModelRef, Stage
from diffscaler.stages import stage_class

IMPORT = "import"


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class Node:
    """One step of a plan. `params` is JSON data; `models` are (name, revision) pairs."""

    stage: str
    version: int
    params: dict[str, Any]
    models: tuple[ModelRef, ...] = ()
    inputs: tuple[Node, ...] = ()
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(canonical_json(self.facts(self.inputs)).encode()).hexdigest()
        object.__setattr__(self, "key", digest[:40])

    def facts(self, inputs: tuple[Node, ...]) -> dict[str, Any]:
        """Everything the key is made from, as JSON data."""
        return {
            "stage": self.stage,
            "version": self.version,
            "params": self.params,
            "models": [[model.name, model.revision] for model in self.models],
            "inputs": [node.key for node in inputs],
        }

    def build(self) -> Stage:
        """The stage object that carries this node out."""
        cls = stage_class(self.stage)
        return cls(cls.Params.model_validate(self.params), self.models)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.key == self.key


def node(stage: Stage, *inputs: Node) -> Node:
    """A node that runs `stage` on the outputs of `inputs`."""
    return Node(stage.name, stage.version, stage.params.model_dump(mode="json"), tuple(stage.models), inputs)


def imported(sha256: str) -> Node:
    """A file the user gave, by content."""
    return Node(IMPORT, 1, {"sha256": sha256})


def nodes(root: Node) -> Iterator[Node]:
    """Every node of the plan that ends in `root`, inputs before users, each once."""
    seen: set[str] = set()

    def visit(at: Node) -> Iterator[Node]:
        if at.key in seen:
            return
        seen.add(at.key)
        for source in at.inputs:
            yield from visit(source)
        yield at

    yield from visit(root)


def dump(root: Node) -> list[dict[str, Any]]:
    """A plan as JSON data: nodes in order, inputs by key. `load` is its inverse."""
    return [{**at.facts(at.inputs), "key": at.key} for at in nodes(root)]


def load(rows: Iterable[dict[str, Any]]) -> Node:
    """The plan that `dump` wrote. Raises ValueError when a key does not match its content."""
    by_key: dict[str, Node] = {}
    last: Node | None = None
    for row in rows:
        last = Node(
            row["stage"],
            row["version"],
            row["params"],
            tuple(ModelRef(name=name, revision=revision) for name, revision in row["models"]),
            tuple(by_key[key] for key in row["inputs"]),
        )
        if last.key != row["key"]:
            raise ValueError(f"plan node {row['stage']} does not have the key it claims")
        by_key[last.key] = last
    if last is None:
        raise ValueError("an empty plan")
    return last
