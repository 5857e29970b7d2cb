"""Moving shapes: six actions, of which the caption tells the whole truth.

Every shape stays inside the picture, backgrounds stand still, only shapes that show it are turned, and what a caption
calls red is red in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.moving.canvas import GROUNDS, Colour, Points, fill, ground, reduced

ACTIONS = ("slide", "grow", "bounce", "rotate", "colour cycle", "trio")
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross")
#: A circle that turns looks the same, and a square soon does.
TURNING = ("triangle", "star", "cross", "diamond")
COLOURS: dict[str, Colour] = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (240, 220, 50),
    "purple": (150, 50, 190),
    "orange": (245, 140, 30),
    "cyan": (40, 210, 220),
}
GREYS: dict[str, tuple[Colour, Colour]] = {
    "black": ((12, 12, 14), (44, 44, 48)),
    "grey": ((110, 110, 114), (150, 150, 154)),
    "white": ((245, 245, 245), (208, 208, 212)),
}
DIRECTIONS: dict[str, tuple[float, float]] = {
    "to the right": (1.0, 0.0),
    "to the left": (-1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
}
#: Word -> share of the side that is travelled in a clip.
SPEEDS = {"slowly": 0.22, "quickly": 0.5}
RADIUS = 0.13


@dataclass(frozen=True)
class ShapesSpec:
    """One clip. things: (shape, colour) each; a colour cycle has one shape in three colours, one after another

    way: a key of DIRECTIONS; for grow "grows" or "shrinks", for rotate "clockwise" or "anticlockwise"
    across: where the path lies, 0..1, in the direction it does not go
    """

    action: str
    things: tuple[tuple[str, str], ...]
    way: str
    speed: str
    ground: str
    grey: str
    across: float


def draw_spec(rng: np.random.Generator) -> ShapesSpec:
    """A clip by chance, every action as likely as any other."""

    def one(values: object) -> str:
        return str(rng.choice(list(values)))  # type: ignore[call-overload]

    action = one(ACTIONS)
    count = {"trio": 3, "colour cycle": 3}.get(action, 1)
    colours = [str(colour) for colour in rng.choice(list(COLOURS), count, replace=False)]
    shapes = [one(TURNING if action == "rotate" else SHAPES)]
    if action == "trio":
        shapes = [str(shape) for shape in rng.choice(SHAPES, 3, replace=False)]
    things = tuple(zip(shapes * (count if len(shapes) == 1 else 1), colours, strict=True))
    way = {
        "grow": ("grows", "shrinks"),
        "rotate": ("clockwise", "anticlockwise"),
        "trio": ("to the right", "to the left"),
    }.get(action, tuple(DIRECTIONS))
    return ShapesSpec(action, things, one(way), one(SPEEDS), one(GROUNDS), one(GREYS), float(rng.uniform(0.25, 0.75)))


def caption_of(spec: ShapesSpec) -> str:
    """What the clip shows, in one sentence."""
    named = [f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape}" for shape, colour in spec.things]
    shape = spec.things[0][0]
    colours = [colour for _, colour in spec.things]
    doing = {
        "slide": f"{named[0]} slides {spec.speed} {spec.way}",
        "grow": f"{named[0]} {spec.way} {spec.speed}",
        "bounce": f"{named[0]} bounces up and down {spec.speed}",
        "rotate": f"{named[0]} turns {spec.speed} {spec.way}",
        "colour cycle": f"a {shape} changes its colour from {' to '.join(colours)}",
        "trio": f"{', '.join(named[:-1])} and {named[-1]} slide {spec.speed} {spec.way}",
    }[spec.action]
    return f"{doing} over a {spec.ground} {spec.grey} background"


def draw_clip(spec: ShapesSpec, size: int, num_frames: int) -> npt.NDArray[np.uint8]:
    """The clip: uint8 RGB (F, size, size, 3)."""
    behind = ground(spec.ground, *GREYS[spec.grey], size)
    frames = np.empty((num_frames, size, size, 3), np.uint8)
    for i in range(num_frames):
        canvas = behind.copy()
        for _, colour, corners in placed(spec, i / max(1, num_frames - 1)):
            fill(canvas, corners, COLOURS[colour])
        frames[i] = reduced(canvas)
    return frames


def placed(spec: ShapesSpec, t: float) -> list[tuple[str, str, Points]]:
    """(shape, colour, corners) of everything at a moment. t: 0 first frame, 1 last"""
    far, angle, radius = SPEEDS[spec.speed], 0.0, RADIUS
    where = np.array([spec.across, 0.5])
    things = spec.things
    if spec.action in ("slide", "trio"):
        direction = np.array(DIRECTIONS[spec.way])
        where = np.where(direction == 0, spec.across, 0.5) + direction * far * (t - 0.5)
    elif spec.action == "bounce":
        ups = 1 if spec.speed == "slowly" else 2
        where = np.array([spec.across, 0.78 - 0.5 * abs(np.sin(np.pi * ups * t))])
    elif spec.action == "grow":
        share = t if spec.way == "grows" else 1 - t
        radius, where = 0.06 + (0.06 + 0.24 * far) * share, np.array([0.5, 0.5])
    elif spec.action == "rotate":
        # Less than half of what makes each shape look the same again from frame to frame.
        angle = (1 if spec.way == "clockwise" else -1) * np.pi * (0.5 if spec.speed == "slowly" else 1.0) * t
        radius, where = 0.24, np.array([0.5, 0.5])
    elif spec.action == "colour cycle":
        things, radius = (spec.things[min(2, int(3 * t))],), 0.2
        where = np.array([0.5, 0.5])
    if spec.action == "trio":
        rows = (0.2, 0.5, 0.8)
        return [
            (shape, colour, outline(shape, 0.1, 0.0) + np.array([where[0], row]))
            for (shape, colour), row in zip(things, rows, strict=True)
        ]
    shape, colour = things[0]
    return [(shape, colour, outline(shape, radius, angle) + where)]


def outline(shape: str, radius: float, angle: float) -> Points:
    """Corners of a shape around (0, 0): float (N, 2), y down. angle: radians, clockwise as it is seen"""
    if shape == "cross":
        arm = 0.34
        corners = np.array([(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm), (arm, 1), (-arm, 1),
                            (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)])  # fmt: skip
    elif shape == "square":
        corners = np.array([(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)])
    else:
        count = {"circle": 64, "triangle": 3, "star": 10, "diamond": 4}[shape]
        at = np.arange(count) * 2 * np.pi / count - np.pi / 2
        away = np.where(np.arange(count) % 2, 0.42, 1.0) if shape == "star" else np.ones(count)
        corners = np.stack([np.cos(at), np.sin(at)], 1) * away[:, None]
        corners[:, 0] *= 0.62 if shape == "diamond" else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    return radius * corners @ np.array([[cos, sin], [-sin, cos]])
