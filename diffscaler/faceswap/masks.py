"""Where a face is drawn: the outline of the face, less what is not to be drawn over and what is in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import Matrix, apply, crop_by, inverse
from diffscaler.faceswap.appearance import cells_at, grid_mm
from diffscaler.faceswap.blend import blur as blurred
from diffscaler.faceswap.crops import FFHQ, MASK_SIZE, Template, border, mask_for, resized, traced_places
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.engines import track_tones
from diffscaler.faceswap.head import fit_poses, place
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.mask_params import Front, MaskName, MaskParams
from diffscaler.faceswap.occlusion import drawable
from diffscaler.faceswap.track import Track
from diffscaler.media import TensorChunk

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

CROP = 512  # side of the crop that stored masks lie over, pixels
SIDE = 128  # cells of a stored mask: 2 mm of a face, half a finger's or a frame of glasses' width
BARE = 0.99  # a table of looks that is nowhere lower shows the face alone
OUTLINE_SOFT = 0.03  # of the crop's side: a drawn outline is sharp, the generic head's is soft by itself


def compose(outline: Floats, allowed: Iterable[Floats], padding: float = 0.0, blur: float = 0.0) -> Floats:
    """The mask of a crop: its outline times everything that says where the face may be drawn.

    outline, allowed: float32, square, 0..1, of any sides; padding, blur: shares of the side
    What is in front stays whole: edges soften towards the face only. Returns float32 of the largest side, 0..1.
    """
    limits = list(allowed)
    side = max(len(table) for table in (outline, *limits))
    mask = sized(outline, side)
    if padding > 0:
        width = 2 * round(padding * side) + 1
        mask = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    if blur > 0:
        mask = blurred(mask, blur * side)
    if limits:
        free = np.prod([sized(table, side) for table in limits], axis=0, dtype=np.float32)
        mask = mask * inward(free, blur * side)
    return np.clip(np.minimum(mask, border(side)), 0, 1)


def inward(mask: Floats, sigma: float) -> Floats:
    """A mask with softer edges that is nowhere larger than it was. sigma: cells"""
    return np.minimum(mask, np.clip(2 * blurred(mask, sigma) - 1, 0, 1)) if sigma > 0 else mask


def sized(mask: Floats, side: int) -> Floats:
    """A square mask enlarged or shrunk to `side` cells."""
    if len(mask) == side:
        return mask
    how = cv2.INTER_AREA if len(mask) > side else cv2.INTER_LINEAR
    return cv2.resize(mask, (side, side), interpolation=how)


def mask_rows(rows: Sequence[tuple[int, int, Floats, bool]]) -> dict[str, npt.NDArray[Any]]:
    """Masks as tensors. rows: track, frame, mask (S, S), 0..1, of each face, and whether the network saw that face"""
    masks = [np.rint(sized(mask, SIDE) * 255).astype(np.uint8) for _, _, mask, _ in rows]
    return {
        "track": np.array([row[0] for row in rows], np.int32),
        "frame": np.array([row[1] for row in rows], np.int32),
        "found": np.array([row[3] for row in rows], np.uint8),
        "mask": np.stack(masks) if masks else np.zeros((0, SIDE, SIDE), np.uint8),
    }


class StoredMasks:
    """The masks of a clip that MaskFaces made.

    Its tensors, M rows: track, frame: int32 (M,); mask: uint8 (M, SIDE, SIDE), 0..255, in FFHQ's crop of the face
    found: uint8 (M,), 0 where the network saw no face. unseen: track and frame of those
    """

    def __init__(self, chunks: Iterable[TensorChunk]) -> None:
        self.rows: dict[tuple[int, int], npt.NDArray[np.uint8]] = {}
        self.unseen: set[tuple[int, int]] = set()
        for chunk in chunks:
            numbers = list(zip(chunk.tensors["track"].tolist(), chunk.tensors["frame"].tolist(), strict=True))
            self.rows |= dict(zip(numbers, chunk.tensors["mask"], strict=True))
            self.unseen |= {each for each, found in zip(numbers, chunk.tensors["found"], strict=True) if not found}

    def has(self, track: int, frame: int) -> bool:
        return (track, frame) in self.rows

    def at(self, track: int, frame: int, reach: int) -> Floats:
        """The mask of a face, steady: the median over frames up to `reach` away. float32 (SIDE, SIDE), 0..1

        Faces are aligned, so what stays still on a face lies still here. A median drops what flickers for a frame and
        neither blurs nor delays an edge that passes. Raises KeyError where the frame itself has no mask.
        """
        own = self.rows[track, frame]
        # As many before as after: a median of an even number would mix two masks, a lopsided one would lag.
        while reach and any((track, frame + step) not in self.rows for step in range(-reach, reach + 1)):
            reach -= 1
        if reach:
            near = np.stack([self.rows[track, frame + step] for step in range(-reach, reach + 1)])
            own = np.partition(near, reach, axis=0)[reach]
        return own.astype(np.float32) / np.float32(255)


def stored_matrix(landmarks: npt.NDArray[np.floating]) -> Matrix:
    """Frame pixels -> cells of a stored mask, (2, 3), for a face's landmarks (5, 2)."""
    return resized(FFHQ.matrix(landmarks, CROP), SIDE / CROP)


def stored_crop(frame: Frame, landmarks: npt.NDArray[np.floating], size: int) -> Frame:
    """What a network looks at whose mask is to be stored: uint8 RGB (size, size, 3). frame: uint8 RGB (H, W, 3)"""
    return crop_by(frame, resized(FFHQ.matrix(landmarks, CROP), size / CROP), size)


def looks_of(
    tracks: Iterable[Track], faces: ClipFaces, fps: float, tick: Callable[[], None], hair: bool = False
) -> dict[int, Floats]:
    """By track, where its face may be drawn over judged by how it looks at other times: `occlusion.drawable`."""
    allowed: dict[int, Floats] = {}
    for track in tracks:
        poses = fit_poses(track.landmarks)
        tones = track_tones(track, poses, faces, fps, tick)
        allowed[track.id] = drawable(track, poses, faces, tones, tick, hair)
    return allowed


class FaceMasks:
    """The masks of a clip's followed faces, for crops of any alignment."""

    def __init__(
        self,
        params: MaskParams,
        tracks: Iterable[Track],
        fps: float,
        stored: Mapping[MaskName, StoredMasks],
        looks: Callable[[], Mapping[int, Floats]],
    ) -> None:
        """stored: by name, as `params.masks` lists them; looks: gives `looks_of` these tracks, asked only if needed"""
        self.params, self.stored, self.looks = params, stored, lru_cache(maxsize=1)(looks)
        self.reach = round(params.steady * fps)
        self.poses = {track.id: fit_poses(track.landmarks) for track in tracks}

    def crop(self, template: Template, size: int, track: Track, index: int, in_front: tuple[Front, ...]) -> Floats:
        """Where a crop of `size` pixels is drawn: float32 (S, S), 0..1.

        index: frame of the track; in_front: see MaskParams
        """
        pose, landmarks = self.poses[track.id][index], track.landmarks[index]
        allowed = [self._moved(self._stored(name, track, index), template, size, landmarks) for name in names(in_front)]
        if "looks" in in_front:
            table = self.looks()[track.id][index]
            if table.min() < BARE:  # tracing takes 8 ms: only where something is in front
                places = traced_places(apply(template.cells(landmarks, size, MASK_SIZE), landmarks), MASK_SIZE)
                allowed.append(cv2.remap(table, *cells_at(places), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        if "landmarks" in self.stored:
            drawn = inward(self._stored("landmarks", track, index), OUTLINE_SOFT * SIDE)
            outline = self._moved(drawn, template, size, landmarks)
        else:
            outline = mask_for(template, size, pose)
        return compose(outline, allowed, self.params.padding, self.params.blur)

    def unrolled(self, track: Track, index: int, in_front: tuple[Front, ...]) -> Floats:
        """What the networks allow, over the unrolled face, as the built-in engine takes it: float32 (32, 32), 0..1."""
        landmarks, pose = track.landmarks[index], self.poses[track.id][index]
        outline: tuple[MaskName, ...] = ("landmarks",) if "landmarks" in self.stored else ()
        points = place(pose, *grid_mm().astype(np.float64).transpose(2, 0, 1))
        at = apply(stored_matrix(landmarks), points).astype(np.float32)
        free = np.ones(at.shape[:2], np.float32)
        for name in (*names(in_front), *outline):
            table = inward(self._stored(name, track, index), self.params.blur * SIDE)
            free = free * cv2.remap(table, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return free

    def _stored(self, name: MaskName, track: Track, index: int) -> Floats:
        # A face that is left alone, or that no correction is about, was not looked at.
        if not self.stored[name].has(track.id, track.start + index):
            return np.ones((SIDE, SIDE), np.float32)
        return self.stored[name].at(track.id, track.start + index, self.reach)

    @staticmethod
    def _moved(mask: Floats, template: Template, size: int, landmarks: Floats) -> Floats:
        """A stored mask over a template's crop of `size` pixels, with as many cells."""
        back, there = inverse(stored_matrix(landmarks)), template.cells(landmarks, size, SIDE)
        turn = there[:, :2] @ back[:, :2]
        matrix = np.concatenate([turn, (there[:, :2] @ back[:, 2] + there[:, 2])[:, None]], axis=1)
        return cv2.warpAffine(mask, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def names(in_front: tuple[Front, ...]) -> list[MaskName]:
    """Those of `in_front` that are masks of networks."""
    return [name for name in in_front if name != "looks"]


def read_masks(given: tuple[MaskName, ...], streams: Iterable[Iterable[TensorChunk]]) -> dict[MaskName, StoredMasks]:
    """The masks that a stage's last inputs hold, by name. given: `MaskParams.masks`"""
    return {name: StoredMasks(stream) for name, stream in zip(given, streams, strict=True)}
