"""A caption that says what a scene shows, in one of many wordings."""

from __future__ import annotations

import numpy as np

from training.scenes.spec import SceneSpec
from training.scenes.world import (
    ACTION_WORDS,
    CAMERAS,
    DIRECTION_WORDS,
    LIGHTS,
    PLACES,
    PROPS,
    SHOTS,
    STILL_WORDS,
    SUBJECTS,
)


def caption_of(spec: SceneSpec, variant: int = 0) -> str:
    """One true caption of `spec`; `variant` picks the wording, the same number always the same words."""
    rng = np.random.default_rng([7, spec.seed, variant])

    def pick(options: tuple[str, ...]) -> str:
        # The first wording is the plain one, which people type most.
        return options[0] if rng.random() < 0.4 else options[int(rng.integers(len(options)))]

    subject = SUBJECTS[spec.subject]
    noun = pick(subject.words)
    article = ("An" if noun[0] in "aeiou" else "A") if rng.random() < 0.85 else "The"
    place = pick(PLACES[spec.place].phrases)
    light = pick(LIGHTS[spec.light])
    says_light = spec.light != "day" or rng.random() < 0.3
    participle, verb = (pick(words) for words in ACTION_WORDS[spec.action])
    if spec.action == "still":
        participle = pick(STILL_WORDS.get(subject.kind, ACTION_WORDS["still"][0]))
        if rng.random() < 0.4:
            participle = ""
    if spec.direction and rng.random() < 0.75:
        side = f" {pick(DIRECTION_WORDS[spec.direction])}"
        participle, verb = participle + side, verb + side
    if spec.prop != "none":
        prop = pick(PROPS[spec.prop])
        participle = prop if spec.action == "still" else f"{participle} {prop}"
        verb = f"{verb} {prop}"
    if spec.action == "drink" and rng.random() < 0.5:
        place = "from a lake" if rng.random() < 0.7 else "from the lake"
    # A scene without a place is always a field: what is left unsaid then has one meaning to learn.
    says_place = spec.place != "field" or rng.random() < 0.6
    style = rng.random()
    if style < 0.15:
        where = PLACES[spec.place].slug if says_place else "FIELD"
        text = f"EXT. {where} - {spec.light.upper()}. {article} {noun} {verb}."
    else:
        text = " ".join(
            part
            for part in (
                f"{article.lower()} {noun}",
                participle,
                place if says_place else "",
                light if says_light else "",
            )
            if part
        )
        if spec.shot != "medium" or rng.random() < 0.08:
            text = f"{pick(SHOTS[spec.shot])} {text}"
        text = text if rng.random() < 0.5 else text[0].upper() + text[1:] + "."
    if style < 0.15 and spec.shot != "medium":
        text = f"{pick(SHOTS[spec.shot]).removesuffix(' of').capitalize()}. {text}"
    if spec.camera != "static" or rng.random() < 0.04:
        text = f"{text.rstrip('.')}, {pick(CAMERAS[spec.camera])}"
    return text
