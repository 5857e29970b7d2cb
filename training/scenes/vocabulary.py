"""Which words the built-in model has seen, and what each stands for."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from training.scenes.captions import caption_of
from training.scenes.spec import draw_spec
from training.scenes.world import (
    ACTION_WORDS,
    CAMERAS,
    DIRECTION_WORDS,
    LIGHTS,
    PLACES,
    PROPS,
    SHOTS,
    STILL_WORDS,
    STOPWORDS,
    SUBJECTS,
)

#: Captions read to find the words; with 12 subjects and 8 places every word of the grammar turns up many times.
NUM_CAPTIONS = 4000


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, as the vocabulary lists them."""
    return re.findall(r"[^\W\d_]+", text.lower())


def _named() -> dict[str, str]:
    """word -> "category:canonical", or "other", for every word of the world's tables that is no stopword."""
    # These mean something only beside other words.
    meaning = dict.fromkeys(("camera", "shot", "slow", "up", "down", "taking", "takes", "full", "water"), "other")

    def add(category: str, canonical: str, phrases: tuple[str, ...]) -> None:
        for word in (w for phrase in phrases for w in words_of(phrase)):
            if word not in STOPWORDS:
                meaning.setdefault(word, f"{category}:{canonical}")

    for subject in SUBJECTS.values():
        add("subject", subject.name, subject.words)
    for place in PLACES.values():
        add("place", place.name, (*place.phrases, place.slug))
    for prop, phrases in PROPS.items():
        add("prop", prop, (prop,))
        add("prop", prop, phrases)
    for light, phrases in LIGHTS.items():
        add("light", light, (light, *phrases))
    for side, phrases in DIRECTION_WORDS.items():
        add("direction", "left" if side < 0 else "right", phrases)
    for camera, phrases in CAMERAS.items():
        add("camera", camera, phrases)
    for shot, phrases in SHOTS.items():
        add("shot", shot, phrases)
    for action, (participles, verbs) in ACTION_WORDS.items():
        add("action", action, (*participles, *verbs))
    for phrases in STILL_WORDS.values():
        add("action", "still", phrases)
    meaning["ext"] = "style:screenplay"
    return meaning


def vocabulary(first_seed: int = 0) -> dict[str, object]:
    """{"words": {word: "category:canonical" or "other"}, "stopwords": [...]}, of words in captions."""
    seen = Counter(w for i in range(NUM_CAPTIONS) for w in words_of(caption_of(draw_spec(first_seed + i), i % 6)))
    meaning = _named()
    words = {w: meaning.get(w, "other") for w in sorted(seen) if w not in STOPWORDS}
    return {"words": words, "stopwords": sorted(STOPWORDS)}


def write_vocabulary(path: Path) -> None:
    """Write the vocabulary beside a model."""
    path.write_text(json.dumps(vocabulary(), indent=1) + "\n", encoding="utf-8")
