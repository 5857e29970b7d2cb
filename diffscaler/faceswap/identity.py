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
    members = {index: [index] for index in range(len(tracks))}
    link = _alike(tracks, vectors, looks)  # row < column; a group goes by its first track
    link[np.tril_indices(len(tracks))] = -np.inf
    while len(tracks) and link.max() >= 0:  # the most alike first; a group is as alike as its least alike members
        one, other = np.unravel_index(int(link.argmax()), link.shape)
        full = np.maximum(link, link.T)
        both = np.minimum(full[one], full[other])
        link[other, :] = link[:, other] = -np.inf
        link[one, one + 1 :], link[:one, one] = both[one + 1 :], both[:one]
        link[one, other] = -np.inf
        members[one] = sorted(members[one] + members.pop(other))
    return [[tracks[index].id for index in group] for _, group in sorted(members.items())]


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


def _alike(
    tracks: Sequence[Track], vectors: Mapping[int, Floats], looks: Mapping[int, Floats]
) -> npt.NDArray[np.float64]:
    """How far each two tracks exceed what makes them one person, float64 (T, T); negative: they are two."""
    alike = np.full((len(tracks), len(tracks)), -2.0)
    for rows, limit in ((vectors, SAME_VECTOR), (looks, SAME_LOOK)):
        at = [index for index, track in enumerate(tracks) if track.id in rows]
        if at:
            known = np.stack([rows[tracks[index].id] for index in at])
            alike[np.ix_(at, at)] = known @ known.T - limit
    starts, stops = (np.array([getattr(track, edge) for track in tracks]) for edge in ("start", "stop"))
    alike[(starts[:, None] < stops) & (starts < stops[:, None])] = -2.0
    return alike


def _unit(values: npt.NDArray[np.floating]) -> Floats:
    values = values - values.mean()
    return (values / max(float(np.linalg.norm(values)), 1e-6)).astype(np.float32)
