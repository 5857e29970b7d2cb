"""Backgrounds: each place is drawn from a seed with small changes of colour and layout.

A world is wider than the view, so that the camera can pan. Coordinates are fractions of the view height.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.scenes.glyphs import glyph, paste

Colour = tuple[int, int, int]

SKY: dict[str, tuple[Colour, Colour]] = {  # top, horizon (RGB)
    "day": ((96, 168, 240), (200, 230, 252)),
    "sunset": ((104, 64, 132), (255, 156, 84)),
    "night": ((8, 12, 40), (34, 44, 92)),
}

#: What the light does to everything that is not sky.
LIGHT_FACTORS: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.72, 0.58),
    "night": (0.34, 0.40, 0.62),
}

#: Subjects keep more of their colour at night, as if lit by the moon: a silhouette would be hard to recognise.
SUBJECT_LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.86, 0.78),
    "night": (0.66, 0.70, 0.86),
}

HORIZON = {
    "beach": 0.46,
    "road": 0.56,
    "city": 0.72,
    "forest": 0.60,
    "desert": 0.56,
    "lake": 0.44,
    "snow": 0.60,
    "field": 0.58,
}


def draw_place(place: str, light: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A background: uint8 RGB (height, width, 3)."""
    world = _sky(light, height, width, HORIZON[place], rng)
    ground = np.zeros_like(world)
    covered = np.zeros((height, width), np.uint8)
    _DRAW[place](ground, covered, rng)
    lit = ground * np.asarray(LIGHT_FACTORS[light], np.float32)
    world = np.where(covered[..., None] > 0, lit, world).clip(0, 255).astype(np.uint8)
    _plant(world, place, light, rng)
    return world


def _sky(light: str, height: int, width: int, horizon: float, rng: np.random.Generator) -> np.ndarray:
    top, bottom = (np.asarray(c, np.float32) for c in SKY[light])
    ramp = np.linspace(0, 1, max(int(height * horizon), 2)) ** 1.3
    column = np.concatenate([top + (bottom - top) * ramp[:, None], np.repeat(bottom[None], height, 0)])[:height]
    sky = np.repeat(column[:, None], width, axis=1).clip(0, 255).astype(np.uint8)
    x = int(width * rng.uniform(0.2, 0.8))
    if light == "day":
        cv2.circle(sky, (x, int(height * 0.13)), int(height * 0.065), (255, 226, 84), -1, cv2.LINE_AA)
        for _ in range(2):
            _cloud(sky, int(width * rng.uniform(0, 1)), int(height * rng.uniform(0.08, 0.26)), height)
    elif light == "sunset":
        cv2.circle(sky, (x, int(height * (horizon - 0.07))), int(height * 0.10), (255, 220, 120), -1, cv2.LINE_AA)
    else:
        cv2.circle(sky, (x, int(height * 0.14)), int(height * 0.06), (240, 238, 214), -1, cv2.LINE_AA)
        for _ in range(14):
            spot = (int(rng.integers(width)), int(rng.integers(int(height * horizon * 0.8))))
            cv2.circle(sky, spot, max(height // 128, 1), (225, 225, 240), -1, cv2.LINE_AA)
    return sky


def _cloud(sky: np.ndarray, x: int, y: int, height: int) -> None:
    for dx, r in ((-0.06, 0.03), (0.0, 0.045), (0.06, 0.03)):
        cv2.ellipse(
            sky,
            (x + int(dx * height), y),
            (int(r * height * 1.5), int(r * height)),
            0,
            0,
            360,
            (250, 252, 255),
            -1,
            cv2.LINE_AA,
        )


def _band(ground: np.ndarray, covered: np.ndarray, start: float, stop: float, colour: Colour) -> None:
    h = ground.shape[0]
    ground[int(h * start) : int(h * stop)] = colour
    covered[int(h * start) : int(h * stop)] = 1


def _hills(
    ground: np.ndarray,
    covered: np.ndarray,
    base: float,
    rise: float,
    waves: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    h, w = covered.shape
    x = np.linspace(0, waves * 2 * np.pi, w)
    y = (h * (base - rise * (0.5 + 0.5 * np.sin(x + rng.uniform(0, 6.28))))).astype(int)
    mask = np.arange(h)[:, None] >= y[None]
    ground[mask] = colour
    covered[mask] = 1


def _jitter(colour: Colour, rng: np.random.Generator, amount: int = 9) -> Colour:
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in colour)  # type: ignore[return-value]


def _beach(ground, covered, rng):
    _band(ground, covered, 0.46, 0.66, _jitter((34, 122, 196), rng))
    _band(ground, covered, 0.64, 0.67, (235, 244, 248))
    _band(ground, covered, 0.67, 1.0, _jitter((242, 214, 150), rng))


def _road(ground, covered, rng):
    _band(ground, covered, 0.56, 1.0, _jitter((126, 176, 96), rng))
    _band(ground, covered, 0.62, 0.96, _jitter((76, 78, 84), rng, 5))
    h, w = covered.shape
    step, start = int(h * 0.22), int(rng.integers(0, int(h * 0.22)))
    for x in range(start - step, w, step):
        cv2.rectangle(ground, (x, int(h * 0.775)), (x + step // 2, int(h * 0.80)), (245, 214, 90), -1)


def _city(ground, covered, rng):
    h, w = covered.shape
    x = -int(rng.integers(0, h // 4))
    while x < w:
        bw, top = int(h * rng.uniform(0.17, 0.26)), int(h * rng.uniform(0.16, 0.42))
        body = _jitter([(146, 150, 164), (168, 140, 128), (120, 134, 156)][int(rng.integers(3))], rng)
        ground[top : int(h * 0.72), max(x, 0) : max(x + bw, 0)] = body
        covered[top : int(h * 0.72), max(x, 0) : max(x + bw, 0)] = 1
        cell = max(h // 16, 3)
        for wy in range(top + cell // 2, int(h * 0.68), cell):
            for wx in range(x + cell // 2, x + bw - cell // 2, cell):
                cv2.rectangle(ground, (wx, wy), (wx + cell // 2, wy + cell // 2), (250, 236, 170), -1)
        x += bw + int(h * 0.02)
    _band(ground, covered, 0.72, 1.0, _jitter((176, 172, 168), rng))
    _band(ground, covered, 0.72, 0.745, (214, 210, 204))


def _forest(ground, covered, rng):
    _hills(ground, covered, 0.60, 0.05, 2.0, _jitter((64, 126, 70), rng), rng)
    _band(ground, covered, 0.62, 1.0, _jitter((88, 150, 74), rng))


def _desert(ground, covered, rng):
    _hills(ground, covered, 0.60, 0.12, 1.6, _jitter((222, 168, 98), rng), rng)
    _hills(ground, covered, 0.74, 0.08, 1.1, _jitter((236, 188, 116), rng), rng)


def _lake(ground, covered, rng):
    _hills(ground, covered, 0.46, 0.18, 2.2, _jitter((106, 128, 150), rng), rng)
    _band(ground, covered, 0.44, 0.50, _jitter((92, 148, 92), rng))
    _band(ground, covered, 0.50, 0.78, _jitter((62, 152, 206), rng))
    _band(ground, covered, 0.78, 1.0, _jitter((120, 182, 92), rng))


def _snow(ground, covered, rng):
    _hills(ground, covered, 0.62, 0.16, 1.8, _jitter((188, 204, 226), rng), rng)
    _band(ground, covered, 0.64, 1.0, (246, 249, 254))


def _field(ground, covered, rng):
    _hills(ground, covered, 0.62, 0.07, 1.4, _jitter((120, 184, 96), rng), rng)
    _band(ground, covered, 0.64, 1.0, _jitter((142, 206, 102), rng))


_DRAW = {
    "beach": _beach,
    "road": _road,
    "city": _city,
    "forest": _forest,
    "desert": _desert,
    "lake": _lake,
    "snow": _snow,
    "field": _field,
}


def _plant(world: np.ndarray, place: str, light: str, rng: np.random.Generator) -> None:
    """Set the plants that tell a place: (glyph, how many per view width, foot y, height)."""
    plants = {
        "beach": ("🌴", 0.8, 0.72, 0.44),
        "forest": ("🌲", 4.6, 0.68, 0.50),
        "desert": ("🌵", 1.3, 0.70, 0.26),
        "snow": ("🌲", 1.6, 0.68, 0.30),
        "field": ("🌳", 1.1, 0.68, 0.30),
    }.get(place)
    if plants is None:
        return
    text, density, foot, size = plants
    h, w = world.shape[:2]
    count = max(round(density * w / h), 1)
    for i in range(count):
        x = w * (i + rng.uniform(0.15, 0.85)) / count
        paste(
            world,
            glyph(text),
            x,
            h * (foot + rng.uniform(-0.02, 0.02)),
            h * size * rng.uniform(0.85, 1.12),
            flip=bool(rng.random() < 0.5),
            shade=LIGHT_FACTORS[light],
        )
