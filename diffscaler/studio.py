"""The studio without a page: library, queue, catalogue and recipes, as the command line and the page both use them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from diffscaler import engine, plan, predict
from diffscaler.beginning import Beginning, BeginningParams, Finished, finished
from diffscaler.cast import CastLibrary
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.client import WorkerKeeper, follow
from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import holder_of, lane_of
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.tokens import TokenBox
from diffscaler.library.clips import Clip, ClipLibrary
from diffscaler.library.files import remove_tree
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.hub import hub_of
from diffscaler.models.place import INCOMING
from diffscaler.models.shelf import Removal, Shelf
from diffscaler.models.web import Hub
from diffscaler.projects.store import ProjectStore
from diffscaler.recipe_parts import SOUNDS, Recipe
from diffscaler.recipes import Recipes, request_from
from diffscaler.requests import Request
from diffscaler.settings import Settings
from diffscaler.video.stage import Encode, EncodeParams


class Studio:
    """Everything below one data folder. Light: no torch, nothing starts until it is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.models_dir.mkdir(parents=True, exist_ok=True)
        self.library = ClipLibrary(settings.library_dir)
        self.queue = JobQueue(settings.jobs_dir)
        self.catalogue = Catalogue(settings)
        self.shelf = Shelf(settings, self.catalogue)
        self.recipes = Recipes(self.library, self.catalogue)
        self.cast = CastLibrary(settings.cast_dir)
        self.projects = ProjectStore(settings.projects_dir)
        self.keeper = WorkerKeeper(settings, "device")
        self.fetcher = WorkerKeeper(settings, "downloads")

    def recipe(self, request: Request) -> Recipe:
        """The checked plan of a request. Raises DiffScalerError when it cannot be had or would not fit."""
        recipe = self.recipes.of(request)
        todo = engine.missing(self.library, recipe.root)
        predict.check_room(self.library, todo, int(self.settings.disk_reserve_gb * 2**30))
        return recipe

    def submit(self, request: Request) -> Job:
        """Queue a request and make sure that a worker will take it. Raises what `recipe` raises."""
        return self.submit_recipe(self.recipe(request))

    def submit_recipe(self, recipe: Recipe) -> Job:
        """Queue a plan that `recipe` checked."""
        job = self.queue.submit(recipe)
        self.keeper.ensure()
        return job

    def finished(self, job: Job) -> Finished | None:
        """What a stopped or failed job has made so far; None when that is nothing, or the job has not ended."""
        if job.kind != "plan" or job.state not in ("stopped", "failed"):
            return None
        # A plan of an earlier version, or one whose sources are gone, may not be told any more.
        with suppress(DiffScalerError, ValidationError, KeyError):
            return finished(self.library, plan.load(job.payload["plan"]))
        return None

    def keep_finished(self, job_id: str) -> Job:
        """Queue the delivery of what a stopped job has made so far, in the way it was asked for.

        Raises InvalidRequest when that is nothing.
        """
        job = self.queue.get(job_id)
        done = self.finished(job)
        if done is None:
            raise InvalidRequest("That job has finished no frame yet.", "Try again: it goes on where it stopped.")
        root = plan.load(job.payload["plan"])
        frames = plan.node(Beginning(BeginningParams(num_frames=done.num_frames), ()), done.frames)
        given = dict(root.params)
        # Of unfinished frames neither size nor number need be that of the transparency, so it is left out.
        beside = [at for at in root.inputs[1:] if at.stage in SOUNDS]
        words = f"{done.words}, see-through parts black" if len(beside) < len(root.inputs[1:]) else done.words
        encode = Encode(EncodeParams.model_validate({**given, "about": {**given["about"], "part": words}}), ())
        request = request_from(job.request or {})
        delivered = plan.node(encode, frames, *beside)
        return self.submit_recipe(Recipe(delivered, f"{job.title} ({words})", request))

    def suffix_of(self, recipe: Recipe) -> str:
        """The ending of the file a recipe delivers, e.g. ".mp4"."""
        stage = recipe.root.build()
        assert isinstance(stage, Encode)  # every recipe ends in a file
        return stage.suffix(predict.meta_of_plan(self.library, recipe.root.inputs[0]))

    def follow(self, job_id: str) -> Iterator[Job]:
        """A job each time it changes, until it has ended."""
        return follow(self.queue, job_id, self.keeper_of(self.queue.get(job_id)))

    def keeper_of(self, job: Job) -> WorkerKeeper:
        """Who starts the worker that takes such a job."""
        return self.fetcher if lane_of(job.kind) == "downloads" else self.keeper

    def keep_workers(self) -> None:
        """Keep a worker warm for whoever is at the page, and downloads going that lost theirs. Call it often."""
        self.keeper.ensure()
        if self.queue.busy("downloads"):
            self.fetcher.ensure()

    def estimate(self, recipe: Recipe) -> dict[str, Any]:
        """How much of a plan is done, and what the rest will take: {"steps", "ready", "seconds", "disk_bytes", "fit"}.

        "fit": a models.fit.Fit; None before a worker has said where it runs, and where nothing is left to do.
        """
        todo = engine.missing(self.library, recipe.root)
        every = [node for node in plan.nodes(recipe.root) if node.stage != plan.IMPORT]
        room = self.queue.room(holder_of(self.settings, "device"))
        return {
            "fit": predict.fit_of(self.catalogue, todo, room) if room else None,
            "steps": len(every),
            "ready": len(every) - len(todo),
            "seconds": sum(predict.seconds_of(self.library, node) for node in todo),
            "disk_bytes": sum(predict.disk_bytes_of(self.library, node) for node in todo),
        }

    def add_file(self, path: Path, name: str | None = None) -> Clip:
        """Import a file and return its clip. Raises MediaError, NotEnoughRoom."""
        return self.library.clip(self.library.add_file(path, name).key)

    def remove(self, key: str) -> None:
        """Delete a clip. Raises InvalidRequest while a job in the queue, a film or the cast needs it, ClipNotFound."""
        clip = self.library.clip(key)
        names = [clip.key]
        if clip.stage == plan.IMPORT:
            names.append(clip.node.params["sha256"])  # plans name photos by their content
        if any(self.queue.needed(name) for name in names):
            raise InvalidRequest("A job in the queue needs that clip.", "Stop the job first.")
        if film := self.projects.circled_in(clip.key):
            raise InvalidRequest(f"It is a circled take of {film}.", "Take the circle off in the Storyboard tab first.")
        for member in self.cast.list():
            if any(clip.key.startswith(photo) for photo in member.photos):
                raise InvalidRequest(f"{member.name} in the cast has this photo.", "Take them out of the cast first.")
        self.library.remove(clip.key)

    def get_model(self, name: str, *, as_name: str | None = None, token: str = "") -> Job:
        """Queue the download of a model, or the mending of one that was downloaded; the job's kind is "model".

        name: as the catalogue knows it, or a repository: "owner/name", "owner/name@revision"; as_name: what to call
        a repository's model here; token: for gated models, in place of the settings' and HF_TOKEN
        Raises ModelNotFound, InvalidRequest. While it runs, job.progress has done and total in bytes.
        """
        order = self.shelf.order(name, as_name)
        hub = hub_of(self.settings)
        hub = Hub(hub.endpoint, token or hub.token)
        if hub.token:
            TokenBox(self.queue.root).leave(order.name, hub.token)  # first: a worker may take the job at once
        job = self.queue.submit_model(
            order.name, f"Get {order.title}", order.source.model_dump(exclude_defaults=True), hub.endpoint
        )
        self.fetcher.ensure()
        return job

    def remove_model(self, removal: Removal) -> None:
        """Delete what `shelf.removal` listed. Raises InvalidRequest while a job in the queue needs the model."""
        self._check_spare(removal.name, removal.paths)
        self.shelf.remove(removal)

    def remove_run(self, job: Job) -> None:
        """Delete a training's folder: its model, checkpoints, samples and log; clips and caches stay. Raises
        InvalidRequest while the run goes on, a job in the queue needs the model, or another program holds it."""
        output = Path(job.payload["output_dir"])
        if job.kind != "train" or output.parent != self.settings.models_dir:
            raise InvalidRequest("That is no training of this studio.", "Delete its folder by hand.")
        self.queue.check_training(output)
        if not self.queue.is_latest(job):
            raise InvalidRequest("A later training has taken that folder.", "Delete it from the later one.")
        self._check_spare(output.name, [output])
        if output.is_dir():
            gone = self.settings.models_dir / INCOMING / f"{uuid.uuid4().hex}.gone"
            gone.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(output, gone)  # at once, so that half a model is never listed
            except OSError as error:  # Windows moves nothing that is open
                raise InvalidRequest(
                    f"{output.name} is in use: {error.strerror}.", "Close what reads it, or start the studio again."
                ) from error
            remove_tree(gone)

    def _check_spare(self, name: str, paths: Iterable[Path]) -> None:
        """Raises InvalidRequest when a job that has not ended needs a model, or trains on from it."""
        if self.queue.needed(name) or self.queue.begins_with(name, paths):
            raise InvalidRequest("A job in the queue needs that model.", "Stop the job first.")

    def file_of(self, clip: Clip) -> Path | None:
        """The media file of a clip that has one, else None."""
        return self.library.path(clip.key) if clip.meta.kind == "file" else None
