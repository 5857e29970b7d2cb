"""Commands that end in a file: say what it will take, follow the job, copy the result to where it was asked for."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.library.files import room_for
from diffscaler.requests import Request
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, STOPPED, show_line, show_progress, write_json
from diffscaler.wording import needs_in_words, seconds_in_words


class Lines:
    """Progress for a person: one line that rewrites itself on a terminal, and stays quiet in a pipe."""

    def estimate(self, estimate: dict[str, Any]) -> None:
        if estimate["ready"] == estimate["steps"]:
            sys.stderr.write("Made before: only the file is written.\n")
        else:
            needs = needs_in_words(estimate)
            sys.stderr.write(f"About {seconds_in_words(estimate['seconds'])}. {needs}".rstrip() + "\n")

    def job(self, job: Job) -> None:
        show_progress(job)

    def done(self, clip: Clip, output: Path) -> None:
        show_line("")
        meta = clip.meta
        length = "" if meta.still else f", {meta.num_frames} frames, {meta.duration_s:.2f} s"
        sys.stdout.write(f"{output}: {meta.width}x{meta.height}{length}, {clip.size_bytes / 1e6:.2f} MB\n")
        for note in all_notes(clip, output):
            sys.stdout.write(f"  {note}\n")


class JsonLines:
    """Progress for a program."""

    def estimate(self, estimate: dict[str, Any]) -> None:
        fit = estimate["fit"]
        memory = {"memory_bytes": fit.needed_bytes, "to_fit": fit.rungs} if fit else {}
        write_json({"state": "planned", **{k: v for k, v in estimate.items() if k != "fit"}, **memory})

    def job(self, job: Job) -> None:
        write_json(job.event())

    def done(self, clip: Clip, output: Path) -> None:
        meta = clip.meta.model_dump(mode="json")
        write_json(
            {"state": "written", "output": str(output), "key": clip.key, "meta": meta, "notes": all_notes(clip, output)}
        )


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were really given; the request's own defaults stand for the rest."""
    return {name: value for name in names if (value := getattr(args, name, None)) is not None}


OUTPUT_NAMES = ("encoding", "quality", "bitrate_mbps")

# What a file name's ending asks for when --encoding does not say.
BY_SUFFIX = {".gif": "gif", ".webm": "webm", ".mov": "prores", ".zip": "pictures"}


def how_to_write(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the file to write."""
    by_suffix = BY_SUFFIX.get(args.output.suffix.lower())
    return ({"encoding": by_suffix} if by_suffix else {}) | given(args, *OUTPUT_NAMES)


def deliver(studio: Studio, request: Request, args: argparse.Namespace) -> int:
    """Run a request to its end and copy the result to where it was asked for."""
    output: Path = args.output
    part = place_for(output)
    recipe = studio.recipe(request)
    if output.suffix.lower() != (suffix := studio.suffix_of(recipe)):
        raise InvalidRequest(
            f"The result will be a {suffix} file, not {output.suffix or 'one without an ending'}.",
            f"Use -o {output.stem}{suffix}, or another --encoding.",
        )
    # Whoever is in the cast has agreed.
    if getattr(request, "faces", ()) and not getattr(request, "consent", ""):
        sys.stderr.write("No --consent was given: the file will say that it was not recorded.\n")
    say = JsonLines() if args.json else Lines()
    say.estimate(studio.estimate(recipe))
    if args.dry_run:
        return DONE
    return carry_out(studio, studio.submit_recipe(recipe), output, part, say)


def place_for(output: Path) -> Path:
    """A file beside `output` that the result is written to first. Raises InvalidRequest, OSError: now, not after the
    work."""
    if not output.parent.is_dir():
        raise InvalidRequest(f"There is no folder {output.parent.name!r} to write to.", "Make it first.")
    if output.is_dir():
        raise InvalidRequest(f"{output.name} is a folder.", "Name the file to write.")
    part = output.with_name(f".{uuid.uuid4().hex[:8]}.part")
    part.touch()
    part.unlink()
    return part


def put(made: Path, output: Path, part: Path) -> None:
    """Copy a file to `output` by way of `part`, which `place_for` gave. Raises NotEnoughRoom, OSError."""
    try:
        with room_for(output.name):
            shutil.copyfile(made, part)
            os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)


def carry_out(studio: Studio, submitted: Job, output: Path, part: Path, say: Lines | JsonLines) -> int:
    """Follow a job to its end and copy its file to `output`, by way of `part`. Raises what ended the job."""
    job = submitted
    try:
        for job in studio.follow(submitted.id):
            say.job(job)
    except KeyboardInterrupt:
        studio.queue.stop(submitted.id)
        job = stopping(studio, submitted)
    if not job.ended or job.state == "stopped":
        seed = (job.request or {}).get("seed")
        again = "the same command" if seed is None else f"the same command with --seed {seed}"
        sys.stderr.write(f"\nStopped. What was finished is kept: {again} continues from there.\n")
        if done := studio.finished(job):
            keep = f"python app.py library keep {job.id} -o {output.name}"
            sys.stderr.write(f"To have the {done.words}: {keep}\n")
        return STOPPED
    if job.state == "failed":
        raise DiffScalerError(job.sentence, job.hint)
    clip = studio.library.clip(job.result or "")
    made = studio.library.path(clip.key)
    if output.suffix.lower() != made.suffix:
        raise InvalidRequest(f"The result is a {made.suffix} file.", f"Use -o {output.stem}{made.suffix}.")
    put(made, output, part)
    say.done(clip, output)
    return DONE


def stopping(studio: Studio, submitted: Job) -> Job:
    """The job once it has stopped, which takes as long as a step does; as it is, for whoever will not wait for that."""
    try:
        *_, job = studio.follow(submitted.id)
    except KeyboardInterrupt:
        job = studio.queue.get(submitted.id)
    return job


def all_notes(clip: Clip, output: Path) -> list[str]:
    """What the file says about how it was made."""
    from diffscaler.video.probe import probe
    from diffscaler.video.sequence import read_manifest

    manifest = (read_manifest(output) if output.suffix.lower() == ".zip" else probe(output).manifest) or {}
    return [*manifest.get("notes", []), *clip.notes]
