"""Which words the built-in model has seen, and what each stands for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from diffscaler.text2video.vocabulary import words_in
from training.scenes.captions import caption_of
from training.scenes.spec import DEFAULT_PLACE, draw_spec
from training.scenes.world import (
    ACTION_WORDS,
    CAMERAS,
    DIRECTION_WORDS,
    LIGHTS,
    NUMBERS,
    PLACES,
    PROPS,
    SHOTS,
    SIDES,
    STILL_WORDS,
    STOPWORDS,
    SUBJECTS,
)

#: Captions read to find the words; every word of the grammar turns up many times.
NUM_CAPTIONS = 6000

#: Words and punctuation marks a prompt may have: the text encoder reads 32 tokens, two of them start and end.
MAX_WORDS = 28

#: Words people use that the world has something close to.
NEAR: dict[str, str] = {
    other: word
    for word, others in {
        "dog": "wolf fox hound terrier doggy pup coyote",
        "cat": "lion tiger leopard kitty panther lynx",
        "camel": "dromedary llama alpaca giraffe",
        "horse": "donkey mule zebra deer moose unicorn",
        "elephant": "mammoth rhino rhinoceros hippo",
        "rabbit": "hare squirrel mouse hamster",
        "cow": "bull ox goat pig buffalo calf",
        "bird": "pigeon crow parrot eagle duck chicken seagull dragon",
        "man": "boy father soldier policeman detective he him gentleman driver farmer person child kid actor",
        "woman": "girl mother she actress nurse bride",
        "dogs": "wolves foxes",
        "cows": "sheep oxen",
        "men": "boys people soldiers persons children kids",
        "women": "girls",
        "car": "taxi cab vehicle jeep automobile van suv",
        "bus": "truck lorry minibus",
        "train": "railway tram",
        "boat": "ship yacht vessel ferry canoe",
        "helicopter": "plane aeroplane airplane aircraft drone jet",
        "beach": "coast shore seaside ocean island",
        "road": "highway lane avenue motorway path",
        "city": "downtown skyline metropolis village",
        "forest": "jungle wood grove",
        "desert": "sahara dune wasteland",
        "lake": "river pond pool",
        "mountains": "hill hills alps cliff valley",
        "room": "kitchen bedroom office hall apartment bar restaurant school hospital",
        "field": "farm garden lawn prairie savanna countryside",
        "snow": "ice arctic glacier antarctica",
        "umbrella": "parasol",
        "laptop": "computer notebook pc",
        "sunset": "dawn sunrise twilight",
        "night": "midnight dark",
        "rain": "storm raining stormy thunderstorm",
        "fog": "haze misty",
        "day": "morning noon afternoon",
        "two": "2 couple pair both",
        "three": "3 several many group",
        "one": "1",
        "running": "galloping sprinting chasing rushing",
        "runs": "gallops sprints chases rushes",
        "walking": "wandering marching going strutting",
        "walks": "wanders marches goes",
        "standing": "sitting talking looking",
        "stands": "sits talks looks",
        "jumping": "leaping bouncing dancing",
        "jumps": "leaps bounces dances",
        "sleeping": "napping dozing lying",
        "sleeps": "naps dozes lies",
        "flying": "soaring hovering gliding",
        "flies": "soars hovers glides",
        "driving": "riding speeding",
        "drives": "rides speeds",
        "red": "crimson scarlet",
    }.items()
    for other in others.split()
}


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, as the vocabulary lists them."""
    return list(words_in(text))


def _named() -> dict[str, str]:
    """word -> "category:canonical", or "other", for every word of the world's tables that is no stopword."""
    # These mean something only beside other words.
    vague = "facing camera shot slow up down taking takes full water weather bad taking take"
    meaning = dict.fromkeys(vague.split(), "other")

    def add(category: str, canonical: str, phrases: tuple[str, ...]) -> None:
        for word in (w for phrase in phrases for w in words_of(phrase)):
            if word not in STOPWORDS:
                meaning.setdefault(word, f"{category}:{canonical}")

    for subject in SUBJECTS.values():
        add("subject", subject.name, (*subject.words, *subject.plurals))
        for colour in subject.colours:
            add("colour", colour, (colour,))
    for count, word in NUMBERS.items():
        if count > 1:
            add("count", str(count), (word,))
    for place in PLACES.values():
        add("place", place.name, (place.name, *place.phrases, place.slug))
    for prop, phrases in PROPS.items():
        add("prop", prop, (prop,))
        add("prop", prop, phrases)
    for light, phrases in LIGHTS.items():
        add("light", light, (light, *phrases))
    for side, phrases in DIRECTION_WORDS.items():
        add("direction", "left" if side < 0 else "right", phrases)
    for camera, phrases in CAMERAS.items():
        add("camera", camera.split()[0], phrases)
    for shot, phrases in SHOTS.items():
        add("shot", shot, phrases)
    for action, words in ACTION_WORDS.items():
        add("action", action, (*words.participles, *words.verbs, *words.plural_verbs))
    for phrases in STILL_WORDS.values():
        add("action", "still", phrases)
    meaning["int"] = "style:screenplay"
    meaning["ext"] = "style:screenplay"
    return meaning


def vocabulary(first_seed: int = 0) -> dict[str, object]:
    """What `diffscaler.text2video.vocabulary` reads, with the words that captions really have."""
    seen = Counter(w for i in range(NUM_CAPTIONS) for w in words_of(caption_of(draw_spec(first_seed + i), i % 6)))
    meaning = _named()
    words = {w: meaning.get(w, "other") for w in sorted(seen) if w not in STOPWORDS}
    near = {o: word for o, word in NEAR.items() if (word in words or word in STOPWORDS) and o not in words}
    phrases = {
        "action": [words.participles[0] for name, words in ACTION_WORDS.items() if name != "still"],
        "place": [place.phrases[0] for place in PLACES.values()],
        "light": [wordings[0] for name, wordings in LIGHTS.items() if name != "day"],
        "camera": [wordings[-1] for name, wordings in CAMERAS.items() if name != "static"],
    }
    settings = {f"place:{place.name}": place.phrases[0] for place in PLACES.values()}
    settings |= {f"light:{name}": wordings[0] for name, wordings in LIGHTS.items() if name != "day"}
    return {
        "words": words,
        "stopwords": sorted(STOPWORDS),
        "near": near,
        "max_words": MAX_WORDS,
        "phrases": phrases,
        # What training shows: `training.scenes.spec.facing_right`.
        "mirror": list(SIDES),
        # How far `training.scenes.motion.view_at` pans, and what the plate for it is called.
        "plate": {"travel": 0.36, "settings": settings, "nowhere": PLACES[DEFAULT_PLACE].phrases[0]},
    }


def write_vocabulary(path: Path) -> None:
    """Write the vocabulary beside a model."""
    path.write_text(json.dumps(vocabulary(), indent=1) + "\n", encoding="utf-8")
