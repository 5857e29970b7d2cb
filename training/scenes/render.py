"""Draw a scene: background, subject, prop, camera."""

from __future__ import annotations

import cv2
import numpy as np

from training.scenes.glyphs import glyph, paste
from training.scenes.motion import FPS, NUM_FRAMES, pose_at, view_at
from training.scenes.places import SUBJECT_LIGHT, draw_place
from training.scenes.spec import SceneSpec
from training.scenes.world import PLACES, SUBJECTS

#: Drawn this many times larger and averaged down, so that edges are smooth at any sub-pixel position.
SUPERSAMPLING = 2

SHOT_SCALE = {"medium": 1.0, "close": 1.35, "wide": 0.68}


def render_clip(spec: SceneSpec, size: int = 128, num_frames: int = NUM_FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """A scene as a clip.

    Returns frames, uint8 RGB (F, size, size, 3), and where the subject and its prop are, uint8 (F, size, size), 0..255.
    """
    # A stream of its own: the same scene looks the same at every size and length.
    rng = np.random.default_rng([11, spec.seed])
    view = size * SUPERSAMPLING
    width = int(view * 1.5)
    world = draw_place(spec.place, spec.light, view, width, rng)
    scale = SHOT_SCALE[spec.shot] * rng.uniform(0.92, 1.08)
    phase, start = rng.uniform(0, 1), rng.uniform(-0.10, 0.10)
    duration = NUM_FRAMES / FPS
    frames = np.empty((num_frames, size, size, 3), np.uint8)
    masks = np.empty((num_frames, size, size), np.uint8)
    for i in range(num_frames):
        u = i / max(NUM_FRAMES - 1, 1)
        canvas = world.copy()
        mask = _draw_subject(canvas, spec, u * duration, duration, phase, start, scale, view)
        pan, zoom = view_at(spec, min(u, 1.0))
        side = round(view / zoom)
        left = int(np.clip((width - side) / 2 + pan * view, 0, width - side))
        # Zoom towards the subject's middle rather than the frame's: feet stay in view.
        top = int(np.clip(view * 0.62 - side * 0.62, 0, view - side))
        box = np.s_[top : top + side, left : left + side]
        frames[i] = cv2.resize(canvas[box], (size, size), interpolation=cv2.INTER_AREA)
        masks[i] = (cv2.resize(mask[box], (size, size), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
    return frames, masks


def _draw_subject(
    canvas: np.ndarray, spec: SceneSpec, t: float, duration: float, phase: float, start: float, scale: float, view: int
) -> np.ndarray:
    """Put the subject, its prop and its shadow on the canvas; returns their mask, float32 (H, W), 0..1."""
    subject, pose = SUBJECTS[spec.subject], pose_at(spec, t, duration, phase, start)
    pan, _ = view_at(spec, t / duration)
    # A walking subject under a panning camera is followed by it, or it would leave the picture.
    x = canvas.shape[1] / 2 + (pose.x + (pan if spec.direction else 0.5 * pan)) * view
    ground = PLACES[spec.place].ground if subject.kind != "boat" else {"beach": 0.63, "lake": 0.73}[spec.place]
    ground += 0.5 * (scale - 1) * 0.2
    foot, height = ground * view, subject.height * scale * view
    shade = SUBJECT_LIGHT[spec.light]
    if subject.kind != "boat":
        lift = max(0.0, 1 - 2.2 * pose.y)
        overlay = canvas.copy()
        cv2.ellipse(
            overlay,
            (int(x), int(foot)),
            (int(height * 0.36 * lift) + 1, int(height * 0.055 * lift) + 1),
            0,
            0,
            360,
            (20, 20, 30),
            -1,
            cv2.LINE_AA,
        )
        canvas[:] = cv2.addWeighted(overlay, 0.35, canvas, 0.65, 0)
    flip = spec.facing > 0
    text = _glyph_for(spec, t, phase)
    mask = paste(
        canvas,
        glyph(text, subject.tint),
        x,
        foot - pose.y * view,
        height,
        flip,
        pose.angle * -spec.facing if spec.action != "walk" else pose.angle,
        pose.squash,
        shade,
    )
    if spec.prop == "umbrella":
        over = foot - height * 0.80 - pose.y * view
        tall = height * (0.5 if subject.kind == "person" else 0.62)
        mask = np.maximum(mask, paste(canvas, glyph("☂"), x - spec.facing * height * 0.04, over, tall, shade=shade))
    elif spec.prop == "laptop":
        before = x + spec.facing * height * 0.42
        mask = np.maximum(mask, paste(canvas, glyph("💻"), before, foot + 0.03 * view, height * 0.48, shade=shade))
    if spec.action == "sleep":
        rise = ((t + phase) * 0.5) % 1.0
        top = foot - height * (0.62 + 0.16 * rise)
        mask = np.maximum(mask, paste(canvas, glyph("💤"), x + height * 0.22, top, height * 0.34, shade=shade))
    return mask


def _glyph_for(spec: SceneSpec, t: float, phase: float) -> str:
    """The drawing of a subject at a moment: people have several."""
    if spec.subject != "man":
        return SUBJECTS[spec.subject].glyph
    if spec.action == "run":
        return "🏃"
    return "🚶" if spec.action == "walk" else "🧍"
