"""The ways to put a face on a track, behind one method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SIZE, SkinTone, grid_mm, seen, skin_tone, to_lab
from diffscaler.faceswap.builtin import Reference, draw_face
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.expression import Expression, track_expressions
from diffscaler.faceswap.head import Pose, fit_poses, look_up, surface
from diffscaler.faceswap.occlusion import drawable
from diffscaler.faceswap.smooth import smooth_track
from diffscaler.faceswap.track import Track

Floats = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
EXPRESSION = 1.0  # the target's play in full
TONE_S = 0.6  # a face's skin tone is averaged over about this many seconds on either side; its light is followed
MOST_FRAMES = 160  # looked at to find a track's usual light
LEAST_CELLS = 40  # of the unrolled face, to judge its light by


@dataclass(frozen=True)
class Place:
    """One face to be replaced: in frame `offset` of a chunk, which is frame `index` of the track."""

    offset: int
    track: Track
    index: int


def places_in(tracks: list[Track], start: int, stop: int) -> list[Place]:
    """The faces of frames [start, stop), frame by frame; nearer faces come later, so that they are drawn on top."""
    found: list[Place] = []
    for index in range(start, stop):
        here = [track for track in tracks if track.start <= index < track.stop]
        here.sort(key=lambda track: (track.size / len(track.rows), track.id))
        found += [Place(index - start, track, index - track.start) for track in here]
    return found


class Swapper(Protocol):
    """Puts performers' faces on tracks."""

    def swap(self, frames: Frames, places: list[Place], tick: Callable[[int], None]) -> Frames:
        """Replace faces in a chunk; returns new frames, those without a place bit-equal.

        frames: uint8 RGB (N, H, W, 3), not changed; places: in the order of `places_in`
        tick: told how many frames are done, at least once a second; it may raise
        A frame's result depends on that frame and its places alone, never on its chunk.
        """
        ...


class PreviewSwapper:
    """The built-in engine over whole tracks: everything that needs neighbouring frames is worked out beforehand."""

    def __init__(
        self,
        references: dict[int, list[Reference]],
        faces: ClipFaces,
        tracks: list[Track],
        fps: float,
        strength: float,
        tick: Callable[[], None] = lambda: None,
        expression: float = EXPRESSION,
        free: bool = False,
        networks: Callable[[Track, int], Floats] | None = None,
    ) -> None:
        """references: track id -> photos of the performer it gets; fps: frames per second
        expression: how much of the target's own play shows, 0 (the photo's expression throughout) .. 1
        tick: called several times a second of work; free: the looks keep nothing in front of the faces
        networks: where the unrolled face in a frame of a track may be drawn over, float32 (32, 32), as networks see it
        """
        self.strength = strength
        self.poses = {track.id: fit_poses(track.landmarks) for track in tracks}
        self.tones = {track.id: track_tones(track, self.poses[track.id], faces, fps, tick) for track in tracks}
        self.allowed = {
            track.id: np.ones((len(track.rows), SIZE, SIZE), np.float32)
            if free
            else drawable(track, self.poses[track.id], faces, self.tones[track.id], tick)
            for track in tracks
        }
        for track in tracks if networks else ():
            for index in range(len(track.rows)):
                tick()
                self.allowed[track.id][index] *= networks(track, index)
        self.expressions: dict[int, list[Expression]] = {}
        if expression > 0:
            for track in tracks:
                played = track_expressions(track, self.poses[track.id], faces, self.allowed[track.id], fps, tick)
                self.expressions[track.id] = [each.times(expression) for each in played]
        self.references = {track.id: _nearest(references[track.id], self.poses[track.id]) for track in tracks}

    def swap(self, frames: Frames, places: list[Place], tick: Callable[[int], None]) -> Frames:
        """See `Swapper`."""
        result = frames.copy()
        for place in places:
            tick(place.offset)
            result[place.offset] = self._swapped(result[place.offset], place.track, place.index)
        return result

    def _swapped(self, frame: Frames, track: Track, index: int) -> Frames:
        return draw_face(
            frame,
            self.poses[track.id][index],
            self.tones[track.id][index],
            self.allowed[track.id][index],
            self.references[track.id],
            self.strength * float(track.weights[index]),
            self.expressions[track.id][index] if track.id in self.expressions else None,
        )


def track_tones(
    track: Track, poses: list[Pose], faces: ClipFaces, fps: float, tick: Callable[[], None] = lambda: None
) -> list[SkinTone]:
    """The skin tone in every frame of a track, steady: measured per frame, averaged over time."""
    measured = np.zeros((len(poses), 5))
    weights = np.zeros(len(poses))
    shown = np.stack([seen(pose) for pose in poses])
    light = _light(track, shown, faces, tick)
    for index, row in enumerate(track.rows):
        tick()
        if row >= 0:
            tone = skin_tone(faces.look[row], shown[index])
            measured[index] = (*(tone.mean - light[index]), tone.dark, tone.light)
            weights[index] = faces.score[row] * shown[index].mean()
    reach = max(1, round(3 * TONE_S * fps))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (TONE_S * fps)) ** 2)
    middle = slice(reach, reach + len(poses))
    total = np.convolve(weights, kernel)[middle]
    smooth = np.stack([np.convolve(column * weights, kernel)[middle] for column in measured.T], axis=1) / total[:, None]
    smooth[:, :3] += smooth_track(light, fps)
    return [SkinTone(row[:3].astype(np.float32), float(row[3]), float(row[4])) for row in smooth]


def _light(track: Track, shown: Floats, faces: ClipFaces, tick: Callable[[], None]) -> Floats:
    """How much lighter and more coloured the whole face is in each frame than usually: float32 (K, 3), Lab.

    The median over its skin of the difference from its usual look, so that a hand or an open mouth counts for nothing.
    """
    known = np.flatnonzero(track.rows >= 0)
    weights = shown[known].reshape(len(known), -1) * look_up(surface().skin, grid_mm()).ravel()
    some = np.unique(np.linspace(0, len(known) - 1, MOST_FRAMES).round().astype(int))
    looks = np.stack([to_lab(faces.look[row]).reshape(-1, 3) for row in track.rows[known[some]]])
    usual = (looks * weights[some][..., None]).sum(0) / (weights[some].sum(0)[:, None] + 1e-6)
    clear = weights[some].max(0) > 0.3
    apart = np.zeros((len(known), 3), np.float32)
    for index, row in enumerate(track.rows[known]):
        tick()
        cells = (weights[index] > 0.3) & clear
        if cells.sum() >= LEAST_CELLS:
            apart[index] = np.median((to_lab(faces.look[row]).reshape(-1, 3) - usual)[cells], axis=0)
    every = np.arange(len(track.rows))
    return np.stack([np.interp(every, known, column) for column in apart.T], axis=1).astype(np.float32)


def _nearest(references: list[Reference], poses: list[Pose]) -> Reference:
    """The photo turned most like the track. One photo for a whole track: changing photos would be seen."""
    yaw = float(np.median([pose.yaw for pose in poses]))
    return min(references, key=lambda reference: abs(reference.pose.yaw - yaw))
