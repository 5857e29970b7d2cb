"""Clips as a model learns them that draws one side in the mirror; see `diffscaler.text2video.mirror`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffscaler.text2video.mirror import Sides, in_mirror, is_mirrored, swapped
from diffscaler.text2video.vocabulary import vocabulary_of
from training.clips import ClipSet
from training.config import TrainingConfig
from training.scenes.world import SIDES


def sides_of(config: TrainingConfig) -> Sides | None:
    """The two words of which a run's model draws the second in the mirror; None where it knows both sides."""
    if config.data == "scenes":
        return SIDES
    known = vocabulary_of(Path(config.init)) if config.init else None
    return known.mirror if known else None


def one_way(clips: ClipSet, sides: Sides | None) -> ClipSet:
    """Clips with those whose caption names the mirrored side first turned round, in picture and in words.

    What is drawn from such words is shown in the mirror again, so footage comes out as it went in, writing included.
    """
    turned = [sides is not None and is_mirrored(words[0], sides) for words in clips.captions]
    if sides is None or not any(turned):
        return clips
    frames, masks = np.array(clips.frames), np.array(clips.masks)
    for index in np.flatnonzero(turned):
        frames[index] = in_mirror(frames[index])
        masks[index] = masks[index][..., ::-1]
    captions = [
        [swapped(text, sides) for text in words] if turn else words
        for words, turn in zip(clips.captions, turned, strict=True)
    ]
    return ClipSet(frames, masks, captions, clips.records)
