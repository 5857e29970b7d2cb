"""Draw a scene: background, everyone in it, props, weather, camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.scenes.glyphs import glyph, paste
from training.scenes.motion import FPS, NUM_FRAMES, Pose, pose_at, view_at
from training.scenes.people import STEPS, person
from training.scenes.places import FOG_SUBJECT, SUBJECT_LIGHT, draw_place
from training.scenes.spec import SceneSpec
from training.scenes.world import PLACES, SUBJECTS

#: Drawn this many times larger and averaged down, so that edges are smooth at any sub-pixel position.
SUPERSAMPLING = 2

#: Width of the world over its height: room for the camera to pan.
WORLD_WIDTH = 1.5

SHOT_SCALE = {"medium": 1.0, "close": 1.35, "wide": 0.68}

#: Side offsets and size of several of a kind.
GROUPS = {1: ((0.0,), 1.0), 2: ((-0.24, 0.24), 0.74), 3: ((-0.32, 0.0, 0.32), 0.58)}

#: Where whoever stands beside the subject is, on the side it does not face, and how large both are.
BESIDE_OFFSET, BESIDE_SCALE = 0.26, 0.76

NUM_DROPS = 26


@dataclass(frozen=True)
class Actor:
    """One drawn subject: where it is from the group's middle (frame heights), how large, where its cycles begin."""

    name: str
    colour: str
    offset: float
    scale: float
    phase: float


def render_clip(
    spec: SceneSpec, size: int = 128, num_frames: int = NUM_FRAMES, fps: int = FPS
) -> tuple[np.ndarray, np.ndarray]:
    """A scene as a clip of `fps` frames a second.

    Returns frames, uint8 RGB (F, size, size, 3), and where the subject and its prop are, uint8 (F, size, size), 0..255.
    """
    # A stream of its own: the same scene looks the same at every size and length.
    rng = np.random.default_rng([11, spec.seed])
    view = size * SUPERSAMPLING
    width = int(view * WORLD_WIDTH)
    backdrop = draw_place(spec.place, spec.light, view, width, rng)
    actors = _cast(spec, rng)
    start = rng.uniform(-0.10, 0.10) if len(actors) == 1 else rng.uniform(-0.03, 0.03)
    drops = rng.uniform(0, 1, (NUM_DROPS, 2))
    still = backdrop.at(0)
    frames = np.empty((num_frames, size, size, 3), np.uint8)
    masks = np.empty((num_frames, size, size), np.uint8)
    for i in range(num_frames):
        t = i / fps
        pan, zoom = view_at(spec, t)
        canvas = backdrop.at(round(pan * view)) if pan else still.copy()
        mask = np.zeros(canvas.shape[:2], np.uint8)
        for actor in actors:
            _draw_actor(canvas, mask, spec, actor, t, start, view)
        side = round(view / zoom)
        left = int(np.clip((width - side) / 2 + pan * view, 0, width - side))
        # Zoom towards the subject's middle rather than the frame's: feet stay in view.
        top = int(np.clip(view * 0.62 - side * 0.62, 0, view - side))
        box = np.s_[top : top + side, left : left + side]
        picture = canvas[box]
        if spec.light == "rain":
            picture = _rain(picture.copy(), drops, t)
        frames[i] = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        masks[i] = cv2.resize(mask[box], (size, size), interpolation=cv2.INTER_AREA)
    return frames, masks


def _cast(spec: SceneSpec, rng: np.random.Generator) -> list[Actor]:
    """Everyone in the scene, from the back to the front."""
    scale = SHOT_SCALE[spec.shot] * rng.uniform(0.92, 1.08)
    phase = rng.uniform(0, 1)
    if spec.second != "none":
        # The one beside it comes first: the subject stands in front.
        behind = -spec.facing * BESIDE_OFFSET
        other = Actor(spec.second, "", behind, scale * BESIDE_SCALE, phase + 0.5)
        return [other, Actor(spec.subject, spec.colour, -behind * 0.7, scale * BESIDE_SCALE, phase)]
    offsets, factor = GROUPS[spec.count]
    return [
        Actor(spec.subject, spec.colour, offset, scale * factor, phase + 0.37 * i) for i, offset in enumerate(offsets)
    ]


def _draw_actor(
    canvas: np.ndarray, mask: np.ndarray, spec: SceneSpec, actor: Actor, t: float, start: float, view: int
) -> None:
    """Put one of the cast, its prop and its shadow on the canvas."""
    subject, pose = SUBJECTS[actor.name], pose_at(spec, t, actor.phase, start)
    x = canvas.shape[1] / 2 + (pose.x + actor.offset) * view
    ground = PLACES[spec.place].ground if subject.kind != "boat" else {"beach": 0.63, "lake": 0.73}[spec.place]
    # Larger is nearer is lower in the picture.
    ground += 0.1 * (actor.scale - 1)
    foot, height = ground * view, subject.height * actor.scale * view
    shade, haze = SUBJECT_LIGHT[spec.light], FOG_SUBJECT if spec.light == "fog" else 0.0
    if subject.kind != "boat":
        _shadow(canvas, x, foot, height, pose.y if spec.action != "drink" else 0.0)
    lift = foot - pose.y * view
    angle = pose.angle * -spec.facing if spec.action != "walk" else pose.angle
    sprite = _sprite(spec, actor, pose)
    if subject.kind == "person":
        angle *= 0.3
    paste(canvas, sprite, x, lift, height, spec.facing > 0, angle, pose.squash, shade, haze, mask)
    if actor.name != spec.subject:
        return
    if spec.prop == "umbrella":
        tall = height * (0.5 if subject.kind == "person" else 0.62)
        over = x - spec.facing * height * 0.04
        paste(canvas, glyph("☂"), over, lift - height * 0.80, tall, shade=shade, haze=haze, mask=mask)
    elif spec.prop == "laptop":
        before = x + spec.facing * height * 0.42
        paste(canvas, glyph("💻"), before, foot + 0.03 * view, height * 0.48, shade=shade, haze=haze, mask=mask)
    if spec.action == "sleep":
        rise = np.sin(np.pi * ((t + actor.phase) * 0.5 % 1.0))
        top = foot - height * (0.62 + 0.16 * rise)
        paste(canvas, glyph("💤"), x + height * 0.22, top, height * 0.34, shade=shade, haze=haze, mask=mask)


def _shadow(canvas: np.ndarray, x: float, foot: float, height: float, y: float) -> None:
    """A soft dark ellipse on the ground, smaller the higher the subject is."""
    lift = max(0.0, 1 - 2.2 * y)
    rx, ry = int(height * 0.36 * lift) + 1, int(height * 0.055 * lift) + 1
    top, bottom = max(int(foot) - ry - 1, 0), min(int(foot) + ry + 2, canvas.shape[0])
    left, right = max(int(x) - rx - 1, 0), min(int(x) + rx + 2, canvas.shape[1])
    if top >= bottom or left >= right:
        return
    box = canvas[top:bottom, left:right]
    overlay = box.copy()
    cv2.ellipse(overlay, (int(x) - left, int(foot) - top), (rx, ry), 0, 0, 360, (20, 20, 30), -1, cv2.LINE_AA)
    box[:] = cv2.addWeighted(overlay, 0.35, box, 0.65, 0)


def _sprite(spec: SceneSpec, actor: Actor, pose: Pose) -> np.ndarray:
    subject = SUBJECTS[actor.name]
    if subject.kind == "person":
        gait = spec.action if spec.action in ("walk", "run") else "stand"
        return person(actor.name, gait, int(pose.stride * STEPS) % STEPS if gait != "stand" else 0)
    return glyph(subject.glyph, actor.colour, subject.kind == "animal")


def _rain(picture: np.ndarray, drops: np.ndarray, t: float) -> np.ndarray:
    """Slanted streaks over the picture; they fall through it twice a second, so that two seconds loop."""
    side = picture.shape[0]
    overlay = picture.copy()
    for x, y in drops:
        top = ((y + 2 * t * (1 + round(x))) % 1.0) * 1.2 - 0.1
        left = x * 1.1 - 0.1 * top
        start = (int(left * side), int(top * side))
        end = (int((left - 0.02) * side), int((top + 0.10) * side))
        cv2.line(overlay, start, end, (214, 224, 236), max(side // 96, 1), cv2.LINE_AA)
    return cv2.addWeighted(overlay, 0.6, picture, 0.4, 0)
