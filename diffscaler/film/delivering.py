"""From shots that were compiled to a folder: their clips, the animatic, the cut with its media, and boards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from diffscaler.film.animatic import Placed, captions_of, lines_of
from diffscaler.film.folder import FilmFolder
from diffscaler.film.making import TimeLeft, made_before, make
from diffscaler.film.media_folder import MediaName, media_clip, suffix_of
from diffscaler.film.report import shot_notes
from diffscaler.film.sound_choice import Heard
from diffscaler.film.voices import voices_for
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.recipe_parts import Recipe
from diffscaler.requests import AnimaticRequest, Request
from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.shot import Shot
from diffscaler.studio import Studio


@dataclass(frozen=True)
class FilmFacts:
    """What holds for all of a film.

    rate: a name of RATES; timecode: of the first frame; model: who draws; appearance: by character, the words that
    introduce them, by which voices are chosen
    """

    title: str
    rate: str
    timecode: str
    width: int
    height: int
    model: str
    appearance: dict[str, str]


@dataclass(frozen=True)
class OwnSound:
    """A sound file of the library. at: the frame of the film it begins at, below 0 its beginning is not heard"""

    sha256: str
    name: str
    at: int
    track: Literal["mixed", "own"]


class Report(Protocol):
    """Who is told how far it is; stops it by raising FilmStopped."""

    def job(self, number: int, job: Job, behind: float) -> None: ...
    def shot(self, number: int, shot: Shot, before: bool | None, notes: Sequence[str], left: float) -> None: ...
    def step(self, what: str, job: Job) -> None: ...


class FilmDelivery:
    """Makes a film and writes it. Every step asks the library first, so a film that was stopped goes on."""

    def __init__(self, studio: Studio, folder: FilmFolder, report: Report, facts: FilmFacts) -> None:
        self.studio, self.folder, self.report, self.facts = studio, folder, report, facts

    def draw(self, shots: Sequence[Placed], recipes: Sequence[Recipe], left: TimeLeft) -> tuple[list[str], list[Path]]:
        """The shots' clips: their keys, and the files they lie in. Raises FilmStopped, DiffScalerError."""
        names = self.folder.names((shot.shot for shot in shots), self.studio.suffix_of(recipes[0]))
        keys: list[str] = []
        for index, (shot, recipe) in enumerate(zip(shots, recipes, strict=True)):
            began, clip = time.monotonic(), made_before(self.studio, recipe)
            before = clip is not None
            if clip is None:
                show = partial(self.report.job, index + 1, behind=left.behind(index))
                clip = make(self.studio, recipe, show)
            left.done(index, time.monotonic() - began)
            self.folder.put(self.studio.library.path(clip.key), names[shot.shot.id])
            keys.append(clip.key)
            notes = shot_notes(shot.compiled, recipe, self.facts.model)
            self.report.shot(index + 1, shot.shot, before, notes, left.behind(index))
        return keys, [names[shot.shot.id] for shot in shots]

    def complete(self, shots: Sequence[Placed], made: Mapping[str, str]) -> list[str]:
        """The clips' keys of shots that are made, with the cards between them, which are made now.

        made: by shot id, its clip. Raises FilmStopped, DiffScalerError.
        """
        cards = [shot for shot in shots if shot.shot.id not in made]
        keys = dict(made)
        for number, card in enumerate(cards, 1):
            keys[card.shot.id] = self._made(card.compiled.request, f"Card {number} of {len(cards)}").key
        return [keys[shot.shot.id] for shot in shots]

    def copies(self, shots: Sequence[Placed], keys: Sequence[str]) -> Iterator[Path]:
        """The files of shots that are made, each as it is copied. Clips of several forms keep their endings."""
        names = self.folder.names((shot.shot for shot in shots), "")
        for shot, key in zip(shots, keys, strict=True):
            made, name = self.studio.library.path(key), names[shot.shot.id]
            target = name.with_name(f"{name.name}{made.suffix}")
            self.folder.put(made, target)
            yield target

    def cut(self, shots: Sequence[Placed], files: Sequence[Path]) -> Cut:
        """The cut of clips that begin at 00:00:00:00."""
        return self._cut([shot.event(file) for shot, file in zip(shots, files, strict=True)])

    def media(self, shots: Sequence[Placed], keys: Sequence[str], media: MediaName) -> Cut:
        """The clips as an edit suite wants them, and the cut of these."""
        self.folder.media.mkdir(exist_ok=True)
        names = self.folder.names((shot.shot for shot in shots), suffix_of(media), self.folder.media)
        drop, events = ";" in self.facts.timecode, list[Event]()
        for number, (shot, key) in enumerate(zip(shots, keys, strict=True), 1):
            file = names[shot.shot.id]
            asked = media_clip(key, shot.compiled, media, self.facts.rate, file, drop)
            clip = self._made(asked.request, f"Media {number} of {len(shots)}")
            self.folder.put(self.studio.library.path(clip.key), file)
            events.append(shot.event(file, asked.start, asked.reel))
        return self._cut(events)

    def animatic(
        self, shots: Sequence[Placed], keys: Sequence[str], cut: Cut, heard: Heard, own: OwnSound | None,
        burn_in: bool, burn_subtitles: bool, language: str,
    ) -> tuple[Path, Clip, str]:  # fmt: skip
        """(its file, its clip, what is heard)."""
        speakers = {name for shot in shots for name in shot.shot.speakers}
        voices = voices_for(speakers, self.facts.appearance) if heard.program else {}
        speech = lines_of(shots, self.facts.rate, voices)
        asked = AnimaticRequest(
            title=self.facts.title[:200],
            clips=tuple(keys),
            labels=tuple(shot.compiled.label for shot in shots) if burn_in else (),
            rate=self.facts.rate,
            timecode=self.facts.timecode,
            cut=tuple(shot.in_film for shot in shots),
            captions=captions_of(cut),
            show_captions=burn_subtitles,
            speech=speech,
            speech_program=heard.program if speech else "",
            language=language,
            **({"sound": own.sha256, "sound_at": own.at, "sound_track": own.track} if own else {}),
        )
        clip = self._made(asked, "Animatic")
        target = self.folder.root / "animatic.mp4"
        self.folder.put(self.studio.library.path(clip.key), target)
        return target, clip, heard.sentence(len(speech), own.name if own else "")

    def _made(self, request: Request, what: str) -> Clip:
        recipe = self.studio.recipe(request)
        return made_before(self.studio, recipe) or make(self.studio, recipe, partial(self.report.step, what))

    def _cut(self, events: Sequence[Event]) -> Cut:
        at = self.facts
        return Cut(at.title, at.rate, tuple(events), at.timecode, at.width, at.height)
