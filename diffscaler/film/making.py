"""Clips of a film, one job at a time: those that the library has are not made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffscaler.delivery import stopping
from diffscaler.engine import missing
from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.predict import check_room, seconds_of
from diffscaler.recipe_parts import Recipe
from diffscaler.settings import GIB
from diffscaler.studio import Studio


class FilmStopped(Exception):
    """Ctrl-C, or somebody stopped the job in the page. What was finished is kept."""


def made_before(studio: Studio, recipe: Recipe) -> Clip | None:
    """The clip of a recipe where the library has it, as a result that no trimming takes."""
    key = recipe.root.key
    if not studio.library.complete(key) or not (clip := studio.library.clip(key)).kept:
        return None
    return clip


def seconds_to_make(studio: Studio, recipe: Recipe) -> float:
    """Predicted seconds for what is missing of a recipe."""
    return sum(seconds_of(studio.library, node) for node in missing(studio.library, recipe.root))


def make(studio: Studio, recipe: Recipe, show: Callable[[Job], None]) -> Clip:
    """Run a recipe to its end in the worker. show: told of every change; stops it by raising FilmStopped

    Raises FilmStopped, NotEnoughRoom before it begins, and DiffScalerError with what ended a job that failed.
    """
    todo = missing(studio.library, recipe.root)
    check_room(studio.library, todo, int(studio.settings.disk_reserve_gb * GIB))
    job = submitted = studio.submit_recipe(recipe)
    try:
        for job in studio.follow(submitted.id):
            show(job)
    except (KeyboardInterrupt, FilmStopped):
        # Also when the shot was whole before the job heard of it: whoever pressed Ctrl-C meant the film.
        studio.queue.stop(submitted.id)
        stopping(studio, submitted)
        raise FilmStopped from None
    if job.state == "failed":
        raise DiffScalerError(f"{recipe.title.partition(':')[0]}: {job.sentence}", job.hint)
    if job.state != "done":
        raise FilmStopped
    return studio.library.clip(job.result or recipe.root.key)


@dataclass
class TimeLeft:
    """Seconds until all shots are drawn: what was predicted for them, corrected by what the ones before took."""

    predicted: list[float]
    spent: float = 0.0
    foreseen: float = 0.0

    def done(self, index: int, seconds: float) -> None:
        """Shot `index` took so long."""
        self.spent += seconds
        self.foreseen += self.predicted[index]

    def behind(self, index: int) -> float:
        """Seconds that the shots behind `index` will take."""
        pace = self.spent / self.foreseen if self.foreseen else 1.0
        return pace * sum(self.predicted[index + 1 :])
