"""Where the subject and the camera are at each moment of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.scenes.spec import SceneSpec

#: Native length and rate of a clip. Motion is written in seconds, so other lengths play the same scene.
NUM_FRAMES, FPS = 16, 8
DURATION = NUM_FRAMES / FPS

#: Frame heights per second.
SPEED = {"walk": 0.18, "run": 0.36, "drive": 0.34, "sail": 0.20, "fly": 0.32}


@dataclass(frozen=True)
class Pose:
    """The subject at one moment. x, y: where its feet are, in frame heights from the view's centre and the ground
    (y up); angle in degrees towards the way it faces; squash: vertical factor; stride: 0..1, phase of the legs."""

    x: float
    y: float
    angle: float = 0.0
    squash: float = 1.0
    stride: float = 0.0


def pose_at(spec: SceneSpec, t: float, phase: float, start: float) -> Pose:
    """The subject's pose `t` seconds into a scene.

    phase: 0..1, where its cycles begin; start: side offset in frame heights. Every cycle divides DURATION, so what
    stays in its place loops without a jump.
    """
    x = start
    if spec.direction:
        x = start * 0.6 + SPEED[spec.action] * (t - DURATION / 2) * spec.direction
    cycle = 2 * np.pi * (t + phase)
    match spec.action:
        case "walk":
            return Pose(x, 0.012 * abs(np.sin(cycle)), 2.5 * np.sin(cycle), stride=(t + phase) % 1)
        case "run":
            return Pose(x, 0.05 * abs(np.sin(cycle)), 6 * np.sin(cycle), stride=(1.5 * t + phase) % 1)
        case "drive":
            return Pose(x, 0.006 * abs(np.sin(2 * cycle)))
        case "sail":
            return Pose(x, 0.012 * np.sin(cycle * 0.5), 4 * np.sin(cycle * 0.5))
        case "fly":
            return Pose(x, 0.34 + 0.03 * np.sin(cycle * 0.5), -4)
        case "rise":
            return Pose(x, 0.46 * t / DURATION, -6)
        case "jump":
            return Pose(x, 0.26 * abs(np.sin(np.pi * (t + phase))))
        case "sleep":
            return Pose(x, 0.0, 0.0, 0.56 + 0.03 * np.sin(cycle * 0.5))
        case "drink":
            # At the shore, head down to the water and up again.
            return Pose(x, 0.07, 17 + 8 * np.sin(cycle * 0.5))
    return Pose(x, 0.0)


def view_at(spec: SceneSpec, t: float) -> tuple[float, float]:
    """The camera `t` seconds into a scene: (pan, zoom); pan in frame heights to the right, zoom >= 1."""
    u = min(t / (DURATION - 1 / FPS), 1.0)
    if spec.camera == "zoom":
        return 0.0, 1.0 + 0.45 * u
    if spec.camera.startswith("pan"):
        return (0.36 if spec.camera == "pan right" else -0.36) * (u - 0.5), 1.0
    return 0.0, 1.0
