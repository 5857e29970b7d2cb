"""Orders of a film become jobs: one a shot, in their order.

What is asked for is on the board before the first is queued, so that a studio that is killed meanwhile knows of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

from diffscaler import predict
from diffscaler.engine import missing
from diffscaler.errors import NotEnoughRoom
from diffscaler.jobs.job import Job
from diffscaler.models.catalogue import CatalogueOnce
from diffscaler.projects.asking import Asking
from diffscaler.projects.forecast import Forecast
from diffscaler.projects.orders import Order, Standing, next_number, ordered, same_take
from diffscaler.projects.project import Project, Take, shown_take, takes_by_shot
from diffscaler.recipe_parts import Recipe
from diffscaler.recipes import Recipes
from diffscaler.settings import GIB
from diffscaler.studio import Studio


def asking_of(studio: Studio, project: Project) -> Asking:
    """Raises ModelNotFound when the film's model is not installed."""
    return Asking(project, studio.catalogue.spec(project.film.model, "text2video"), studio.cast)


def standing_of(studio: Studio, project: Project) -> Standing:
    """Where the takes of a film are now."""
    return standing_of_clips(studio, [take.clip for take in project.takes])


def standing_of_clips(studio: Studio, clips: Sequence[str]) -> Standing:
    """Where takes are now, by their clips."""
    return Standing(studio.library.complete_of(clips), studio.queue.of_clips(clips))


def planned(studio: Studio, orders: Sequence[Order], tell: Callable[[int], None] | None = None) -> list[Recipe]:
    """The plans of orders, in their order. tell: told how many are done; planning takes some milliseconds a shot

    Raises DiffScalerError when one cannot be had.
    """
    plans = Recipes(studio.library, CatalogueOnce(studio.settings))
    found: list[Recipe] = []
    for order in orders:
        found.append(plans.of(order.take.request))
        if tell:
            tell(len(found))
    return found


def check_room(studio: Studio, recipes: Sequence[Recipe], cost: Forecast) -> None:
    """Raises NotEnoughRoom when the film would not fit on the disk, or one shot not into memory."""
    reserve = int(studio.settings.disk_reserve_gb * GIB)
    free = shutil.disk_usage(studio.library.root).free - reserve
    if cost.whole.disk_bytes > free:
        raise NotEnoughRoom(
            f"This needs about {cost.whole.disk_bytes / 1e9:.1f} GB of disk; {max(0, free) / 1e9:.1f} GB are free.",
            "Draw fewer scenes, choose a smaller frame, or remove clips from the library.",
        )
    shapes = {(one.root.inputs[0].stage, one.root.inputs[0].params.get("width")): one for one in recipes}
    for recipe in shapes.values():
        predict.check_room(studio.library, missing(studio.library, recipe.root), reserve)


def submit(studio: Studio, project_id: str, orders: Sequence[Order], recipes: Sequence[Recipe]) -> list[Job]:
    """Put orders on the board and queue those whose clip is not there; returns the jobs.

    recipes: as `planned` made them. Raises InvalidRequest when the film is gone.
    """
    known = [
        replace(order, take=replace(order.take, clip=recipe.root.key))
        for order, recipe in zip(orders, recipes, strict=True)
    ]
    studio.projects.change(project_id, lambda project: ordered(project, _unlike(project, known)))
    jobs = [studio.queue.submit(recipe) for recipe in recipes if not studio.library.complete(recipe.root.key)]
    if jobs:
        studio.keeper.ensure()
    return jobs


def stop(studio: Studio, project: Project) -> None:
    """Stop every job of a film that waits or runs; what is finished is kept."""
    for job in reversed(list(standing_of(studio, project).jobs.values())):
        if not job.ended:
            studio.queue.stop(job.id)


def remove(studio: Studio, project_id: str) -> Project:
    """Take a film out of the list, as it was; what is drawn for it is stopped, what is made stays. Raises FilmGone."""
    film = studio.projects.remove(project_id)
    stop(studio, film)
    return film


def film_clips(project: Project, standing: Standing) -> dict[str, Take]:
    """By shot, the take that goes into the film: the one that stands for it if it is made, else the last that is."""
    found: dict[str, Take] = {}
    takes = takes_by_shot(project)
    for shot in project.board.shots:
        mine = takes.get(shot.id, [])
        made = [take for take in mine if take.clip in standing.made]
        shown = shown_take(mine)
        chosen = shown if shown in made else shown_take(made)
        if chosen is not None:
            found[shot.id] = chosen
    return found


def _unlike(project: Project, orders: Sequence[Order]) -> list[Order]:
    """Orders as the board has room for them: what it shows of this clip already is not put there twice, and where
    another clip bears the take's number (the shot was edited on another page, or a model was replaced since), the take
    gets the next one. A take is never said to be a clip that was made from something else."""
    found: list[Order] = []
    takes, numbers = takes_by_shot(project), dict[tuple[str, int], int]()
    for order in orders:
        mine, wanted = takes.setdefault(order.shot.id, []), order.take
        namesake = next((take for take in mine if same_take(take, wanted)), None)
        if namesake is not None and namesake.clip == wanted.clip:
            found.append(replace(order, fresh=False))
            continue
        known = (order.shot.id, wanted.number)
        if namesake is not None or known in numbers:  # a final goes with its draft
            numbers.setdefault(known, next_number(mine))
            wanted = replace(wanted, number=numbers[known], circled=False)
            order = replace(order, take=wanted, fresh=True, instead_of=order.instead_of or namesake)
        mine.append(wanted)
        found.append(order)
    return found
