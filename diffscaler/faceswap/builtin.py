"""The built-in preview engine: a photo laid over a generic head and turned with the face it replaces.

No network is involved. The photo is projected onto the generic head of `head.py`, seen again in the pose of the target
face, bent so that eyes, nose and mouth fall on the target's, given the target's skin tone and lighting, and blended in.
Jaw, cheeks and brows move as the target's do, and a mouth that speaks and eyes that close are the target's own
(`expression.py`); at rest the expression is the photo's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import bounds
from diffscaler.faceswap.appearance import SkinTone, bare, cells_at, from_lab, grid_mm, seen, skin_tone, to_lab, unroll
from diffscaler.faceswap.blend import blend_bands, blur, local_mean
from diffscaler.faceswap.expression import Expression, acting
from diffscaler.faceswap.head import Pose, cast, fit_pose, look_up, place, surface
from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

CELL_MM = 2.5  # one ray per cell; the picture between is interpolated
LIGHT_MM = 24.0  # reach of what counts as lighting: wider than an eye, narrower than a cheek
PAINTED_CELLS = 3  # of the unrolled photo, 5 mm each: how far up a fringe is painted over
PAINTED_FROM_MM = 7.0
MOST_BLUR_PX = 1.5
LIGHT_SHARE = np.array([0.8, 0.55, 0.55], np.float32)  # how much of the target's lighting is taken over, for L, a, b


@dataclass(frozen=True)
class Reference:
    """A photo of the performer's face, ready to be drawn.

    levels: the photo, uint8 RGB, each half the size of the one before, a fringe near the brows painted over with skin
    tone: its skin; pose: of the face in levels[0]
    bare: float32 (32, 32), where the unrolled photo shows face, not hair, or was painted over
    """

    levels: tuple[Frame, ...]
    pose: Pose
    tone: SkinTone
    bare: Floats


def prepare_reference(photo: Frame, landmarks: Floats) -> Reference:
    """photo: uint8 RGB (H, W, 3); landmarks: float32 (5, 2), pixels. Raises ValueError when they coincide."""
    pose = fit_pose(landmarks)
    look, visible = unroll(photo, pose), seen(pose)
    tone = skin_tone(look, visible)
    shown = bare(look, visible, tone)
    levels = [_without_fringe(photo, pose, shown)]
    while pose.scale / 2 ** len(levels) > 0.25 and min(levels[-1].shape[:2]) > 8:
        levels.append(cv2.pyrDown(levels[-1]))
    higher = [shown, *(np.pad(shown[up:], ((0, up), (0, 0)), mode="edge") for up in range(1, PAINTED_CELLS + 1))]
    beside = np.clip((46 - np.abs(grid_mm()[..., 0])) / 8, 0, 1)
    return Reference(
        tuple(levels), pose, tone, shown + (np.max(higher, axis=0) - shown) * beside * _forehead(grid_mm())
    )


def _forehead(places: Floats) -> Floats:
    return np.clip((-12 - places[..., 1]) / 6, 0, 1)


def _without_fringe(photo: Frame, pose: Pose, shown: Floats) -> Frame:
    """The photo with skin in place of the hair on its forehead: else the target's brows would show above the photo's.

    shown: float32 (32, 32), where the unrolled photo shows face
    """
    area = _area(pose, photo.shape)
    if area is None:
        return photo
    x, y, right, below = area
    where, mask = project(pose, area)
    clear = cv2.remap(shown, *cells_at(where), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    skin = look_up(surface().skin, where) * mask * clear**4
    size = right - x, below - y
    part = photo[y:below, x:right].astype(np.float32)
    even = local_mean(part, _enlarge(skin.astype(np.float32), size), PAINTED_FROM_MM * pose.scale)
    hair = _enlarge(((1 - clear) * _forehead(where)).astype(np.float32), size)[..., None]
    result = photo.copy()
    result[y:below, x:right] = np.clip(np.rint(part + (even - part) * hair), 0, 255).astype(np.uint8)
    return result


def draw_face(
    frame: Frame,
    pose: Pose,
    tone: SkinTone,
    allowed: Floats,
    reference: Reference,
    strength: float = 1.0,
    expression: Expression | None = None,
) -> Frame:
    """The frame with the reference face drawn over the face that `pose` describes.

    frame: uint8 RGB (H, W, 3); pose: of the target face, in frame pixels; tone: the target's skin, steady over time
    allowed: float32 (32, 32), 0..1, where the unrolled target may be drawn over (not its hair, not a hand before it)
    strength: 0 (frame unchanged) .. 1; expression: what the target's face does, None keeps the photo's
    Returns a new frame; pixels far from the face keep their value.
    """
    area = _area(pose, frame.shape)
    if area is None or strength <= 0:
        return frame
    x, y, right, below = area
    width, height = right - x, below - y
    where, mask = project(pose, area)
    usual, kept = (where, None) if expression is None else acting(expression, where)
    drawn = _sample(reference, usual, pose.scale, (width, height))
    for table, places in ((reference.bare, usual), (allowed, where)):
        mask = mask * cv2.remap(table, *cells_at(places), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part = frame[y:below, x:right]
    mask = _enlarge(_trim(mask, where, part, pose, tone), (width, height)) * np.float32(strength)
    target = to_lab(part)
    matched = _soften(_match(to_lab(drawn), target, mask, pose, tone, reference.tone), target, mask)
    if kept is not None:  # after matching, so that tone and light are still judged on all of the face
        mask = mask * (1 - _enlarge(kept, (width, height)))
    levels = int(np.clip(np.log2(max(1.0, pose.scale * 8)), 1, 5))
    mixed = blend_bands(part.astype(np.float32), from_lab(matched), mask, levels)
    result = frame.copy()
    near = (blur(mask, pose.scale * 4) > 1e-3)[..., None]  # leave the rest bit-equal
    result[y:below, x:right] = np.where(near, np.clip(np.rint(mixed), 0, 255).astype(np.uint8), part)
    return result


def _area(pose: Pose, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    x, y = np.meshgrid(np.linspace(-66, 66, 9), np.linspace(-48, 118, 9))
    return bounds(place(pose, x, y).reshape(-1, 2), shape, margin=12 * pose.scale)


def project(pose: Pose, area: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
    """For a coarse grid over the area: the face-plane place seen there (h, w, 2), mm, and the mask (h, w), 0..1."""
    x, y, right, below = area
    cell = max(1.0, CELL_MM * pose.scale)
    columns, rows = max(2, round((right - x) / cell)), max(2, round((below - y) / cell))
    across = (np.arange(columns) + 0.5) * ((right - x) / columns) + x - 0.5
    down = (np.arange(rows) + 0.5) * ((below - y) / rows) + y - 0.5
    where, hit = cast(pose, np.stack(np.meshgrid(across, down), axis=2))
    facing = look_up(surface().normals, where) @ pose.rotation[2].astype(np.float32)
    profile = _profile(pose)  # where the generic head's outline is a guess, it fades earlier
    edge = np.clip((facing - 0.02 - 0.1 * profile) / (0.16 + 0.3 * profile), 0, 1)
    mask = look_up(surface().face, where) * edge * edge * (3 - 2 * edge) * hit
    weights = hit.astype(np.float32)
    around = local_mean(np.dstack([where, weights]), weights, 2.0)[..., :2]
    return np.where(hit[..., None], where, around).astype(np.float32), mask.astype(np.float32)


def _profile(pose: Pose) -> float:
    return float(np.clip((abs(pose.yaw) - 0.45) / 0.3, 0, 1))


def _trim(mask: Floats, where: Floats, part: Frame, pose: Pose, tone: SkinTone) -> Floats:
    """The mask (h, w) without what lies beside the real face: the generic head may be wider than the cheek it turns.

    Looks at the far cheek only, in profile at the whole outline, by colour: what is not skin is background or hair.
    """
    facing = look_up(surface().normals, where) @ pose.rotation[2].astype(np.float32)
    margin = np.clip((0.75 - facing) / 0.25, 0, 1) * np.clip((np.abs(where[..., 0]) - 40) / 8, 0, 1)
    margin = np.maximum(margin, _profile(pose) * np.clip((0.6 - facing) / 0.25, 0, 1))
    apart = to_lab(cv2.resize(part, mask.shape[::-1], interpolation=cv2.INTER_AREA)) - tone.mean
    unlike = ((apart / (max(12.0, 0.8 * tone.dark), 5, 6)) ** 2).sum(2)
    return (mask * (1 - margin * np.clip((unlike - 0.8) / 1.2, 0, 1))).astype(np.float32)


def _sample(reference: Reference, where: Floats, scale: float, size: tuple[int, int]) -> Frame:
    """The photo as seen at face-plane places (h, w, 2), enlarged to `size` (width, height): uint8 RGB."""
    level = int(np.clip(round(np.log2(max(reference.pose.scale / scale, 1e-3))), 0, len(reference.levels) - 1))
    at = place(reference.pose, where[..., 0].astype(np.float64), where[..., 1].astype(np.float64))
    photo = reference.levels[level]
    factors = np.array(photo.shape[1::-1]) / reference.levels[0].shape[1::-1]
    at = _enlarge(((at + 0.5) * factors - 0.5).astype(np.float32), size)
    return cv2.remap(photo, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _match(drawn: Floats, part: Floats, mask: Floats, pose: Pose, tone: SkinTone, own: SkinTone) -> Floats:
    """The drawn face (Lab) in the target's skin tone, under the target's lighting in this very frame (`part`, Lab)."""
    apart = drawn - own.mean
    contrast = np.clip((tone.dark / own.dark, tone.light / own.light), 0.45, 1.25).astype(np.float32)
    apart[..., 0] *= np.where(apart[..., 0] < 0, contrast[0], contrast[1])
    apart[..., 1:] *= np.sqrt(contrast[0])  # haze that lifts the blacks also pales lips
    toned = apart + tone.mean
    weights = mask * mask + 1e-4
    lighting = local_mean(part, weights, LIGHT_MM * pose.scale) - local_mean(toned, weights, LIGHT_MM * pose.scale)
    return (toned + LIGHT_SHARE * lighting).astype(np.float32)


def _soften(drawn: Floats, part: Floats, mask: Floats) -> Floats:
    """The drawn face (Lab), blurred as far as the target (`part`, Lab) is softer: out of focus, moving, enlarged."""
    weights = mask.sum() + 1e-6
    fine = [picture[..., 0] - blur(np.ascontiguousarray(picture[..., 0]), 1.0) for picture in (drawn, part)]
    own, wanted = (float(np.sqrt((band**2 * mask).sum() / weights)) + 1e-3 for band in fine)
    sigma = min(MOST_BLUR_PX, 0.65 * np.sqrt(max(0.0, own / wanted - 1)))
    return blur(drawn, sigma)


def _enlarge(table: Floats, size: tuple[int, int]) -> Floats:
    return cv2.resize(table, size, interpolation=cv2.INTER_LINEAR)
