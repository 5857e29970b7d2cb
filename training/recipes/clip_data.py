"""Captioned clips in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from training.events import RunError
from training.finetune.examples import Example, examples_of, read_example
from training.finetune.sources import held_out_of, read_shots
from training.folder import LAYOUT
from training.task import Place

Clip = npt.NDArray[np.uint8]

#: Of one shot; a longer one is looked at here and there.
MOST_WINDOWS = 16

#: Clips between two signs of life.
PER_EVENT = 8


@dataclass(frozen=True)
class ClipData:
    """frames: a clip each, uint8 RGB (F, H, W, 3), of any lengths and sizes; captions: one or more true ones of each,
    ("",) for a clip that has none; apart, apart_captions: likewise, of clips that are never trained on;
    unread_captions: of clips that were not read, for nothing will be learnt."""

    frames: Sequence[Clip]
    captions: Sequence[Sequence[str]]
    apart: Sequence[Clip] = field(default=())
    apart_captions: Sequence[Sequence[str]] = field(default=())
    unread_captions: Sequence[Sequence[str]] = field(default=())

    @cached_property
    def digest(self) -> str:
        """sha256 of the pixels and words that are trained on."""
        found = hashlib.sha256()
        for clip, captions in zip(self.frames, self.captions, strict=True):
            found.update(repr((clip.shape, list(captions))).encode())
            found.update(np.ascontiguousarray(clip))
        return found.hexdigest()

    @cached_property
    def prompts(self) -> list[str]:
        """What samples are drawn of when nobody says: the first captions, each once."""
        return list(dict.fromkeys(captions[0] for captions in self.captions))[:4]

    @cached_property
    def known(self) -> dict[str, Any]:
        """What a model made of them has to know: a clip's shape, and all words, of clips that are held out too.

        Every checkpoint asks; the captions are gone through once.
        """
        captions = (*self.captions, *self.apart_captions, *self.unread_captions)
        return {"shape": list(self.frames[0].shape), "words": words_in(text for said in captions for text in said)}

    @classmethod
    def of_known(cls, known: Mapping[str, Any]) -> ClipData:
        """In place of clips that are not read: a black one, with every word."""
        return cls([np.zeros(tuple(known["shape"]), np.uint8)], [[" ".join(known["words"])]])


def words_in(captions: Iterable[str]) -> list[str]:
    """Every word and mark of some captions once, in order."""
    return sorted({word for caption in captions for word in re.findall(r"\w+|[^\w\s]", caption.lower())})


def read_clips(
    data: str,
    place: Place,
    held_out: int,
    num_frames: int,
    fps: float,
    resolution: int,
    step: int,
    aspect_ratio: float = 0.0,
    legal: Callable[[int], int] = lambda count: count,
    captions_needed: bool = True,
) -> ClipData:
    """The clips of a data set or folder, resized and cropped to the nearest bucket of size; where nothing will be
    learnt the first one alone, for its shape, and the words of all, or none where a checkpoint holds both.

    resolution, aspect_ratio, step: see `examples_of`; legal: the longest length a clip of `count` frames may be cut to,
    0 leaves it out; captions_needed: whether a clip without one is refused
    Raises RunError when there is nothing to train on, or a clip is unreadable.
    """
    if place.known:
        return ClipData.of_known(place.known)
    if not data:
        raise RunError("A run needs clips to learn from.", LAYOUT)
    sides = [
        [
            cut
            for shot in shots
            for example in examples_of(shot, num_frames, fps, MOST_WINDOWS, resolution, aspect_ratio, step)
            if (cut := cut_to(example, legal(len(example.frames))))
        ]
        for shots in held_out_of(read_shots(data, fps, captions_needed=captions_needed, warn=place.warn), held_out)
    ]
    if not sides[0]:
        raise RunError("None of the clips is long enough.", "Use longer clips, or ask for fewer frames.")
    unread = [] if place.learns else [*sides[0][1:], *sides[1]]
    if unread:
        sides = [sides[0][:1], []]
    total = sum(map(len, sides))
    read: list[list[Clip]] = [[], []]
    for side, examples in enumerate(sides):
        for example in examples:
            read[side].append(read_example(example).frames)
            if (done := len(read[0]) + len(read[1])) % PER_EVENT == 0 or done == total:
                place.preparing("reading", done, total)
    said = [[example.shot.captions or ("",) for example in examples] for examples in (*sides, unread)]
    return ClipData(read[0], said[0], read[1], said[1], said[2])


def cut_to(example: Example, count: int) -> Example | None:
    """The first `count` frames of an example; None when that is none."""
    frames = example.frames[:count]
    return Example(example.shot, frames, example.width, example.height) if frames else None
