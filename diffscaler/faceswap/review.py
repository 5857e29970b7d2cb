"""What a review found, in words and on one line of time. Light: numpy only, the page reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffscaler.media import TensorChunk

Floats = npt.NDArray[np.float32]

#: One row for each replaced face of each frame.
#: score: of the detection, 0 where the face was filled in; yaw: degrees; hidden: share of the face that something
#: covers, 0..1; eyes_px: between the eyes, seen from the front; error: of the landmarks found again, in eye distances,
#: NaN where none were; changed, flicker, flicker_was: 8-bit levels; seam: roughness of the border, 1 as before;
#: likeness: cosine of identities, NaN without a recogniser; was, now: how far the face moved since the frame before,
#: as it was and as it is now, pixels, NaN where it cannot be seen
#: weight: how strongly it was to be replaced, 0..1; 0 also where a correction keeps the original
#: unparsed: 1 where the face parser that was to mask it saw no face, so that its outline alone did
#: kept: 1 where a correction keeps the original
COLUMNS = (
    "frame", "track", "score", "yaw", "hidden", "eyes_px", "error", "changed", "seam", "likeness", "flicker_was",
    "flicker", "was_dx", "was_dy", "now_dx", "now_dy", "weight",
    "unparsed", "kept",
)  # fmt: skip

#: From here on a person should look.
UNSURE_SCORE, TURNED_DEG, HIDDEN, OFF, SEAM, UNLIKE = 0.45, 50.0, 0.25, 0.16, 1.5, 0.2
UNCHANGED = 0.5
UNPARSED = "the face parser saw no face"

#: Why frames have no new face: the first that holds is told.
KEPT, AWAY, LEAVING, BARELY = "kept by a correction", "turned away", "leaving the picture", "hardly changed"
NOBODY = "no face to replace"


@dataclass(frozen=True)
class Concern:
    """Frames [start, stop) of a track in which something is doubtful."""

    track: int
    start: int
    stop: int
    what: str


class Review:
    """All rows of a reviewed clip."""

    def __init__(self, rows: Floats, num_frames: int) -> None:
        self.rows, self.num_frames = rows, num_frames

    @classmethod
    def read(cls, chunks: Iterable[TensorChunk], num_frames: int) -> Review:
        parts = [np.zeros((0, len(COLUMNS)), np.float32), *(chunk.tensors["rows"] for chunk in chunks)]
        return cls(np.concatenate(parts), num_frames)

    def column(self, name: str) -> Floats:
        return self.rows[:, COLUMNS.index(name)]

    @property
    def tracks(self) -> list[int]:
        return sorted({int(number) for number in self.column("track")})

    def doubts(self) -> dict[str, npt.NDArray[np.bool_]]:
        """For each kind of doubt the rows that have it; there is none about a face that was to stay as it is."""
        with np.errstate(invalid="ignore"):
            off = self.column("error")
            found = {
                "not replaced": (self.column("changed") < UNCHANGED) & (self.column("weight") > 0.5),
                "face hard to see": self.column("score") < UNSURE_SCORE,
                "turned away": np.abs(self.column("yaw")) > TURNED_DEG,
                "something in front": self.column("hidden") > HIDDEN,
                "features off": (off > OFF) | (np.isnan(off) & (self.column("score") >= UNSURE_SCORE)),
                UNPARSED: self.column("unparsed") > 0,
                "visible border": self.column("seam") > SEAM,
                "unlike the performer": self.column("likeness") < UNLIKE,
            }
        meant = self.column("weight") > 0
        return {what: rows & meant for what, rows in found.items()}

    def concerns(self) -> list[Concern]:
        """Stretches to look at, each doubt by itself, in order of time; gaps of two frames are bridged."""
        found: list[Concern] = []
        for what, rows in self.doubts().items():
            for track in self.tracks:
                frames = np.sort(self.column("frame")[rows & (self.column("track") == track)]).astype(int)
                if len(frames):
                    for part in np.split(frames, np.flatnonzero(np.diff(frames) > 3) + 1):
                        found.append(Concern(track, int(part[0]), int(part[-1]) + 1, what))
        return sorted(found, key=lambda concern: (concern.start, concern.track, concern.what))

    def heat(self) -> Floats:
        """How many doubts there are about each frame's worst face: float32 (num_frames,)."""
        per_row = np.sum(list(self.doubts().values()), axis=0)
        heat = np.zeros(self.num_frames, np.float32)
        np.maximum.at(heat, self.column("frame").astype(int), per_row.astype(np.float32))
        return heat

    def skipped(self) -> dict[str, int]:
        """How many frames have no new face, by why: in the order of KEPT .. NOBODY, without those that never occur.

        Somebody who is replaced in a frame answers for everybody in it.
        """
        frame, weight = self.column("frame").astype(int), self.column("weight")
        reasons = {
            KEPT: self.column("kept") > 0,
            AWAY: (weight == 0) & (np.abs(self.column("yaw")) >= TURNED_DEG),
            LEAVING: weight == 0,
            BARELY: self.column("changed") < UNCHANGED,
        }
        left = np.ones(self.num_frames, bool)
        left[frame[self.column("changed") >= UNCHANGED]] = False
        counts: dict[str, int] = {}
        for why, rows in reasons.items():
            here = np.zeros(self.num_frames, bool)
            here[frame[rows]] = True
            counts[why] = int((here & left).sum())
            left &= ~here
        counts[NOBODY] = int(left.sum())
        return {why: count for why, count in counts.items() if count}

    def card(self) -> dict[str, float]:
        """The figures of the quality card; NaN where nothing could be measured.

        replaced: faces; frames: of the clip with a replaced face; error, jitter and jitter_was: of eye distance;
        flicker: of the source's; seam: of the source's roughness; likeness: cosine
        """
        shown = self.column("changed") >= UNCHANGED
        was, now = self._jitter("was"), self._jitter("now")
        before = _mean(self.column("flicker_was")[shown])
        return {
            "replaced": float(shown.sum()),
            "frames": float(len(np.unique(self.column("frame")[shown]))),
            "error": _mean(self.column("error")[shown]),
            "jitter_was": was,
            "jitter": now,
            "flicker": _mean(self.column("flicker")[shown]) / before if before else float("nan"),
            "seam": _mean(self.column("seam")[shown]),
            "likeness": _mean(self.column("likeness")[shown]),
        }

    def _jitter(self, name: str) -> float:
        """Mean change of the face's movement from frame to frame, in eye distances: no smooth movement has it."""
        parts: list[Floats] = []
        for track in self.tracks:
            rows = self.rows[self.column("track") == track]
            at = {int(row[0]): row for row in rows}
            x, y = COLUMNS.index(f"{name}_dx"), COLUMNS.index(f"{name}_dy")
            for frame, row in at.items():
                if frame + 1 in at:
                    change = at[frame + 1][[x, y]] - row[[x, y]]
                    parts.append(np.float32(np.hypot(*change) / row[COLUMNS.index("eyes_px")]))
        return _mean(np.array(parts, np.float32))


def _mean(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
