"""What CLIP saw in shots, a line each as soon as it has looked, and the scores that follow: nothing is seen twice.

{"clip": "<revision>", "shot": "3f0c...-0", "mean": "<base64 of float32>"}
{"clip": "<revision>", "shot": "3f0c...-0", "said": "<digest of its captions>", "score": 27.31}
{"clip": "<revision>", "head": "<revision>", "shot": "3f0c...-0", "score": 5.42}
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.library.files import room_for

NAME = "seen.jsonl"

Vector = npt.NDArray[np.float32]


def digest_of(captions: tuple[str, ...]) -> str:
    """Names what is said of a shot."""
    return hashlib.sha256(json.dumps(captions).encode()).hexdigest()[:16]


class Seen:
    """The lines of one CLIP model and one head in a data set's folder; those of others are passed over and stay.

    Vectors stay on the disk: a data set of a million shots would need gigabytes for them.
    """

    def __init__(self, folder: Path, clip: str, head: str) -> None:
        """clip, head: revisions of the models; head: "" for none"""
        self.file, self.clip, self.head = folder / NAME, clip, head
        self.at: dict[str, int] = {}
        self.fits: dict[tuple[str, str], float] = {}
        self.ratings: dict[str, float] = {}
        self._lock = threading.Lock()
        self._end = 0
        if self.file.is_file():
            with self.file.open("rb") as file:
                for line in file:
                    self._note(line, self._end)
                    self._end += len(line)
            if self._end and not line.endswith(b"\n"):
                self._append([b"\n"])

    def _note(self, line: bytes, at: int) -> None:
        try:
            row = json.loads(line)
            if row["clip"] != self.clip:
                return
            if "mean" in row:
                self.at[row["shot"]] = at
            elif "said" in row:
                self.fits[row["shot"], row["said"]] = float(row["score"])
            elif row["head"] == self.head:
                self.ratings[row["shot"]] = float(row["score"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return  # the line a killed process was writing

    def vectors(self, keys: Iterable[str]) -> Vector:
        """What CLIP saw in shots that are here, float32 (N, D): of each the mean of its frames' unit vectors."""
        found = []
        with self.file.open("rb") as file:
            for key in keys:
                file.seek(self.at[key])
                found.append(np.frombuffer(base64.b64decode(json.loads(file.readline())["mean"]), np.float32))
        return np.stack(found)

    def add_vectors(self, means: dict[str, Vector]) -> None:
        """Keep what CLIP saw in shots. Raises NotEnoughRoom."""
        rows = [{"shot": key, "mean": base64.b64encode(mean.tobytes()).decode()} for key, mean in means.items()]
        self._add(rows)

    def add_fits(self, scores: dict[tuple[str, str], float]) -> None:
        """Keep CLIP scores by (shot, digest of its captions). Raises NotEnoughRoom."""
        self._add([{"shot": key, "said": said, "score": score} for (key, said), score in scores.items()])

    def add_ratings(self, scores: dict[str, float]) -> None:
        """Keep the head's ratings by shot. Raises NotEnoughRoom."""
        self._add([{"head": self.head, "shot": key, "score": score} for key, score in scores.items()])

    def _add(self, rows: list[dict[str, Any]]) -> None:
        self._append([json.dumps({"clip": self.clip, **row}).encode() + b"\n" for row in rows])

    def _append(self, lines: list[bytes]) -> None:
        with self._lock:
            with room_for("the scores"), self.file.open("ab") as file:
                file.write(b"".join(lines))
            for line in lines:
                self._note(line, self._end)
                self._end += len(line)
