"""Which tracks show the same person: cuts end tracks, and a person may come back after one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.track import Track

if TYPE_CHECKING:
    from diffscaler.faceswap.detections import ClipFaces

Floats = npt.NDArray[np.float32]

SAME_VECTOR = 0.45  # cosine of mean ArcFace identities; one person's shots usually reach 0.5, strangers rarely 0.3
SAME_LOOK = 0.80  # correlation of mean unrolled faces: of 66 pairs of strangers the most alike reached 0.66
MOST_LOOKS = 24  # frames of a track that its mean look is taken over
SMOOTH_CELLS = 5.0  # lighting is what varies no faster than this over an unrolled face


def people_of(
    tracks: Sequence[Track], faces: ClipFaces, vectors: Mapping[int, Floats] | None = None
) -> list[list[int]]:
    """Track ids by person, in order of their first track; every track is in exactly one group.

    vectors: track id -> mean ArcFace identity (`mean_vector`); without one, unrolled faces are compared instead, which
    joins the same face in like light only: rather two groups for one person than one for two.
    Tracks that share a frame are two people, whatever they look like.
    """
    vectors = vectors or {}
    looks = {track.id: mean_look(track, faces) for track in tracks if track.id not in vectors}
    groups = [[index] for index in range(len(tracks))]
    alike = np.array([[_likeness(one, other, vectors, looks) for other in tracks] for one in tracks])
    alike = alike.reshape(len(tracks), len(tracks))
    while True:  # the most alike first; a group is as alike as its least alike members
        pairs = [
            (float(alike[np.ix_(one, other)].min()), -one[0], -other[0], one, other)
            for index, one in enumerate(groups)
            for other in groups[index + 1 :]
        ]
        best = max(pairs, key=lambda pair: pair[:3], default=None)
        if best is None or best[0] < 0:
            return [[tracks[index].id for index in group] for group in sorted(groups)]
        groups = [group for group in groups if group is not best[3] and group is not best[4]]
        groups.append(sorted(best[3] + best[4]))


def mean_vector(vectors: Iterable[Floats], weights: Iterable[float] | None = None) -> Floats:
    """One identity from several of the same face: float32 (512,), length 1. weights: of each; equal when not given."""
    rows = np.stack(list(vectors))
    mean = np.average(rows, axis=0, weights=None if weights is None else list(weights))
    return (mean / max(float(np.linalg.norm(mean)), 1e-6)).astype(np.float32)


def clearest(track: Track, count: int) -> list[int]:
    """Frames of a track, ascending, that show its face best (large, certain, from the front) and were really seen."""
    eyes = np.linalg.norm(track.landmarks[:, 1] - track.landmarks[:, 0], axis=1)
    order = np.argsort(-np.where(track.rows >= 0, track.scores * eyes, -1), kind="stable")
    return sorted(track.start + int(index) for index in order[:count] if track.rows[index] >= 0)


def mean_look(track: Track, faces: ClipFaces) -> Floats:
    """A track's unrolled face without its lighting, mean 0 and length 1: float32 (cells,)."""
    rows = [track.rows[frame - track.start] for frame in clearest(track, MOST_LOOKS)]
    return _unit(np.mean([plain_look(faces.look[row]) for row in rows], axis=0))


def plain_look(look: npt.NDArray[np.uint8]) -> Floats:
    """The lightness structure of an unrolled face (32, 32, 3), lighting and contrast taken out: float32 (cells,)."""
    from diffscaler.faceswap.appearance import grid_mm, to_lab
    from diffscaler.faceswap.head import look_up, surface
    from diffscaler.faceswap.libs import cv2

    face = look_up(surface().face, grid_mm())
    lightness, weights = to_lab(look)[..., 0], face + np.float32(1e-3)
    total = cv2.GaussianBlur(np.dstack([lightness * weights, weights]), (0, 0), SMOOTH_CELLS)
    return _unit((lightness - total[..., 0] / total[..., 1])[face > 0.5])


def _likeness(one: Track, other: Track, vectors: Mapping[int, Floats], looks: Mapping[int, Floats]) -> float:
    """How far two tracks exceed what makes them one person; negative: they are two."""
    if one.start < other.stop and other.start < one.stop:
        return -2.0
    if one.id in vectors and other.id in vectors:
        return float(vectors[one.id] @ vectors[other.id]) - SAME_VECTOR
    if one.id in looks and other.id in looks:
        return float(looks[one.id] @ looks[other.id]) - SAME_LOOK
    return -2.0


def _unit(values: npt.NDArray[np.floating]) -> Floats:
    values = values - values.mean()
    return (values / max(float(np.linalg.norm(values)), 1e-6)).astype(np.float32)
