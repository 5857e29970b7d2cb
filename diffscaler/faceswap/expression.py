"""What the face of a track does, frame by frame, against how it usually looks: what moves, and which parts act.

Read from the small unrolled pictures that the detections hold, beforehand for a whole track, so that it can be steadied
over time and no frame's result depends on its chunk. Classical means only: dense optical flow (DIS, Kroeger et al.
2016) in the plane of the unrolled face, where turning and moving of the head are already undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import BELOW_MM, HALF_WIDTH_MM, SIZE, TOP_MM, cells_at, grid_mm, seen, to_lab
from diffscaler.faceswap.blend import blur
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.head import Pose, look_up, surface
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.track import Track

Floats = npt.NDArray[np.float32]

ENLARGE = 3  # flow finds patches of 8 pixels: the small picture is enlarged for it
COARSE = 16  # cells a side of the movement kept: it is smooth
MOST_MM = 22.0  # a jaw falls no further
MOST_FRAMES = 160  # looked at to find the usual look
CELL = np.array([2 * HALF_WIDTH_MM / SIZE, (BELOW_MM - TOP_MM) / SIZE], np.float32)  # mm
FLOW_S = 0.04  # seconds over which movement is averaged: about a frame
EYES_S = 0.03
MOUTH_HOLD_S = 0.3  # a mouth that speaks closes between words: it stays the target's for that long
MOUTH_S = 0.08
ACTS_FROM, ACTS_OVER = np.array([0.24, 0.26]), np.array([0.12, 0.12])  # unlikeness of mouth and eyes that is play
PROFILE_FROM, PROFILE_OVER = 0.65, 0.2  # radians of yaw
TURN_LOOKS = np.array([0.7, 1.0])  # unlikeness per radian of yaw: the generic head is not the target's


@dataclass(frozen=True)
class Expression:
    """What a face does in one frame.

    shift: float32 (16, 16, 2), mm, over the unrolled face: what is seen at a place p usually lies at p + shift(p)
    mouth, eyes: 0 (as usual) .. 1 (they act: open, closed, looking elsewhere), steady over time
    """

    shift: Floats
    mouth: float
    eyes: float

    def times(self, amount: float) -> Expression:
        """As much of it as wanted: 0 .. 1."""
        return Expression(self.shift * np.float32(amount), self.mouth * amount, self.eyes * amount)


def acting(expression: Expression, places: Floats) -> tuple[Floats, Floats]:
    """At face-plane places (h, w, 2), mm: where they usually lie (h, w, 2), and how far the target's own eyes and mouth
    are to be kept (h, w), 0..1."""
    columns, rows = cells_at(places)
    share = COARSE / SIZE
    at = (columns + 0.5) * share - 0.5, (rows + 0.5) * share - 0.5
    usual = places + cv2.remap(expression.shift, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return usual, expression.mouth * mouth_mask(usual) + expression.eyes * eyes_mask(usual)


def mouth_mask(places: Floats) -> Floats:
    """The mouth, wide enough for a smile's corners, soft, at face-plane places (..., 2), mm."""
    x, y = places[..., 0], places[..., 1]
    return _inside((x / 44) ** 2 + ((y - 75) / 19) ** 2)


def eyes_mask(places: Floats) -> Floats:
    """Both eyes with their lids, soft, without the brows, at face-plane places (..., 2), mm."""
    x, y = places[..., 0], places[..., 1]
    return _inside(((np.abs(x) - 31.5) / 20) ** 2 + ((y - 0.5) / 11) ** 2)


def _lips(places: Floats) -> Floats:
    return _inside((places[..., 0] / 38) ** 2 + ((places[..., 1] - 75) / 17) ** 2)


def _apertures(places: Floats) -> Floats:
    x, y = places[..., 0], places[..., 1]
    return _inside(((np.abs(x) - 31.5) / 15) ** 2 + ((y - 0.5) / 7) ** 2)


def _inside(away: Floats) -> Floats:
    share = np.clip((1.25 - away) / 0.7, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def track_expressions(
    track: Track,
    poses: list[Pose],
    faces: ClipFaces,
    allowed: Floats,
    fps: float,
    tick: Callable[[], None] = lambda: None,
) -> list[Expression]:
    """What the face does in every frame of a track, steady.

    allowed: float32 (K, 32, 32), as `occlusion.drawable` gives it: a hand before the face is no expression
    tick: called several times a second of work
    """
    known = np.flatnonzero(track.rows >= 0)
    visible = np.stack([seen(poses[index]) for index in known])
    details = np.stack([_detail(look) for look in faces.look[track.rows[known]]])
    usual, yaw = usual_look(details, visible, np.array([poses[index].yaw for index in known]))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    large = _picture(usual)
    shifts = np.zeros((len(known), COARSE, COARSE, 2), np.float32)
    acts = np.zeros((len(known), 2))
    for index, (detail, shown) in enumerate(zip(details, visible, strict=True)):
        tick()
        moved = flow.calc(_picture(detail), large, None) / ENLARGE
        moved = cv2.resize(moved, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        steady = _unmoved(moved, shown)
        turned = max(0.0, abs(poses[known[index]].yaw - yaw) - 0.05)
        acts[index] = np.array(_acts(detail, usual, steady, shown)) - TURN_LOOKS * turned
        shifts[index] = _smooth_shift(moved - steady, shown * np.clip(2 * allowed[known[index]] - 1, 0, 1)) * np.exp(
            -((turned / 0.3) ** 2)
        )
    every = np.arange(len(track.rows))
    shifts = _filled(every, known, shifts.reshape(len(known), -1))
    acts = _filled(every, known, acts)
    shifts = _over_time(shifts, FLOW_S * fps).reshape(-1, COARSE, COARSE, 2)
    acts = np.clip((acts - ACTS_FROM) / ACTS_OVER, 0, 1)
    mouth = _over_time(_held(acts[:, :1], round(MOUTH_HOLD_S * fps)), MOUTH_S * fps)[:, 0]
    eyes = _over_time(acts[:, 1:], EYES_S * fps)[:, 0]
    # In profile the lips are part of the outline, and the generic head's are not the target's.
    profile = np.clip((np.abs([pose.yaw for pose in poses]) - PROFILE_FROM) / PROFILE_OVER, 0, 1)
    mouth = np.maximum(mouth, profile)
    return [
        Expression(shift.astype(np.float32), float(a), float(b))
        for shift, a, b in zip(shifts, mouth, eyes, strict=True)
    ]


def _detail(look: npt.NDArray[np.uint8]) -> Floats:
    """An unrolled face's lightness without its lighting, contrast about 1: float32 (SIZE, SIZE)."""
    lightness = np.ascontiguousarray(to_lab(look)[..., 0])
    detail = lightness - blur(lightness, 5.0)
    inside = look_up(surface().face, grid_mm()) > 0.4
    return (detail / (detail[inside].std() + 1.0)).astype(np.float32)


def _picture(detail: Floats) -> npt.NDArray[np.uint8]:
    large = cv2.resize(detail, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * large, 0, 255).astype(np.uint8)


def usual_look(details: Floats, visible: Floats, yaws: npt.NDArray[np.floating]) -> tuple[Floats, float]:
    """How the face looks most often, from the front: the median of the quarter that is most like all others.

    details, visible: float32 (K, SIZE, SIZE); yaws: (K,). Returns the look, float32 (SIZE, SIZE), and its yaw.
    """
    front = np.argsort(-visible.mean(axis=(1, 2)), kind="stable")
    front = front[: max(1, min(MOST_FRAMES, (len(front) + 1) // 2))]
    places = grid_mm()
    acts = np.maximum(mouth_mask(places), eyes_mask(places)) > 0.3
    parts = details[front][:, acts]
    apart = np.abs(parts[:, None] - parts[None]).mean(axis=2)
    middle = int(np.argmin(np.median(apart, axis=1)))
    like = front[np.argsort(apart[middle], kind="stable")[: max(1, (len(front) + 3) // 4)]]
    return np.median(details[like], axis=0).astype(np.float32), float(np.median(yaws[like]))


@lru_cache(maxsize=1)
def _rigid() -> Floats:
    """Cells that hardly move with the expression: nose, upper cheeks, temples; float32 (SIZE, SIZE)."""
    x, y = grid_mm().transpose(2, 0, 1)
    still = (y < 48) & (y > -12) & (np.abs(x) < 55)
    return (still * (1 - eyes_mask(grid_mm())) * look_up(surface().face, grid_mm())).astype(np.float32)


def _unmoved(moved: Floats, visible: Floats) -> Floats:
    """The part of the movement (SIZE, SIZE, 2) that is the whole face's: landmarks err a little. Affine, robust."""
    x, y = (grid_mm() / 60).transpose(2, 0, 1)
    terms = np.stack([np.ones_like(x), x, y], axis=2).reshape(-1, 3)
    weights = (_rigid() * visible).ravel().astype(np.float64) + 1e-6
    flat = moved.reshape(-1, 2)
    fit = np.zeros((3, 2))
    for _ in range(3):
        normal = (terms * weights[:, None]).T @ terms + np.diag([0, 3.0, 3.0])
        fit = np.linalg.solve(normal, (terms * weights[:, None]).T @ flat)
        off = ((flat - terms @ fit) ** 2).sum(1)
        weights = (_rigid() * visible).ravel() / (1 + off / 0.25) + 1e-6
    return (terms @ fit).reshape(SIZE, SIZE, 2).astype(np.float32)


def _acts(detail: Floats, usual: Floats, steady: Floats, visible: Floats) -> tuple[float, float]:
    """How unlike the usual look mouth and eyes are."""
    places = grid_mm()
    columns, rows = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
    there = cv2.remap(
        usual, columns + steady[..., 0], rows + steady[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    apart = np.abs(detail - there)
    values = []
    for mask in (_lips(places), _apertures(places)):
        weights = mask * visible
        enough = min(1.0, float(weights.sum() / (0.5 * mask.sum())))
        values.append(float((apart * weights).sum() / (weights.sum() + 1e-6)) * enough)
    return values[0], values[1]


def _smooth_shift(moved: Floats, visible: Floats) -> Floats:
    """Movement in cells (SIZE, SIZE, 2) as smooth millimetres (COARSE, COARSE, 2); none where the face is not seen."""
    weights = look_up(surface().face, grid_mm()) * visible
    weights = weights * (1 - 0.7 * _rigid())
    total = blur(weights, 1.2)[..., None]
    smooth = blur(moved * weights[..., None], 1.2) / (total + 0.08) * CELL
    length = np.linalg.norm(smooth, axis=2, keepdims=True)
    smooth = smooth * np.minimum(1, MOST_MM / np.maximum(length, 1e-6))
    return cv2.resize(smooth, (COARSE, COARSE), interpolation=cv2.INTER_AREA)


def _filled(every: npt.NDArray[np.int_], known: npt.NDArray[np.int_], rows: npt.NDArray[np.floating]) -> Floats:
    """Rows (K, D) of the known frames for every frame, on straight lines between."""
    if len(every) == len(known):
        return rows.astype(np.float32)
    return np.stack([np.interp(every, known, column) for column in rows.T], axis=1).astype(np.float32)


def _over_time(rows: Floats, sigma: float) -> Floats:
    if sigma < 0.2:
        return rows
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    total = sum(weight * padded[at : at + len(rows)] for at, weight in enumerate(kernel))
    return (total / kernel.sum()).astype(np.float32)


def _held(rows: Floats, reach: int) -> Floats:
    """The largest of the neighbours within `reach` frames."""
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    return np.max([padded[at : at + len(rows)] for at in range(2 * reach + 1)], axis=0)
