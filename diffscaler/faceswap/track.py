"""From faces found frame by frame to people followed through a clip. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.fades import fade_weights
from diffscaler.faceswap.smooth import smooth_track

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

GAP_S = 0.5  # a face missed for longer than this is not guessed
REACH = 0.9  # how far a face may move between frames, in units of its size
STEADY_SCORE = 0.7  # a face seen in one frame only must be this certain


@dataclass(frozen=True)
class Track:
    """One person's face in consecutive frames [start, stop).

    landmarks: float32 (K, 5, 2), smoothed, pixels; boxes: float32 (K, 4); scores: float32 (K,), 0 where filled in
    rows: int32 (K,), row of each frame in the detections, -1 where the face was missed and its place filled in
    weights: float32 (K,), 0..1, how strongly the face should be replaced: see `fades.fade_weights`
    """

    id: int
    start: int
    landmarks: Floats
    boxes: Floats
    scores: Floats
    rows: Ints
    weights: Floats

    @property
    def stop(self) -> int:
        return self.start + len(self.scores)

    def part(self, start: int, stop: int) -> Track:
        """The same face in frames [start, stop) alone; they lie inside the track."""
        at = slice(start - self.start, stop - self.start)
        return Track(
            self.id, start, self.landmarks[at], self.boxes[at], self.scores[at], self.rows[at], self.weights[at]
        )

    @property
    def score(self) -> float:
        """Mean score of the frames in which the face was really seen, 0..1."""
        return float(self.scores[self.rows >= 0].mean())

    @property
    def size(self) -> float:
        """Frames times pixels: how much of the clip this face is."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return float(np.sqrt(np.clip(sides.prod(1), 0, None)).sum())

    @property
    def best(self) -> int:
        """The frame that shows this face best: large, certain and from the front."""
        eyes = np.linalg.norm(self.landmarks[:, 1] - self.landmarks[:, 0], axis=1)
        return self.start + int(np.argmax(self.scores * eyes))


@dataclass
class _Open:
    frames: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def find_tracks(
    frame: Ints,
    box: Floats,
    score: Floats,
    landmarks: Floats,
    cut: npt.NDArray[np.uint8],
    fps: float,
    sure: float = 0.5,
    size: tuple[int, int] | None = None,
) -> list[Track]:
    """Follow every face through the clip.

    frame: int32 (M,), frame of each detection, ascending; box: float32 (M, 4); score: float32 (M,)
    landmarks: float32 (M, 5, 2); cut: uint8 (N,), 1 where a new shot begins (faces are not followed across)
    sure: a track needs one detection at least this certain; weaker ones only continue tracks (Zhang et al. 2022)
    size: width and height of the frame, pixels; None: not known, and nobody fades at its border
    Returns tracks in order of first frame, larger face first; ids count from 0.
    """
    longest_gap = max(1, round(GAP_S * fps))
    closed: list[_Open] = []
    active: list[_Open] = []
    rows_of = np.split(np.arange(len(frame)), np.searchsorted(frame, np.arange(1, len(cut))))
    for index, rows in enumerate(rows_of):
        kept = [] if cut[index] else [t for t in active if index - t.frames[-1] <= longest_gap]
        closed += [t for t in active if not any(t is k for k in kept)]
        active = kept
        left = {int(row) for row in rows}
        for track, row in _matches(active, rows, index, box, score):
            track.frames.append(index)
            track.rows.append(row)
            left.discard(row)
        active += [_Open([index], [row]) for row in sorted(left) if score[row] >= sure]
    sides = box[:, 2] - box[:, 0]
    found = [t for t in closed + active if _real(t, score, sure, len(cut))]
    found.sort(key=lambda t: (t.frames[0], -float(sides[t.rows[0]]), t.rows[0]))
    shots = np.append(cut, 1) > 0
    shots[0] = True
    return [_filled(i, t, box, score, landmarks, fps, size, shots) for i, t in enumerate(found)]


def assigned(tracks: list[Track], wishes: Sequence[str | Iterable[int]]) -> dict[int, int]:
    """Which performer every track gets: {track id: index of the wish}, decided once for the whole track.

    wishes: for each performer track ids, or "all", or "largest" (the most frames times pixels) of what no other wish
    names. A track that two name goes to the first; ids that do not exist are passed over.
    """
    there = {track.id: track for track in tracks}
    plays: dict[int, int] = {}
    for index, wish in enumerate(wishes):
        if not isinstance(wish, str):
            for number in wish:
                if number in there:
                    plays.setdefault(number, index)
    for index, wish in enumerate(wishes):
        free = [track for track in tracks if track.id not in plays]
        if wish == "all":
            plays |= {track.id: index for track in free}
        elif wish == "largest" and free:
            plays[max(free, key=lambda track: track.size).id] = index
    return plays


def _real(track: _Open, score: Floats, sure: float, num_frames: int) -> bool:
    if len(track.rows) == 1 and num_frames > 2:
        return bool(score[track.rows[0]] >= max(sure, STEADY_SCORE))
    return True


def _matches(
    active: list[_Open], rows: npt.NDArray[np.int_], index: int, box: Floats, score: Floats
) -> list[tuple[_Open, int]]:
    """Pairs of track and detection, by place and size after each track's last movement; weak detections come second."""
    from scipy.optimize import linear_sum_assignment

    pairs: list[tuple[_Open, int]] = []
    free, left = list(active), list(rows)
    for group in (lambda s: s >= 0.5, lambda s: s < 0.5):
        candidates = [row for row in left if group(score[row])]
        if not free or not candidates:
            continue
        cost = np.array([[_apart(track, index, box, row) for row in candidates] for track in free])
        taken: list[int] = []
        for a, b in zip(*linear_sum_assignment(np.minimum(cost, 1e3)), strict=True):
            if cost[a, b] < REACH * np.sqrt(index - free[a].frames[-1]):
                pairs.append((free[a], int(candidates[b])))
                taken.append(a)
        free = [track for i, track in enumerate(free) if i not in taken]
        left = [row for row in left if all(row != pair[1] for pair in pairs)]
    return pairs


def _apart(track: _Open, index: int, box: Floats, row: int) -> float:
    """Distance of detection `row` from where the track should be in frame `index`, in face sizes."""
    last = box[track.rows[-1]]
    expected = last
    if len(track.rows) > 1:
        step = (last - box[track.rows[-2]]) / (track.frames[-1] - track.frames[-2])
        expected = last + step * min(index - track.frames[-1], 3)  # movements do not go on forever
    return min(_box_distance(expected, box[row]), _box_distance(last, box[row]))


def _box_distance(one: Floats, other: Floats) -> float:
    sides = np.maximum(one[2:] - one[:2], 1), np.maximum(other[2:] - other[:2], 1)
    middle = (one[:2] + one[2:] - other[:2] - other[2:]) / 2
    size = np.sqrt(np.sqrt(sides[0].prod() * sides[1].prod()))
    growth = abs(np.log(sides[0].prod() / sides[1].prod())) / 2
    return float(np.hypot(*middle) / size + growth)


def _filled(
    number: int,
    track: _Open,
    box: Floats,
    score: Floats,
    landmarks: Floats,
    fps: float,
    size: tuple[int, int] | None,
    shots: npt.NDArray[np.bool_],
) -> Track:
    """A track with a row for every frame: short gaps are filled in on a straight line, then all of it is smoothed.

    shots: bool (N + 1,), True where a shot begins and at the end of the clip
    """
    start, frames, rows = track.frames[0], np.array(track.frames), np.array(track.rows)
    every = np.arange(start, frames[-1] + 1)
    seen = frames - start
    full_rows = np.full(len(every), -1, np.int32)
    full_rows[seen] = rows
    scores = np.zeros(len(every), np.float32)
    scores[seen] = score[rows]
    places = np.concatenate([landmarks[rows].reshape(len(rows), 10), box[rows]], axis=1)
    places = np.stack([np.interp(every, frames, column) for column in places.T], axis=1)
    points = smooth_track(places[:, :10].reshape(-1, 5, 2), fps)
    boxes = smooth_track(places[:, 10:].astype(np.float32), fps)
    begins, ends = not shots[start], not shots[every[-1] + 1]
    weights = fade_weights(yaws_of(points), boxes, fps, size, begins, ends)
    return Track(number, start, points, boxes, scores, full_rows, weights)


def yaws_of(landmarks: Floats) -> npt.NDArray[np.float64]:
    """How far faces (landmarks (K, 5, 2)) look to the side, degrees: positive to the picture's right."""
    from diffscaler.faceswap.head import fit_poses

    return np.degrees([pose.yaw for pose in fit_poses(landmarks)])
