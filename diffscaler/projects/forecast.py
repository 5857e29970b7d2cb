"""What a film's orders will take, before anything is queued: time, memory and disk, scene by scene.

Says what Studio.estimate says of each: what is kept of a plan costs nothing. What many shots share is looked up once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from diffscaler import plan
from diffscaler.jobs.lanes import holder_of
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import ClipMeta
from diffscaler.plan import Node
from diffscaler.predict import FILE_BYTES_PER_PIXEL, disk_bytes, fit_of, model_names
from diffscaler.progress import FIRST_GUESS, units
from diffscaler.recipe_parts import Recipe
from diffscaler.studio import Studio


@dataclass(frozen=True)
class Cost:
    """takes: clips to make; seconds, disk_bytes: predicted; memory_bytes: of the most demanding one, 0 where unknown"""

    takes: int = 0
    seconds: float = 0.0
    disk_bytes: int = 0
    memory_bytes: int = 0

    def plus(self, other: Cost) -> Cost:
        return Cost(
            self.takes + other.takes, self.seconds + other.seconds, self.disk_bytes + other.disk_bytes,
            max(self.memory_bytes, other.memory_bytes),
        )  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """whole: of all orders; scenes: by number, those that have any"""

    whole: Cost = Cost()
    scenes: dict[str, Cost] = field(default_factory=dict)


def forecast(studio: Studio, scenes: Sequence[str], recipes: Sequence[Recipe]) -> Forecast:
    """scenes: one a recipe. A clip that two of them need is counted once."""
    room = studio.queue.room(holder_of(studio.settings, "device"))
    look = _Look(studio.library, [recipe.root for recipe in recipes])
    counted: set[str] = set()
    by_scene: dict[str, Cost] = {}
    memory: dict[tuple[object, ...], int] = {}
    for scene, recipe in zip(scenes, recipes, strict=True):
        todo = [node for node in look.missing(recipe.root) if node.key not in counted]
        if not todo:
            continue
        counted.update(node.key for node in todo)
        shape = tuple((node.stage, node.models, node.params.get("width"), node.params.get("window")) for node in todo
                      if node.models)  # fmt: skip
        if room and shape not in memory:
            fit = fit_of(studio.catalogue, todo, room)
            memory[shape] = fit.needed_bytes if fit else 0
        cost = Cost(1, sum(map(look.seconds, todo)), sum(map(look.disk, todo)), memory.get(shape, 0))
        by_scene[scene] = by_scene.get(scene, Cost()).plus(cost)
    whole = Cost()
    for cost in by_scene.values():
        whole = whole.plus(cost)
    return Forecast(whole, by_scene)


class _Look:
    """What `predict` and `engine.missing` say, with the library asked once for all plans."""

    def __init__(self, library: ClipLibrary, roots: Iterable[Node]) -> None:
        self.library = library
        keys = {node.key for root in roots for node in plan.nodes(root)}
        self.complete = library.complete_of(keys)
        self.paces: dict[tuple[str, str], float | None] = {}
        self.metas: dict[str, ClipMeta] = {}

    def missing(self, root: Node) -> list[Node]:
        found: dict[str, Node] = {}

        def visit(node: Node) -> None:
            if node.key in found or node.stage == plan.IMPORT or node.key in self.complete:
                return
            for source in node.inputs:
                visit(source)
            found[node.key] = node

        visit(root)
        return list(found.values())

    def meta(self, node: Node) -> ClipMeta:
        if node.key not in self.metas:
            if node.stage == plan.IMPORT:
                self.metas[node.key] = self.library.clip(node.key).meta
            else:
                self.metas[node.key] = node.build().describe(tuple(map(self.meta, node.inputs)))
        return self.metas[node.key]

    def seconds(self, node: Node) -> float:
        name = (node.stage, model_names(node))
        if name not in self.paces:
            self.paces[name] = self.library.pace(*name)
        pace = self.paces[name]
        work = units(self.meta(node), getattr(node.build(), "effort", 1.0))
        return work * (FIRST_GUESS.get(node.stage, 0.5) if pace is None else pace)

    def disk(self, node: Node) -> int:
        return disk_bytes(self.meta(node), getattr(node.build(), "bytes_per_pixel", FILE_BYTES_PER_PIXEL))
