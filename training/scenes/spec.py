"""A scene as data: every choice the renderer and the caption follow, drawn from one seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from training.scenes.world import ACTIONS_OF_KIND, DIRECTED, PLACES, SHARED, SUBJECTS, places_of

#: One in this many subject-place pairs is never rendered for training, so unseen combinations can be measured.
HELD_OUT_ONE_IN = 12

#: Where a scene is when nobody says where; always seen in training.
DEFAULT_PLACE = "field"

#: Which way everyone looks and goes when nobody says it. A network that must toss a coin between two mirrored pictures
#: draws something of both.
DEFAULT_FACING = 1

#: Share of those who go nowhere and look the other way, which is then said.
TURNED_SHARE = 0.25


@dataclass(frozen=True)
class SceneSpec:
    """One scene.

    facing and direction: -1 left, 1 right; direction 0 means the subject stays where it is.
    colour: "" is the subject's usual one. count: 1..3 of the subject. second: who stands beside it, or "none".
    """

    seed: int
    subject: str
    place: str
    action: str
    direction: int
    facing: int
    light: str
    camera: str
    shot: str
    prop: str
    colour: str = ""
    count: int = 1
    second: str = "none"


@cache
def is_held_out(subject: str, place: str) -> bool:
    """Whether this pair is kept out of training; by hash, so it never depends on a list's order.

    Every subject has such a pair, but for those that are seen in two places only.
    """
    if place == DEFAULT_PLACE:
        return False
    others = [p for p in places_of(SUBJECTS[subject]) if p != DEFAULT_PLACE]
    chosen = [p for p in others if _hash(subject, p) % HELD_OUT_ONE_IN == 0]
    return place in chosen or (not chosen and len(others) > 2 and place == min(others, key=partial(_hash, subject)))


def _hash(subject: str, place: str) -> int:
    # The leading 0 is a salt, chosen so that what people ask for first (a car on a road) stays in.
    return int.from_bytes(hashlib.sha256(f"0:{subject}@{place}".encode()).digest()[:4], "big")


def held_out_pairs() -> list[tuple[str, str]]:
    """Every (subject, place) that exists and is kept out of training."""
    return [(s.name, p) for s in SUBJECTS.values() for p in places_of(s) if is_held_out(s.name, p)]


def draw_spec(seed: int, held_out: bool = False) -> SceneSpec:
    """The scene of a seed. held_out=False draws training combinations only, True held-out ones only."""
    rng = np.random.default_rng([2026, seed])
    pairs = [(s.name, p) for s in SUBJECTS.values() for p in places_of(s) if is_held_out(s.name, p) == held_out]
    names = sorted({name for name, _ in pairs})
    # First the subject, then its place: a boat with two places is seen as often as a dog with eight.
    subject = SUBJECTS[names[int(rng.integers(len(names)))]]
    choices = [p for name, p in pairs if name == subject.name]
    place = choices[int(rng.integers(len(choices)))]
    actions = [a for a in ACTIONS_OF_KIND[subject.kind] if a != "drink" or place == "lake"]
    action = actions[int(rng.integers(len(actions)))]
    turned = rng.random() < (0.5 if action in DIRECTED else TURNED_SHARE)
    facing = -DEFAULT_FACING if turned else DEFAULT_FACING
    lights = ["day", "sunset", "night"] if PLACES[place].indoors else ["day", "sunset", "night", "rain", "fog"]
    share = np.array([0.44, 0.16, 0.16, 0.12, 0.12][: len(lights)])
    colour = ""
    if subject.colours and rng.random() < (0.6 if subject.kind != "animal" else 0.35):
        colour = subject.colours[int(rng.integers(len(subject.colours)))]
    prop, count, second = "none", 1, "none"
    alive = subject.kind in ("animal", "person")
    company = rng.random()
    if alive and action in ("still", "walk") and company < 0.42:
        prop = "laptop" if action == "still" and rng.random() < 0.6 else "umbrella"
    elif action in SHARED and company > 0.86:
        count = 2 if rng.random() < 0.6 else 3
    elif alive and action in ("still", "walk", "run") and company > 0.72:
        others = [n for n in names if SUBJECTS[n].kind in ("animal", "person") and n != subject.name]
        # Whoever is beside it must not make a held-out pair with the place either.
        others = [n for n in others if place in places_of(SUBJECTS[n]) and is_held_out(n, place) == held_out]
        second = others[int(rng.integers(len(others)))] if others else "none"
    camera = str(rng.choice(["static", "zoom", "pan right", "pan left"], p=[0.70, 0.12, 0.09, 0.09]))
    if camera.startswith("pan"):
        if action in DIRECTED:
            camera = "pan right" if facing > 0 else "pan left"  # with whoever goes: against it, it would leave at once
        elif count > 1 or second != "none":
            camera = "static"  # who stands at the side would leave the picture
    return SceneSpec(
        seed=seed,
        subject=subject.name,
        place=place,
        action=action,
        direction=facing if action in DIRECTED else 0,
        facing=facing,
        light=str(rng.choice(lights, p=share / share.sum())),
        camera=camera,
        shot=str(rng.choice(["medium", "close", "wide"], p=[0.8, 0.12, 0.08])) if count == 1 else "medium",
        prop=prop,
        colour=colour,
        count=count,
        second=second,
    )


def turned(spec: SceneSpec) -> SceneSpec:
    """The same scene, its place and its moments the same, but whoever is in it looks and goes the other way.

    It is not the scene of its seed, which `draw_spec` gives.
    """
    camera = {"pan right": "pan left", "pan left": "pan right"}.get(spec.camera, spec.camera)
    return replace(spec, facing=-spec.facing, direction=-spec.direction, camera=camera)


def facing_right(spec: SceneSpec) -> SceneSpec:
    """The scene, or the scene turned: nobody looks or goes left.

    What goes left is what goes right in a mirror, so a network need not learn it twice: it learns this half of the
    world, and `diffscaler.text2video.vocabulary` has the other half drawn in the mirror.
    """
    return spec if spec.facing > 0 else turned(spec)


def make_spec(
    seed: int = 0,
    subject: str = "dog",
    place: str = "beach",
    action: str = "still",
    facing: int = 1,
    light: str = "day",
    camera: str = "static",
    shot: str = "medium",
    prop: str = "none",
    colour: str = "",
    count: int = 1,
    second: str = "none",
) -> SceneSpec:
    """A scene with named choices, for tests and evaluation. Raises KeyError for an unknown subject or place."""
    return SceneSpec(
        seed,
        SUBJECTS[subject].name,
        PLACES[place].name,
        action,
        facing if action in DIRECTED else 0,
        facing,
        light,
        camera,
        shot,
        prop,
        colour,
        count,
        second,
    )
