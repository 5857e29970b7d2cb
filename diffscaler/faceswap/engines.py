"""The two ways to put a face on a track, behind one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SkinTone, seen, skin_tone
from diffscaler.faceswap.builtin import Reference, draw_face
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.head import Pose, fit_poses
from diffscaler.faceswap.occlusion import drawable
from diffscaler.faceswap.track import Track

Frame = npt.NDArray[np.uint8]
TONE_S = 0.6  # a face's measured skin tone is averaged over about this many seconds on either side


class Swapper(Protocol):
    """Puts the performer's face on one track's face."""

    def swap(self, frame: Frame, track: Track, index: int) -> Frame:
        """Replace one face; returns a new frame.

        frame: uint8 RGB (H, W, 3), frame `track.start + index` of the clip
        """
        ...


class PreviewSwapper:
    """The built-in engine over whole tracks: everything that needs neighbouring frames is worked out beforehand."""

    def __init__(
        self,
        references: list[Reference],
        faces: ClipFaces,
        tracks: list[Track],
        fps: float,
        strength: float,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """references: photos of one performer; fps: frames per second; tick: called several times a second of work."""
        self.strength = strength
        self.poses = {track.id: fit_poses(track.landmarks) for track in tracks}
        self.tones = {track.id: track_tones(track, self.poses[track.id], faces, fps, tick) for track in tracks}
        self.allowed = {
            track.id: drawable(track, self.poses[track.id], faces, self.tones[track.id], tick) for track in tracks
        }
        self.references = {track.id: _nearest(references, self.poses[track.id]) for track in tracks}

    def swap(self, frame: Frame, track: Track, index: int) -> Frame:
        pose, tone = self.poses[track.id][index], self.tones[track.id][index]
        return draw_face(frame, pose, tone, self.allowed[track.id][index], self.references[track.id], self.strength)


def track_tones(
    track: Track, poses: list[Pose], faces: ClipFaces, fps: float, tick: Callable[[], None] = lambda: None
) -> list[SkinTone]:
    """The skin tone in every frame of a track, steady: measured per frame, averaged over time."""
    measured = np.zeros((len(poses), 5))
    weights = np.zeros(len(poses))
    for index, row in enumerate(track.rows):
        tick()
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


def _nearest(references: list[Reference], poses: list[Pose]) -> Reference:
    """The photo turned most like the track. One photo for a whole track: changing photos would be seen."""
    yaw = float(np.median([pose.yaw for pose in poses]))
    return min(references, key=lambda reference: abs(reference.pose.yaw - yaw))
