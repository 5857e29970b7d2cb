"""Backgrounds: each place is drawn from a seed with small changes of colour and layout.

A world is wider than the view, so that the camera can pan. Coordinates are fractions of the view height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.scenes.glyphs import glyph, paste

Colour = tuple[int, int, int]

SKY: dict[str, tuple[Colour, Colour]] = {  # top, horizon (RGB)
    "day": ((96, 168, 240), (200, 230, 252)),
    "sunset": ((104, 64, 132), (255, 156, 84)),
    "night": ((8, 12, 40), (34, 44, 92)),
    "rain": ((84, 96, 112), (140, 150, 162)),
    "fog": ((196, 202, 208), (214, 218, 222)),
}

#: What the light does to everything that is not sky.
LIGHT_FACTORS: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.72, 0.58),
    "night": (0.34, 0.40, 0.62),
    "rain": (0.60, 0.66, 0.74),
    "fog": (0.94, 0.96, 0.98),
}

#: Indoors a lamp burns at night.
INDOOR_FACTORS: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.98, 0.80, 0.66),
    "night": (0.50, 0.46, 0.50),
}

#: Subjects keep more of their colour at night, as if lit by the moon: a silhouette would be hard to recognise.
SUBJECT_LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.86, 0.78),
    "night": (0.66, 0.70, 0.86),
    "rain": (0.80, 0.84, 0.90),
    "fog": (1.0, 1.0, 1.0),
}

FOG = np.array((208, 213, 218), np.float32)
#: How much of the fog's colour lies over what is far, near, and over the subject.
FOG_FAR, FOG_NEAR, FOG_SUBJECT = 0.72, 0.46, 0.16

#: How far the background moves when the camera pans, against 1 for the ground under the subject.
PARALLAX = 0.45

HORIZON = {
    "beach": 0.46,
    "road": 0.56,
    "city": 0.72,
    "forest": 0.60,
    "desert": 0.56,
    "lake": 0.44,
    "snow": 0.60,
    "mountains": 0.60,
    "room": 0.70,
    "field": 0.58,
}


class Layer:
    """Something to draw on, with where it has been drawn on."""

    def __init__(self, height: int, width: int) -> None:
        self.image = np.zeros((height, width, 3), np.uint8)
        self.covered = np.zeros((height, width), np.uint8)


@dataclass(frozen=True)
class Backdrop:
    """A background in two depths. far: uint8 RGB (h, w, 3); near: uint8 RGBA (h, w, 4), colour multiplied by alpha."""

    far: np.ndarray
    near: np.ndarray

    def at(self, pan: int) -> np.ndarray:
        """The background, seen by a camera that has moved `pan` pixels to the right: uint8 RGB (h, w, 3), a new one."""
        shift = round(pan * (1 - PARALLAX))
        far = cv2.warpAffine(
            self.far,
            np.array([[1, 0, shift], [0, 1, 0]], np.float32),
            self.far.shape[1::-1],
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        alpha = self.near[..., 3:]
        # near + far * (255 - alpha) / 255, in whole numbers: this runs once per frame.
        return self.near[..., :3] + ((far.astype(np.uint16) * (255 - alpha)) // 255).astype(np.uint8)


def draw_place(place: str, light: str, height: int, width: int, rng: np.random.Generator) -> Backdrop:
    """A background of `height` x `width` pixels."""
    far, near = Layer(height, width), Layer(height, width)
    _DRAW[place](far, near, rng)
    factors = np.asarray((INDOOR_FACTORS if place == "room" else LIGHT_FACTORS)[light], np.float32)
    sky = _sky(light, height, width, HORIZON[place], rng)
    background = np.where(far.covered[..., None] > 0, far.image * factors, sky)
    ground = near.image * factors
    if light == "fog":
        background = background * (1 - FOG_FAR) + FOG * FOG_FAR
        ground = ground * (1 - FOG_NEAR) + FOG * FOG_NEAR
    alpha = (near.covered[..., None] > 0) * np.uint8(255)
    world = np.concatenate([(ground * (alpha > 0)).clip(0, 255).astype(np.uint8), alpha], axis=-1)
    background = background.clip(0, 255).astype(np.uint8)
    if place == "room":
        _window(world, light, height, width, rng)
    _plant(world, place, light, rng)
    return Backdrop(background, np.ascontiguousarray(world))


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
    elif light == "rain":
        for _ in range(4):
            _cloud(sky, int(width * rng.uniform(0, 1)), int(height * rng.uniform(0.04, 0.2)), height, (106, 114, 128))
    elif light == "night":
        cv2.circle(sky, (x, int(height * 0.14)), int(height * 0.06), (240, 238, 214), -1, cv2.LINE_AA)
        for _ in range(14):
            spot = (int(rng.integers(width)), int(rng.integers(int(height * horizon * 0.8))))
            cv2.circle(sky, spot, max(height // 128, 1), (225, 225, 240), -1, cv2.LINE_AA)
    return sky


def _cloud(sky: np.ndarray, x: int, y: int, height: int, colour: Colour = (250, 252, 255)) -> None:
    for dx, r in ((-0.06, 0.03), (0.0, 0.045), (0.06, 0.03)):
        cv2.ellipse(
            sky,
            (x + int(dx * height), y),
            (int(r * height * 1.5), int(r * height)),
            0,
            0,
            360,
            colour,
            -1,
            cv2.LINE_AA,
        )


def _band(layer: Layer, start: float, stop: float, colour: Colour) -> None:
    h = layer.image.shape[0]
    layer.image[int(h * start) : int(h * stop)] = colour
    layer.covered[int(h * start) : int(h * stop)] = 1


def _hills(layer: Layer, base: float, rise: float, waves: float, colour: Colour, rng: np.random.Generator) -> None:
    h, w = layer.covered.shape
    x = np.linspace(0, waves * 2 * np.pi, w)
    y = (h * (base - rise * (0.5 + 0.5 * np.sin(x + rng.uniform(0, 6.28))))).astype(int)
    mask = np.arange(h)[:, None] >= y[None]
    layer.image[mask] = colour
    layer.covered[mask] = 1


def _jitter(colour: Colour, rng: np.random.Generator, amount: int = 9) -> Colour:
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in colour)  # type: ignore[return-value]


def _beach(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _band(far, 0.46, 0.70, _jitter((34, 122, 196), rng))
    _band(near, 0.64, 0.67, (235, 244, 248))
    _band(near, 0.67, 1.0, _jitter((242, 214, 150), rng))


def _road(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.58, 0.06, 1.3, _jitter((108, 160, 96), rng), rng)
    _band(near, 0.58, 1.0, _jitter((126, 176, 96), rng))
    _band(near, 0.62, 0.96, _jitter((76, 78, 84), rng, 5))
    h, w = near.covered.shape
    step, start = int(h * 0.22), int(rng.integers(0, int(h * 0.22)))
    for x in range(start - step, w, step):
        cv2.rectangle(near.image, (x, int(h * 0.775)), (x + step // 2, int(h * 0.80)), (245, 214, 90), -1)


def _city(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    h, w = far.covered.shape
    x = -int(rng.integers(0, h // 4))
    while x < w:
        bw, top = int(h * rng.uniform(0.17, 0.26)), int(h * rng.uniform(0.16, 0.42))
        body = _jitter([(146, 150, 164), (168, 140, 128), (120, 134, 156)][int(rng.integers(3))], rng)
        far.image[top : int(h * 0.73), max(x, 0) : max(x + bw, 0)] = body
        far.covered[top : int(h * 0.73), max(x, 0) : max(x + bw, 0)] = 1
        cell = max(h // 14, 3)
        for wy in range(top + cell // 2, int(h * 0.68), cell):
            for wx in range(x + cell // 2, x + bw - cell // 2, cell):
                cv2.rectangle(far.image, (wx, wy), (wx + cell // 2, wy + cell // 2), (250, 236, 170), -1)
        x += bw + int(h * 0.02)
    _band(near, 0.72, 1.0, _jitter((176, 172, 168), rng))
    _band(near, 0.72, 0.745, (214, 210, 204))


def _forest(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.60, 0.05, 2.0, _jitter((64, 126, 70), rng), rng)
    _band(near, 0.62, 1.0, _jitter((88, 150, 74), rng))


def _desert(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.60, 0.12, 1.6, _jitter((222, 168, 98), rng), rng)
    _hills(near, 0.74, 0.08, 1.1, _jitter((236, 188, 116), rng), rng)


def _lake(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.46, 0.18, 2.2, _jitter((106, 128, 150), rng), rng)
    _band(far, 0.44, 0.60, _jitter((92, 148, 92), rng))
    _band(near, 0.50, 0.78, _jitter((62, 152, 206), rng))
    _band(near, 0.78, 1.0, _jitter((120, 182, 92), rng))


def _snow(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.62, 0.16, 1.8, _jitter((188, 204, 226), rng), rng)
    _band(far, 0.62, 0.70, _jitter((188, 204, 226), rng, 0))
    _band(near, 0.64, 1.0, (246, 249, 254))


def _mountains(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    h, w = far.covered.shape
    rock = _jitter((112, 116, 134), rng)
    for i in range(4):
        x, peak = int(w * (i + rng.uniform(0.2, 0.8)) / 4), h * rng.uniform(0.10, 0.22)
        foot, half = h * 0.72, h * rng.uniform(0.34, 0.44)
        for share, colour in ((1.0, rock), (0.34, (240, 244, 250))):
            corners = [(x, peak), (x - half * share, peak + (foot - peak) * share)]
            corners += [(x + half * share, peak + (foot - peak) * share)]
            points = np.array(corners, np.int32)
            cv2.fillPoly(far.image, [points], colour, cv2.LINE_AA)
            cv2.fillPoly(far.covered, [points], 1)
    _band(near, 0.66, 1.0, _jitter((134, 158, 116), rng))


def _room(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    wall = [(226, 206, 178), (190, 208, 200), (214, 190, 196)][int(rng.integers(3))]
    _band(near, 0.0, 0.70, _jitter(wall, rng))
    _band(near, 0.70, 0.73, (246, 242, 236))
    _band(near, 0.73, 1.0, _jitter((166, 116, 78), rng))


def _window(world: np.ndarray, light: str, height: int, width: int, rng: np.random.Generator) -> None:
    """A window in the wall with the sky in it, and a sofa with a lamp below."""
    left, top = int(width * 0.5 + height * rng.uniform(-0.5, -0.2)), int(height * 0.14)
    side = int(height * 0.30)
    frame = (np.array((248, 246, 240)) * INDOOR_FACTORS[light]).astype(int).tolist()
    sky = _sky(light, side, side, 1.0, rng)
    world[top : top + side, left : left + side, :3] = sky
    thick = max(height // 48, 2)
    cv2.rectangle(world, (left, top), (left + side, top + side), (*frame, 255), thick * 2)
    cv2.line(world, (left + side // 2, top), (left + side // 2, top + side), (*frame, 255), thick)
    cv2.line(world, (left, top + side // 2), (left + side, top + side // 2), (*frame, 255), thick)
    sofa = width * 0.5 + height * rng.uniform(0.22, 0.45)
    paste(world, glyph("🛋"), sofa, height * 0.79, height * 0.42, shade=INDOOR_FACTORS[light])


def _field(far: Layer, near: Layer, rng: np.random.Generator) -> None:
    _hills(far, 0.62, 0.07, 1.4, _jitter((120, 184, 96), rng), rng)
    _band(near, 0.64, 1.0, _jitter((142, 206, 102), rng))


_DRAW = {
    "beach": _beach,
    "road": _road,
    "city": _city,
    "forest": _forest,
    "desert": _desert,
    "lake": _lake,
    "snow": _snow,
    "mountains": _mountains,
    "room": _room,
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
    fog = FOG_NEAR if light == "fog" else 0.0
    for i in range(count):
        paste(
            world,
            glyph(text),
            w * (i + rng.uniform(0.15, 0.85)) / count,
            h * (foot + rng.uniform(-0.02, 0.02)),
            h * size * rng.uniform(0.85, 1.12),
            flip=bool(rng.random() < 0.5),
            shade=LIGHT_FACTORS[light],
            haze=fog,
        )
