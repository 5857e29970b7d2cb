"""What exists in the small world: subjects, places, actions, light, cameras, and the words for them.

Few factors, each drawn large and clearly: a small model learns a small world well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Someone or something that can act.

    glyph: emoji; all of them face left. height: of the drawn glyph, as a fraction of the frame.
    tint: (saturation, r, g, b) factors, so that no two animals share colour and shape.
    """

    name: str
    glyph: str
    words: tuple[str, ...]
    height: float
    kind: str
    tint: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Place:
    """Where a scene happens. `ground` is the fraction of the frame height at which feet stand."""

    name: str
    phrases: tuple[str, ...]
    slug: str
    ground: float = 0.86


SUBJECTS: dict[str, Subject] = {
    s.name: s
    for s in (
        Subject("dog", "🐕", ("dog", "puppy"), 0.46, "animal"),
        Subject("cat", "🐈", ("cat", "kitten"), 0.44, "animal", (0.12, 0.82, 0.82, 0.9)),
        Subject("camel", "🐪", ("camel",), 0.56, "animal"),
        Subject("horse", "🐎", ("horse", "pony"), 0.52, "animal", (0.95, 0.72, 0.6, 0.55)),
        Subject("elephant", "🐘", ("elephant",), 0.58, "animal"),
        Subject("penguin", "🐧", ("penguin",), 0.46, "animal"),
        Subject("bird", "🐦", ("bird",), 0.36, "bird"),
        Subject("man", "🧍", ("man", "person"), 0.60, "person"),
        Subject("car", "🚗", ("car",), 0.42, "car"),
        Subject("train", "🚂", ("train", "locomotive"), 0.52, "car"),
        Subject("boat", "⛵", ("boat", "sailboat"), 0.56, "boat"),
        Subject("helicopter", "🚁", ("helicopter", "chopper"), 0.44, "air"),
    )
}

PLACES: dict[str, Place] = {
    p.name: p
    for p in (
        Place("beach", ("on a beach", "on the beach", "at the beach", "by the sea"), "BEACH"),
        Place("road", ("on a road", "on the road", "in the middle of a road", "on a street"), "ROAD", 0.80),
        Place("city", ("in a city", "in the city", "in a town"), "CITY"),
        Place("forest", ("in a forest", "in the forest", "in the woods"), "FOREST"),
        Place("desert", ("in a desert", "in the desert", "on the sand dunes"), "DESERT"),
        Place("lake", ("by a lake", "at a lake", "at the lake", "by the water"), "LAKE", 0.88),
        Place("snow", ("in the snow", "on a snowy plain", "in winter"), "SNOWY PLAIN"),
        Place("field", ("in a field", "in a meadow", "on the grass", "in a park"), "FIELD"),
    )
}

#: Which actions each kind of subject can do.
ACTIONS_OF_KIND: dict[str, tuple[str, ...]] = {
    "animal": ("still", "walk", "run", "jump", "sleep", "drink"),
    "bird": ("still", "walk", "jump", "fly", "rise"),
    "person": ("still", "walk", "run", "jump"),
    "car": ("still", "drive"),
    "boat": ("still", "sail"),
    "air": ("still", "fly", "rise"),
}

#: Actions that go left or right.
DIRECTED = frozenset({"walk", "run", "drive", "sail", "fly"})

#: action -> (participle phrases, third-person phrases), as they stand before the place.
ACTION_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "still": (("standing", "waiting", "resting"), ("stands", "waits")),
    "walk": (("walking", "strolling"), ("walks", "strolls")),
    "run": (("running", "racing"), ("runs", "races")),
    "jump": (("jumping", "hopping", "jumping up and down"), ("jumps", "hops")),
    "sleep": (("sleeping", "asleep", "taking a nap"), ("sleeps", "is asleep")),
    "drink": (("drinking", "drinking water"), ("drinks", "drinks water")),
    "drive": (("driving", "moving", "passing by"), ("drives", "moves", "passes by")),
    "sail": (("sailing", "moving"), ("sails", "moves")),
    "fly": (("flying", "flying past"), ("flies", "flies past")),
    "rise": (("taking off", "flying up", "rising"), ("takes off", "flies up", "rises")),
}

#: What "standing still" is called for what has no legs.
STILL_WORDS = {"car": ("parked", "standing"), "boat": ("floating", "resting"), "air": ("parked", "standing", "landed")}

LIGHTS: dict[str, tuple[str, ...]] = {
    "day": ("in daylight", "on a sunny day", "during the day"),
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "by moonlight", "under the stars"),
}

CAMERAS: dict[str, tuple[str, ...]] = {
    "static": ("static camera",),
    "zoom": ("the camera zooms in", "slow zoom in", "zoom in"),
    "pan": ("the camera pans right", "slow pan to the right", "pan right"),
}

SHOTS: dict[str, tuple[str, ...]] = {
    "close": ("close-up of", "close shot of"),
    "wide": ("wide shot of",),
    "medium": ("medium shot of", "full shot of"),
}

PROPS: dict[str, tuple[str, ...]] = {
    "umbrella": ("with an umbrella", "holding an umbrella", "under an umbrella"),
    "laptop": ("using a laptop", "with a laptop", "working on a laptop"),
}

DIRECTION_WORDS = {-1: ("to the left", "left"), 1: ("to the right", "right")}

STOPWORDS = (
    "a an the of in on at by to and with is are its it from into onto over through while as this that "
    "some one under out for his her their very"
).split()


def places_of(subject: Subject) -> tuple[str, ...]:
    """Names of the places where a subject can be seen: boats need water."""
    return ("beach", "lake") if subject.kind == "boat" else tuple(PLACES)
