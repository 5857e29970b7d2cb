"""A generic head: where the surface of a face lies, and how five landmarks say it is turned.

Coordinates are millimetres on an average adult face: x to the right of the picture, y down, z towards the viewer, the
origin between the eyes (63 mm apart). The surface is a sum of smooth shapes, so it needs no data file; it serves to
foreshorten a photo the way a turning head would, not to measure anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
_Angle = float | npt.NDArray[np.float64]

STEP_MM = 2.0
LEFT_MM, TOP_MM, RIGHT_MM, BELOW_MM = -90, -70, 90, 136  # the part of the face plane that the tables cover
EYE_MM = 63.0
BEYOND_MM = -400.0  # depth where there is no face: far behind everything


@dataclass(frozen=True)
class Pose:
    """How a face lies in a picture: picture point = scale * (rotation @ X)[:2] + shift + bend.

    rotation: float64 (3, 3); scale: pixels per mm; shift: float64 (2,), pixels
    points: float64 (5, 2), where the generic head's landmarks fall; misses: float64 (5, 2), landmarks - points; pixels
    """

    rotation: npt.NDArray[np.float64]
    scale: float
    shift: npt.NDArray[np.float64]
    yaw: float
    points: npt.NDArray[np.float64]
    misses: npt.NDArray[np.float64]


def depth_at(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """z of the face's surface, mm; BEYOND_MM where the head's side has turned away."""
    oval = 1 - (x / 80) ** 2 - ((y - 30) / 150) ** 2
    skull = 95 * (np.sqrt(np.clip(oval, 1e-4, None)) - 1) + 8
    rise = np.clip((y + 8) / 44, 0, 1)
    fall = 1 - np.clip((y - 36) / 14, 0, 1) ** 2 * (3 - 2 * np.clip((y - 36) / 14, 0, 1))
    nose = 25 * rise**1.3 * fall * np.exp(-0.5 * (x / (7 + 6 * rise)) ** 2)
    mouth = 14 * np.exp(-0.5 * ((x / 25) ** 2 + ((y - 73) / 17) ** 2))
    chin = 12 * np.exp(-0.5 * ((x / 22) ** 2 + ((y - 110) / 16) ** 2))
    brow = 3 * np.exp(-0.5 * ((y + 20) / 10) ** 2)
    return np.where(oval > 0.004, skull + nose + mouth + chin + brow, BEYOND_MM)


_SPOTS = np.array([[-31.5, 0], [31.5, 0], [0, 36], [-26, 73], [26, 73]], np.float64)
LANDMARKS_MM = np.concatenate([_SPOTS, depth_at(_SPOTS[:, 0], _SPOTS[:, 1])[:, None]], axis=1)


@dataclass(frozen=True)
class Surface:
    """Tables over the face plane, one cell per STEP_MM: float32 (rows, columns).

    depth: mm; normals: (rows, columns, 3), unit length; face: 0..1, 1 on the face proper, soft towards hair, ears, neck
    skin: 0..1, the face without eyes, brows and lips
    """

    depth: Floats
    normals: Floats
    face: Floats
    skin: Floats


@lru_cache(maxsize=1)
def surface() -> Surface:
    """The generic head's tables; computed once (2 ms)."""
    x, y = np.meshgrid(np.arange(LEFT_MM, RIGHT_MM + 1, STEP_MM), np.arange(TOP_MM, BELOW_MM + 1, STEP_MM))
    depth = depth_at(x, y)
    smooth = np.where(depth > BEYOND_MM, depth, -90)
    down, across = np.gradient(smooth, STEP_MM)
    normals = np.stack([-across, -down, np.ones_like(x)], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    half_width = 63 - 26 * _smoothstep((y - 48) / 68)  # jaws are narrower than temples
    away = (np.abs(x) / half_width) ** 2.5 + (np.abs(y - 34) / np.where(y < 34, 78, 80)) ** 2.5
    face = _smoothstep((1.12 - away) / 0.42)
    spots = [(-31.5, -2, 17, 9), (31.5, -2, 17, 9), (0, 75, 28, 12), (-31.5, -20, 20, 6), (31.5, -20, 20, 6)]
    features = sum(np.exp(-(((x - a) / w) ** 2 + ((y - b) / h) ** 2)) for a, b, w, h in spots)
    skin = face * np.clip(1 - features, 0, 1)
    return Surface(*(table.astype(np.float32) for table in (depth, normals, face, skin)))


def fit_pose(landmarks: npt.NDArray[np.floating]) -> Pose:
    """`fit_poses` for one face: landmarks (5, 2), pixels."""
    return fit_poses(np.asarray(landmarks)[None])[0]


def fit_poses(landmarks: npt.NDArray[np.floating]) -> list[Pose]:
    """The poses of the generic head that best explain five landmarks each: landmarks (K, 5, 2), pixels.

    Scaled orthographic projection, by Gauss-Newton with weak priors: noses and chins differ between people, so a little
    misfit must not become a large turn. Every face is solved by itself. Raises ValueError when landmarks coincide.
    """
    points = np.asarray(landmarks, np.float64)
    middle = points.mean(1)
    size = np.sqrt(((points - middle[:, None]) ** 2).sum((1, 2)))
    if not np.isfinite(points).all() or (size < 1e-3).any():
        raise ValueError("the landmarks coincide")
    unit = size / np.sqrt(((_SPOTS - _SPOTS.mean(0)) ** 2).sum())  # pixels per mm, roughly
    down = points[:, 3:].mean(1) - points[:, :2].mean(1)
    guess = np.zeros((len(points), 6))
    guess[:, 2] = np.arctan2(-down[:, 0], down[:, 1])
    target = (points - middle[:, None]) / unit[:, None, None]
    nudges = np.concatenate([np.zeros((1, 6)), 1e-4 * np.eye(6)])
    for _ in range(12):
        tried = _misfits(guess[:, None] + nudges, target)  # (K, 7, 13): as guessed, and each of six numbers nudged
        now, slopes = tried[:, 0], ((tried[:, 1:] - tried[:, :1]) / 1e-4).transpose(0, 2, 1)
        normal = slopes.transpose(0, 2, 1) @ slopes + 1e-6 * np.eye(6)
        step = np.linalg.solve(normal, -(slopes.transpose(0, 2, 1) @ now[..., None]))[..., 0]
        guess = guess + np.clip(step, -0.5, 0.5)
        guess[:, :2] = np.clip(guess[:, :2], (-1.25, -0.7), (1.25, 0.7))
    poses: list[Pose] = []
    for p, at, per_mm, marks in zip(guess, middle, unit, points, strict=True):
        rotation, scale = turn(p[0], p[1], p[2]), float(per_mm * np.exp(p[3]))
        shift = at + p[4:6] * 10 * per_mm
        placed = scale * (LANDMARKS_MM @ rotation[:2].T) + shift
        poses.append(Pose(rotation, scale, shift, float(p[0]), placed, marks - placed))
    return poses


def _misfits(p: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distances to `target` (K, 5, 2) in units of 3 mm, and priors, for parameters p (K, N, 6): (K, N, 13)."""
    flat = np.exp(p[..., 3])[..., None, None] * (
        LANDMARKS_MM @ turn(p[..., 0], p[..., 1], p[..., 2])[..., :2, :].swapaxes(-1, -2)
    )
    apart = (flat + p[..., None, 4:6] * 10 - target[:, None]) / 3
    priors = p[..., [0, 1, 3]] / (1.2, 0.3, 0.6)
    return np.concatenate([apart.reshape(*p.shape[:2], 10), priors], axis=-1)


def turn(yaw: _Angle, pitch: _Angle, roll: _Angle) -> npt.NDArray[np.float64]:
    """Rotation matrices (..., 3, 3), radians: yaw turns the nose to the picture's right, pitch down, roll clockwise."""
    angles = np.array([yaw, pitch, roll], np.float64)
    (sy, sp, sr), (cy, cp, cr) = np.sin(angles), np.cos(angles)
    rows = [
        [cr * cy + sr * sp * sy, -sr * cp, cr * sy - sr * sp * cy],
        [sr * cy - cr * sp * sy, cr * cp, sr * sy + cr * sp * cy],
        [-cp * sy, -sp, cp * cy],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def bend(pose: Pose, points: npt.NDArray[np.floating], at_landmarks: bool) -> npt.NDArray[np.float64]:
    """How far the real face departs from the posed generic head near `points` (..., 2), in pixels.

    A smooth field through the landmarks' misses that fades within a few centimetres. at_landmarks: `points` are places
    in the picture (to be taken back to the head), else places on the posed head (to be brought into the picture).
    """
    anchors = pose.points + pose.misses if at_landmarks else pose.points
    reach = 2 * (45 * pose.scale) ** 2
    among = np.exp(-((anchors[:, None] - anchors[None]) ** 2).sum(-1) / reach)
    weights = np.linalg.solve(among + 0.03 * np.eye(5), pose.misses)
    near = np.exp(-((points[..., None, :] - anchors) ** 2).sum(-1) / reach)
    return near @ weights


def place(pose: Pose, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Where points (x, y) of the face plane, in mm, appear in the posed picture: (..., 2), pixels."""
    depth = np.maximum(depth_at(x, y), -90)
    flat = pose.scale * (np.stack([x, y, depth], axis=-1) @ pose.rotation[:2].T) + pose.shift
    return flat + bend(pose, flat, at_landmarks=False)


def cast(pose: Pose, points: npt.NDArray[np.floating]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Which point of the face plane is seen at each picture point: relief marching, front to back, nearest hit.

    points: (H, W, 2), pixels, coarse (one per few mm is enough). Returns (x, y) in mm, float32 (H, W, 2), and whether
    the face is hit at all, bool (H, W).
    """
    flat = (points - bend(pose, points, at_landmarks=True) - pose.shift) / pose.scale
    start = (flat @ pose.rotation[:2]).astype(np.float32)  # rotation transposed on (x', y', 0)
    ray = pose.rotation[2].astype(np.float32)
    table = surface().depth
    shape = points.shape[:2]
    hit, found = np.zeros(shape, bool), np.zeros((*shape, 2), np.float32)
    before = np.full(shape, 1.0, np.float32)
    step = 4.0
    nearest, farthest = _reach(ray)
    for distance in np.arange(nearest + step, farthest - step, -step, dtype=np.float32):
        at = start + ray * distance
        columns, rows = (at[..., 0] - LEFT_MM) / STEP_MM, (at[..., 1] - TOP_MM) / STEP_MM
        ground = cv2.remap(
            table, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=BEYOND_MM
        )
        above = at[..., 2] - ground
        first = (above <= 0) & ~hit
        share = np.clip(above / np.minimum(above - before, -1e-6), 0, 1)  # how far back towards the last sample
        exact = at[..., :2] + (ray[:2] * step) * share[..., None]
        found = np.where(first[..., None], exact, found)
        hit |= first & (ground > BEYOND_MM / 2)
        before = above
    return found, hit


def _reach(ray: Floats) -> tuple[float, float]:
    """Along a viewing ray's direction (3,), the nearest and the farthest millimetre of the face."""
    along = _face_points() @ ray
    return float(along.max()), float(along.min())


@lru_cache(maxsize=1)
def _face_points() -> Floats:
    tables = surface()
    rows, columns = np.nonzero(tables.face > 0)
    points = [columns * STEP_MM + LEFT_MM, rows * STEP_MM + TOP_MM, tables.depth[rows, columns]]
    return np.stack(points, axis=1).astype(np.float32)[::3]


def look_up(table: Floats, places: Floats, outside: float = 0.0) -> Floats:
    """A surface table at places (..., 2) in mm, bilinear."""
    columns, rows = (places[..., 0] - LEFT_MM) / STEP_MM, (places[..., 1] - TOP_MM) / STEP_MM
    return cv2.remap(table, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR, borderValue=outside)


def _smoothstep(value: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)
