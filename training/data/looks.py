"""CLIP scores and aesthetics of a data set's shots: pictures are looked at while clips are read, words at the end.

Three frames of a shot are scored, the first, the middle and the last, as Stable Video Diffusion's authors do (Blattmann
et al. 2023), and the mean kept; of several captions the mean too, for a trainer draws one at random.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.shot import Clip, Shot
from diffscaler.errors import MediaError
from training.data.footage import Frame, Picture, open_footage
from training.data.scorers import Models, Opened, ScorerFailed
from training.data.scoring import Spread
from training.data.seen import Seen, Vector, digest_of

if TYPE_CHECKING:
    import torch

#: Shots whose words are read together, and texts read at once.
SHOTS, TEXTS = 64, 64

#: (shot, what is said of it)
Said = tuple[str, tuple[str, ...]]


class Looks:
    """What the models of a job say of shots. models: what scores; dataset: the folder that keeps it"""

    def __init__(self, models: Models, dataset: Path) -> None:
        self.models, self.seen = models, Seen(dataset, models.clip, models.head)
        self._waiting: dict[str, torch.Tensor] = {}
        self._lock = threading.Lock()

    def see(self, key: str, frames: Sequence[Picture]) -> None:
        """Look at a shot's frames, uint8 RGB (H, W, 3) each, with those of other shots; from any thread.

        Raises ScorerFailed, NotEnoughRoom.
        """
        if key in self.seen.at:
            return
        opened = self.models.opened()
        pixels = opened.clip.pixels(frames)  # by whoever reads the clip, beside the network
        with self._lock:
            self._waiting[key] = pixels
            full = sum(map(len, self._waiting.values())) >= opened.batch
        if full:
            self.look()

    def look(self) -> None:
        """Look at what waits."""
        with self._lock:
            batch, self._waiting = self._waiting, {}
        if batch:
            self.seen.add_vectors(self.models.ask(lambda opened: means(opened, batch)))

    def see_again(self, path: Path, clip: Clip, folder_fps: float, go_on: Callable[[], None]) -> str:
        """Look at those shots of a clip that was measured before which no look was taken at.

        Returns why some of them could not be looked at, "" when all were: the clip is as usable as it was.
        Raises ScorerFailed, NotEnoughRoom, and what go_on raises.
        """
        waiting = [shot for shot in clip.shots if shot.key not in self.seen.at]
        if not waiting:
            return ""
        try:
            self._see_shots(open_footage(path, folder_fps).frames, waiting, go_on)
        except MediaError as error:
            return unseen(len(waiting), clip, error.message)
        if waiting:
            return unseen(len(waiting), clip, "it has fewer frames now than when it was measured.")
        return ""

    def _see_shots(self, frames: Iterator[Frame], waiting: list[Shot], go_on: Callable[[], None]) -> None:
        """Look at shots in their order; those that were looked at leave `waiting`."""
        spread = Spread()
        for frame in frames:
            go_on()
            if waiting[0].start <= frame.index < waiting[0].stop:
                spread.add(frame)
            if frame.index + 1 == waiting[0].stop:
                self.see(waiting[0].key, spread.three())
                waiting.pop(0)
                spread = Spread()
            if not waiting:
                return

    def finish(self, made: Manifest, go_on: Callable[[], None], told: Callable[[int, int], None]) -> None:
        """Rate what was seen and compare it with what is said of it, where that was not done.

        told: of shots done and their number
        """
        self.look()
        said: dict[Said, None] = {}
        for clip, shot in made.shots():
            if shot.key in self.seen.at and not self._is_scored(shot.key, captions := clip.captions_of(shot)):
                said[shot.key, captions] = None
        waiting, done, read = iter(said), 0, dict[str, Vector]()
        while batch := tuple(islice(waiting, SHOTS)):
            go_on()
            read = self._score(batch, read, go_on)
            done += len(batch)
            told(done, len(said))

    def _is_scored(self, key: str, captions: tuple[str, ...]) -> bool:
        return self._fits(key, captions) and (not self.models.head or key in self.seen.ratings)

    def _fits(self, key: str, captions: tuple[str, ...]) -> bool:
        """Whether there is nothing to compare a shot with, or it is done."""
        return not captions or (key, digest_of(captions)) in self.seen.fits

    def _score(self, batch: Sequence[Said], read: dict[str, Vector], go_on: Callable[[], None]) -> dict[str, Vector]:
        """Score shots; returns the vectors of their words. read: those of the shots before, often the same clip's"""
        from diffscaler.scorers.clip import clip_score

        vectors = dict(zip((key for key, _ in batch), self.seen.vectors(key for key, _ in batch), strict=True))
        bare = [(key, captions) for key, captions in batch if not self._fits(key, captions)]
        words = {text: read.get(text) for _, captions in bare for text in captions}
        for texts in in_turn([text for text, vector in words.items() if vector is None], TEXTS):
            go_on()
            words.update(zip(texts, self.models.ask(lambda opened, texts=texts: opened.clip.read(texts)), strict=True))
        known = {text: vector for text, vector in words.items() if vector is not None}
        fits = {
            (key, digest_of(captions)): round(clip_score(vectors[key], mean([known[text] for text in captions])), 3)
            for key, captions in bare
        }
        self.seen.add_fits(sure(fits))
        if self.models.head and (fresh := [key for key in vectors if key not in self.seen.ratings]):
            rated = self.models.ask(lambda opened: rating(opened, np.stack([vectors[key] for key in fresh])))
            self.seen.add_ratings(sure(dict(zip(fresh, (round(float(value), 3) for value in rated), strict=True))))
        return known

    def scored(self, made: Manifest) -> Manifest:
        """A manifest with the scores there are. One for other words than are said of a shot now is none."""

        def scores(clip: Clip) -> Clip:
            shots = []
            for shot in clip.shots:
                fit = self.seen.fits.get((shot.key, digest_of(clip.captions_of(shot))))
                found = replace(shot.scores, clip=fit, aesthetics=self.seen.ratings.get(shot.key))
                shots.append(shot if found == shot.scores else replace(shot, scores=found))
            return replace(clip, shots=tuple(shots))

        return replace(made, scorers=self.models.titles, clips=tuple(map(scores, made.clips)))


def unseen(count: int, clip: Clip, why: str) -> str:
    """That shots of a clip could not be looked at, in a sentence. why: a sentence"""
    return f"{count} of its {len(clip.shots)} shots could not be looked at, and have no new CLIP score: {why}"


def means(opened: Opened, batch: dict[str, Any]) -> dict[str, Vector]:
    """Of each shot the mean of its frames' unit vectors. batch: shot -> float32 (N, 3, S, S)"""
    import torch

    pixels = torch.cat(list(batch.values()))
    parts = [opened.clip.see(part) for part in pixels.split(opened.batch)]
    ends = np.cumsum([len(own) for own in batch.values()])[:-1]
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all():
        raise ScorerFailed("The CLIP model sees no numbers in a picture: its weights are damaged.", "Add it again.")
    return dict(zip(batch, (mean(own) for own in np.split(vectors, ends)), strict=True))


def rating(opened: Opened, vectors: Vector) -> Vector:
    """The head's ratings: float32 (N,)."""
    assert opened.head is not None
    return opened.head.rate(vectors)


def mean(vectors: Sequence[Vector] | Vector) -> Vector:
    """float32 (D,)."""
    return np.asarray(np.mean(np.asarray(vectors, np.float64), 0), np.float32)


def sure(scores: dict[Any, float]) -> dict[Any, float]:
    """Scores that are numbers. Raises ScorerFailed."""
    if not np.isfinite(list(scores.values())).all():
        raise ScorerFailed("A model that scores shots gives no numbers: its weights are damaged.", "Add it again.")
    return scores


def in_turn(texts: list[str], size: int) -> Iterator[list[str]]:
    """So many at a time."""
    return (texts[at : at + size] for at in range(0, len(texts), size))
