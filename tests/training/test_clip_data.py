"""What a checkpoint keeps of the clips it learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from training.recipes import clip_data
from training.recipes.clip_data import ClipData


def test_the_words_of_all_captions_are_gathered_once_however_many_checkpoints_ask(monkeypatch: pytest.MonkeyPatch):
    asked = []
    real = clip_data.words_in
    monkeypatch.setattr(clip_data, "words_in", lambda captions: (asked.append(1), real(captions))[1])
    clip = np.zeros((2, 4, 4, 3), np.uint8)
    data = ClipData([clip], [["a red car", "A car!"]], [clip], [["held out"]], [["not read"]])
    known = [data.known for _ in range(3)]
    assert known[0] == {
        "shape": [2, 4, 4, 3],
        "words": ["!", "a", "car", "held", "not", "out", "read", "red"],
    }
    assert known[2] == known[0] and asked == [1]
