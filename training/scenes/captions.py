"""A caption that says what a scene shows, in one of many wordings."""

from __future__ import annotations

import numpy as np

from training.scenes.spec import DEFAULT_FACING, DEFAULT_PLACE, SceneSpec
from training.scenes.world import (
    ACTION_WORDS,
    BESIDE,
    CAMERAS,
    DIRECTION_WORDS,
    FACING_WORDS,
    LIGHTS,
    NUMBERS,
    OUTDOOR_LIGHT,
    PLACES,
    PROPS,
    SHOTS,
    STILL_WORDS,
    SUBJECTS,
)

#: Share of captions written like a screenplay: a heading, then a sentence.
SCREENPLAY = 0.15


class _Wording:
    """Picks among synonyms; the same scene and variant always pick the same."""

    def __init__(self, spec: SceneSpec, variant: int) -> None:
        self.rng = np.random.default_rng([7, spec.seed, variant])

    def pick(self, options: tuple[str, ...]) -> str:
        # The first wording is the plain one, which people type most.
        return options[0] if self.rng.random() < 0.4 else options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def caption_of(spec: SceneSpec, variant: int = 0) -> str:
    """One true caption of `spec`; `variant` picks the wording, the same number always the same words."""
    say = _Wording(spec, variant)
    who = _who(spec, say)
    participle, verb = _what(spec, say)
    scene = PLACES[spec.place]
    afloat = SUBJECTS[spec.subject].kind == "boat"
    place = say.pick(scene.afloat if afloat else scene.phrases)
    if spec.action == "drink" and say.chance(0.5):
        place = "from a lake" if say.chance(0.7) else "from the lake"
    # A scene without a place is always the same one: what is left unsaid then has one meaning to learn.
    says_place = spec.place != DEFAULT_PLACE or say.chance(0.6)
    lights = tuple(p for p in LIGHTS[spec.light] if not (scene.indoors and p in OUTDOOR_LIGHT))
    light = say.pick(lights) if spec.light != "day" or say.chance(0.3) else ""
    shot = say.pick(SHOTS[spec.shot]) if spec.shot != "medium" or say.chance(0.08) else ""
    # Picked whether said or not: a scene and the same scene turned (spec.py) are worded alike but for the way they go.
    side = say.pick(FACING_WORDS[spec.facing])
    facing = f", {side}" if _says_facing(spec, say) else ""
    if say.chance(SCREENPLAY):
        where = PLACES[spec.place].slug if says_place else PLACES[DEFAULT_PLACE].slug
        inside = "INT" if PLACES[spec.place].indoors else "EXT"
        text = f"{inside}. {where} - {spec.light.upper()}. {who[0].upper()}{who[1:]} {verb}{facing}."
        if spec.shot != "medium":
            text = f"{shot.removesuffix(' of').capitalize()}. {text}"
    else:
        text = " ".join(part for part in (shot, who, participle, place if says_place else "", light) if part) + facing
        text = text if say.chance(0.5) else text[0].upper() + text[1:] + "."
    if spec.camera != "static" or say.chance(0.04):
        text = f"{text.rstrip('.')}, {say.pick(CAMERAS[spec.camera])}"
    return text


def _says_facing(spec: SceneSpec, say: _Wording) -> bool:
    """Whether to say which way the subject looks: always where it is not the usual one, and where it goes nowhere."""
    return not spec.direction and (say.chance(0.12) or spec.facing != DEFAULT_FACING)


def _who(spec: SceneSpec, say: _Wording) -> str:
    """ "a black cat", "two dogs", "a man with a dog": everyone in the scene."""
    subject = SUBJECTS[spec.subject]
    if spec.count > 1:
        return " ".join(part for part in (NUMBERS[spec.count], spec.colour, say.pick(subject.plurals)) if part)
    who = _one(say.pick(subject.words), spec.colour, definite=say.chance(0.15))
    if spec.second != "none":
        who = f"{who} {say.pick(BESIDE)} {_one(say.pick(SUBJECTS[spec.second].words), '')}"
    return who


def _one(noun: str, colour: str, definite: bool = False) -> str:
    words = f"{colour} {noun}".strip()
    return f"the {words}" if definite else f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _what(spec: SceneSpec, say: _Wording) -> tuple[str, str]:
    """What happens, as a participle phrase ("running left") and as a verb phrase ("runs left")."""
    words = ACTION_WORDS[spec.action]
    participle = say.pick(words.participles)
    verb = say.pick(words.plural_verbs if spec.count > 1 else words.verbs)
    if spec.action == "still":
        participle = say.pick(STILL_WORDS.get(SUBJECTS[spec.subject].kind, words.participles))
        if say.chance(0.4):
            participle = ""
    if spec.direction:
        side, said = say.pick(DIRECTION_WORDS[spec.direction]), say.chance(0.6)
        if said or spec.direction != DEFAULT_FACING:
            participle, verb = f"{participle} {side}", f"{verb} {side}"
    if spec.prop != "none":
        prop = say.pick(PROPS[spec.prop])
        participle = prop if spec.action == "still" else f"{participle} {prop}"
        verb = f"{verb} {prop}"
    return participle, verb
