"""What is said while a film is made: to a person, or as JSON lines to a program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from diffscaler.film.fit_stage import FitShot, FitShotParams
from diffscaler.jobs.job import Job
from diffscaler.media import ClipMeta
from diffscaler.recipe_parts import Recipe
from diffscaler.screenplay.compile import CompiledShot
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.shot import Shot
from diffscaler.terminal import show_line, write_json
from diffscaler.wording import seconds_in_words


def shot_notes(shot: CompiledShot, recipe: Recipe, model: str) -> tuple[str, ...]:
    """What a person should know of a shot before it is drawn: words that are lost, motion that is slowed."""
    notes: list[str] = []
    if shot.words and shot.words.dropped:
        notes.append(f"{model} does not know {', '.join(shot.words.dropped)}")
    if shot.words and shot.words.replaced:
        notes.append(f"{model} draws {', '.join(f'{new} for {old}' for old, new in shot.words.replaced)}")
    if shot.words and shot.words.cut:
        notes.append(f"{model} reads no more: the last {shot.words.cut} words are left out")
    frames = recipe.root.inputs[0]
    if frames.stage == FitShot.name and (slowed := FitShotParams.model_validate(frames.params).slowed) > 1:
        notes.append(f"longer than {model} draws: shown {float(slowed):.3g} times slower")
    return tuple(notes)


class FilmReport:
    """count: of the shots."""

    def __init__(self, json: bool, count: int) -> None:
        self.json, self.count = json, count
        self.finished = 0

    def planned(self, frames: int, rate: str, ready: int, seconds: float) -> None:
        """frames: of the film; ready: shots made before; seconds: predicted for the others."""
        if self.json:
            row = {"state": "planned", "shots": self.count, "ready": ready, "frames": frames, "rate": rate}
            write_json(row | {"seconds": seconds})
            return
        length = seconds_in_words(float(frames / rate_of(rate)))
        more = "all made before" if ready == self.count else f"about {seconds_in_words(seconds)} to draw"
        more = f"{ready} of them made before, {more}" if 0 < ready < self.count else more
        sys.stdout.write(f"{self.count} shots, {frames} frames, {length} on screen; {more}\n")
        sys.stdout.flush()

    def job(self, number: int, job: Job, behind: float) -> None:
        """Progress of shot `number`; behind: seconds that the shots after it will take."""
        if self.json:
            write_json({"number": number, **job.event()})
        elif job.progress:
            left = (job.progress.get("seconds_left") or 0) + behind
            text = job.progress["text"].rpartition(",")[0] or job.progress["text"]
            show_line(f"Shot {number} of {self.count}: {text}; {seconds_in_words(left)} left for the film")

    def shot(self, number: int, shot: Shot, before: bool | None, notes: Sequence[str], left: float) -> None:
        """A shot is there. before: it was made earlier; None: it is only planned"""
        self.finished += before is not None
        if self.json:
            row = {"state": "shot", "number": number, "shot": shot.name, "id": shot.id, "frames": shot.frames}
            write_json(row | {"made_before": before, "notes": notes})
            return
        show_line("")
        how = "" if before is None else ", made before" if before else ""
        more = f", {seconds_in_words(left)} left" if before is False and number < self.count else ""
        sys.stdout.write(f"{number:3d} of {self.count}  {shot.name}, {shot.frames} frames{how}{more}\n")
        for note in notes:
            sys.stdout.write(f"      {note}\n")
        sys.stdout.flush()

    def step(self, what: str, job: Job) -> None:
        """Progress of what comes when the shots are drawn: "Animatic", "Media 3 of 53"."""
        if self.json:
            write_json({"step": what, **job.event()})
        elif job.progress:
            show_line(f"{what}: {job.progress['text']}")

    def note(self, text: str) -> None:
        """What a person should know of the film as a whole."""
        if self.json:
            write_json({"state": "note", "note": text})
            return
        show_line("")
        sys.stdout.write(f"{text}\n")

    def written(self, animatic: Path, meta: ClipMeta, sound: str, files: Sequence[Path]) -> None:
        """The film is there. sound: what is heard in it, or why nothing is"""
        if self.json:
            row = {"state": "written", "output": str(animatic), "meta": meta.model_dump(mode="json"), "sound": sound}
            write_json(row | {"files": [str(path) for path in files]})
            return
        show_line("")
        sys.stdout.write(
            f"{animatic}: {meta.width}x{meta.height}, {meta.num_frames} frames, {meta.duration_s:.2f} s\n{sound}\n"
        )
        sys.stdout.write(f"Beside it: clips, {', '.join(path.name for path in files)}\n")

    def stopped(self) -> None:
        """Somebody stopped it."""
        show_line("")
        sys.stderr.write(
            f"Stopped after {self.finished} of {self.count} shots. What was finished is kept: the same command goes"
            " on from there.\n"
        )
