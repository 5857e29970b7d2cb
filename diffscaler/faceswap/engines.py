"""The two ways to put a face on a track, behind one method."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SkinTone, bare, seen, skin_tone
from diffscaler.faceswap.builtin import Reference, draw_face
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.head import Pose, fit_poses
from diffscaler.faceswap.track import Track

Frame = npt.NDArray[np.uint8]
TONE_S = 0.6  # a face's measured skin tone is averaged over about this many seconds on either side


class Swapper(Protocol):
    """Puts the performer's face on one track's face."""

    def swap(self, frame: Frame, track: Track, index: int) -> Frame:
        """The frame (uint8 RGB (H, W, 3), frame `track.start + index` of the clip) with the face replaced; a new array."""
        ...


class PreviewSwapper:
    """The built-in engine over whole tracks: everything that needs neighbouring frames is worked out beforehand."""

    def __init__(self, references: list[Reference], faces: ClipFaces, tracks: list[Track], fps: float, strength: float) -> None:
        self.strength = strength
        self.poses = {track.id: fit_poses(track.landmarks) for track in tracks}
        self.tones = {track.id: track_tones(track, self.poses[track.id], faces, fps) for track in tracks}
        self.allowed = {track.id: track_bare(track, self.poses[track.id], faces, self.tones[track.id]) for track in tracks}
        self.references = {track.id: _nearest(references, self.poses[track.id]) for track in tracks}

    def swap(self, frame: Frame, track: Track, index: int) -> Frame:
        pose, tone = self.poses[track.id][index], self.tones[track.id][index]
        return draw_face(frame, pose, tone, self.allowed[track.id], self.references[track.id], self.strength)


def track_tones(track: Track, poses: list[Pose], faces: ClipFaces, fps: float) -> list[SkinTone]:
    """The skin tone in every frame of a track, steady: measured per frame, then averaged over time by how much was seen."""
    measured = np.zeros((len(poses), 5))
    weights = np.zeros(len(poses))
    for index, row in enumerate(track.rows):
        if row >= 0:
            visible = seen(poses[index])
            tone = skin_tone(faces.look[row], visible)
            measured[index] = (*tone.mean, tone.dark, tone.light)
            weights[index] = faces.score[row] * visible.mean()
    reach = max(1, round(3 * TONE_S * fps))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (TONE_S * fps)) ** 2)
    middle = slice(reach, reach + len(poses))
    total = np.convolve(weights, kernel)[middle]
    smooth = np.stack([np.convolve(column * weights, kernel)[middle] for column in measured.T], axis=1) / total[:, None]
    return [SkinTone(row[:3].astype(np.float32), float(row[3]), float(row[4])) for row in smooth]


def track_bare(track: Track, poses: list[Pose], faces: ClipFaces, tones: list[SkinTone]) -> npt.NDArray[np.float32]:
    """Where the face of a track is not covered by its own hair: float32 (32, 32), one for the whole track, so it is steady."""
    rows = [index for index in np.flatnonzero(track.rows >= 0)]
    looks = np.stack([faces.look[track.rows[index]] for index in rows])
    visible = np.stack([seen(poses[index]) for index in rows])
    hidden = np.broadcast_to((visible < 0.5)[..., None], looks.shape)
    median = np.ma.median(np.ma.array(looks, mask=hidden), axis=0).filled(0).astype(np.uint8)
    best = int(np.argmax([visible[i].mean() for i in range(len(rows))]))
    return bare(median, visible.max(axis=0), tones[rows[best]])


def _nearest(references: list[Reference], poses: list[Pose]) -> Reference:
    """The photo turned most like the track. One photo for a whole track: changing photos would be seen."""
    yaw = float(np.median([pose.yaw for pose in poses]))
    return min(references, key=lambda reference: abs(reference.pose.yaw - yaw))
