"""A scene as data: every choice the renderer and the caption follow, drawn from one seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from training.scenes.world import ACTIONS_OF_KIND, DIRECTED, PLACES, SUBJECTS, places_of

#: One in this many subject-place pairs is never rendered for training, so unseen combinations can be measured.
HELD_OUT_ONE_IN = 12


@dataclass(frozen=True)
class SceneSpec:
    """One scene. `facing` and `direction`: -1 left, 1 right; direction 0 means the subject stays where it is."""

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


def is_held_out(subject: str, place: str) -> bool:
    """Whether this pair is kept out of training; by hash, so it never depends on a list's order."""
    # The leading 0 is a salt, chosen so that what people ask for first (a car on a road) stays in.
    digest = hashlib.sha256(f"0:{subject}@{place}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0


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
    facing = int(rng.choice([-1, 1]))
    prop = "none"
    if subject.kind in ("animal", "person") and action in ("still", "walk") and rng.random() < 0.5:
        prop = "laptop" if action == "still" and rng.random() < 0.6 else "umbrella"
    return SceneSpec(
        seed=seed,
        subject=subject.name,
        place=place,
        action=action,
        direction=facing if action in DIRECTED else 0,
        facing=facing,
        light=str(rng.choice(["day", "sunset", "night"], p=[0.56, 0.22, 0.22])),
        camera=str(rng.choice(["static", "zoom", "pan"], p=[0.72, 0.14, 0.14])),
        shot=str(rng.choice(["medium", "close", "wide"], p=[0.8, 0.12, 0.08])),
        prop=prop,
    )


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
    )
