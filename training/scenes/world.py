"""What exists in the small world: subjects, places, actions, light, cameras, and the words for them.

Few factors, each drawn large and clearly: a small model learns a small world well.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Raised whenever a seed's scene looks or reads different: what was drawn before is then drawn anew.
WORLD_VERSION = 5


@dataclass(frozen=True)
class Subject:
    """Someone or something that can act.

    glyph: emoji, all of them face left; people have none, `people.py` draws them.
    height: as drawn, as a fraction of the frame. colours: what it can be besides its usual colour.
    """

    name: str
    glyph: str
    words: tuple[str, ...]
    height: float
    kind: str
    colours: tuple[str, ...] = ()
    plural: tuple[str, ...] = ()

    @property
    def plurals(self) -> tuple[str, ...]:
        """Words for several of it."""
        return self.plural or tuple(f"{word}s" for word in self.words)


@dataclass(frozen=True)
class Place:
    """Where a scene happens.

    ground: the fraction of the frame height at which feet stand. afloat: phrases for boats, which are not on land.
    """

    name: str
    phrases: tuple[str, ...]
    slug: str
    ground: float = 0.86
    indoors: bool = False
    afloat: tuple[str, ...] = ()


COATS = ("white", "black")
PAINTS = ("red", "blue", "green", "yellow", "white")

SUBJECTS: dict[str, Subject] = {
    s.name: s
    for s in (
        Subject("dog", "🐕", ("dog", "puppy"), 0.46, "animal", COATS, ("dogs", "puppies")),
        Subject("cat", "🐈", ("cat", "kitten"), 0.45, "animal", COATS),
        Subject("camel", "🐪", ("camel",), 0.56, "animal"),
        Subject("horse", "🐎", ("horse", "pony"), 0.52, "animal", COATS, ("horses", "ponies")),
        Subject("elephant", "🐘", ("elephant",), 0.56, "animal"),
        Subject("penguin", "🐧", ("penguin",), 0.46, "animal"),
        Subject("rabbit", "🐇", ("rabbit", "bunny"), 0.42, "animal", (), ("rabbits", "bunnies")),
        Subject("cow", "🐄", ("cow",), 0.50, "animal"),
        Subject("bird", "🐦", ("bird",), 0.36, "bird"),
        Subject("man", "", ("man", "guy"), 0.60, "person", (), ("men", "guys")),
        Subject("woman", "", ("woman", "lady"), 0.58, "person", (), ("women", "ladies")),
        Subject("car", "🚗", ("car",), 0.36, "car", PAINTS),
        Subject("bus", "🚌", ("bus", "coach"), 0.40, "car", PAINTS, ("buses", "coaches")),
        Subject("train", "🚂", ("train", "locomotive"), 0.50, "car"),
        Subject("boat", "⛵", ("boat", "sailboat"), 0.54, "boat"),
        Subject("helicopter", "🚁", ("helicopter", "chopper"), 0.40, "air", PAINTS),
    )
}

#: The colour a subject has when none is named, where it is one of those that can be named.
USUAL_COLOUR = {"car": "red", "helicopter": "yellow"}

PLACES: dict[str, Place] = {
    p.name: p
    for p in (
        Place(
            "beach",
            ("on a beach", "on the beach", "at the beach", "by the sea"),
            "BEACH",
            afloat=("on the sea", "by the sea", "at the beach"),
        ),
        Place("road", ("on a road", "on the road", "in the middle of a road", "on a street"), "ROAD", 0.80),
        Place("city", ("in a city", "in the city", "in a town"), "CITY"),
        Place("forest", ("in a forest", "in the forest", "in the woods"), "FOREST"),
        Place("desert", ("in a desert", "in the desert", "on the sand dunes"), "DESERT"),
        Place(
            "lake",
            ("by a lake", "at a lake", "at the lake", "by the water"),
            "LAKE",
            0.88,
            afloat=("on a lake", "on the lake", "on the water"),
        ),
        Place("snow", ("in the snow", "on a snowy plain", "in winter"), "SNOWY PLAIN"),
        Place("mountains", ("in the mountains", "in front of a mountain", "below the peaks"), "MOUNTAINS"),
        Place("room", ("in a room", "in the living room", "at home", "indoors"), "LIVING ROOM", 0.88, indoors=True),
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

#: Actions in which several, or someone else, can take part.
SHARED = frozenset({"still", "walk", "run", "jump", "drive", "sail", "fly"})


@dataclass(frozen=True)
class ActionWords:
    """Phrases for an action as they stand before the place: "running", "runs", "run"."""

    participles: tuple[str, ...]
    verbs: tuple[str, ...]
    plural_verbs: tuple[str, ...]


ACTION_WORDS: dict[str, ActionWords] = {
    "still": ActionWords(("standing", "waiting", "resting"), ("stands", "waits"), ("stand", "wait")),
    "walk": ActionWords(("walking", "strolling"), ("walks", "strolls"), ("walk", "stroll")),
    "run": ActionWords(("running", "racing"), ("runs", "races"), ("run", "race")),
    "jump": ActionWords(("jumping", "hopping", "jumping up and down"), ("jumps", "hops"), ("jump", "hop")),
    "sleep": ActionWords(("sleeping", "asleep", "taking a nap"), ("sleeps", "is asleep"), ("sleep", "are asleep")),
    "drink": ActionWords(("drinking", "drinking water"), ("drinks", "drinks water"), ("drink", "drink water")),
    "drive": ActionWords(
        ("driving", "moving", "passing by"), ("drives", "moves", "passes by"), ("drive", "move", "pass by")
    ),
    "sail": ActionWords(("sailing", "moving"), ("sails", "moves"), ("sail", "move")),
    "fly": ActionWords(("flying", "flying past"), ("flies", "flies past"), ("fly", "fly past")),
    "rise": ActionWords(
        ("taking off", "flying up", "rising"), ("takes off", "flies up", "rises"), ("take off", "fly up", "rise")
    ),
}

#: What "standing still" is called for what has no legs.
STILL_WORDS = {"car": ("parked", "standing"), "boat": ("floating", "resting"), "air": ("parked", "standing", "landed")}

#: Time of day or weather: one at a time.
LIGHTS: dict[str, tuple[str, ...]] = {
    "day": ("in daylight", "on a sunny day", "during the day"),
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "by moonlight", "under the stars"),
    "rain": ("in the rain", "on a rainy day", "in bad weather"),
    "fog": ("in fog", "on a foggy day", "in the mist"),
}

#: What nobody sees indoors.
OUTDOOR_LIGHT = frozenset({"by moonlight", "under the stars"})

CAMERAS: dict[str, tuple[str, ...]] = {
    "static": ("static camera",),
    "zoom": ("the camera zooms in", "slow zoom in", "zoom in"),
    "pan right": ("the camera pans right", "slow pan to the right", "pan right"),
    "pan left": ("the camera pans left", "slow pan to the left", "pan left"),
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

#: How someone beside the subject is named.
BESIDE = ("with", "beside", "next to")

NUMBERS = {1: "one", 2: "two", 3: "three"}

DIRECTION_WORDS = {-1: ("to the left", "left"), 1: ("to the right", "right")}

#: The words for both sides: what goes to the second is drawn as the first, and seen in the mirror.
SIDES = ("right", "left")

#: How it is said which way someone looks who goes nowhere.
FACING_WORDS = {-1: ("facing left", "facing to the left"), 1: ("facing right", "facing to the right")}

STOPWORDS = (
    "a an the of in on at by to and with is are its it from into onto over through while as this that "
    "some one under out for his her their very front next"
).split()


def places_of(subject: Subject) -> tuple[str, ...]:
    """Names of the places where a subject can be seen: boats need water, and little fits into a room."""
    if subject.kind == "boat":
        return ("beach", "lake")
    outdoors_only = subject.kind in ("car", "air") or subject.name in ("camel", "elephant", "horse", "cow")
    return tuple(p.name for p in PLACES.values() if not (p.indoors and outdoors_only))
