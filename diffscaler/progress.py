"""How far a plan is, and how long it will still take, from what the same stages took before on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from diffscaler.media import ClipMeta
from diffscaler.plan import Node

# Seconds per unit before anything was measured: only the first estimate on a machine depends on them.
FIRST_GUESS = {
    "encode_text": 1.0,
    "control_frames": 0.05,
    "control_depth": 6.0,
    "control_pose": 8.0,
    "source_frames": 0.05,
    "encode_source": 0.15,
    "encode_reference": 1.0,
    "denoise": 0.6,
    "decode": 0.15,
    "decode_sound": 0.02,
    "detect_faces": 0.25,
    "identify_people": 0.1,
    "mask_faces": 1.5,
    "list_people": 0.2,
    "redraw_faces": 0.6,
    "swap_face": 0.3,
    "measure": 0.05,
    "alpha": 0.02,
    "restore_faces": 10.0,
    "review_swap": 0.3,
    "upscale": 0.8,
    "upscale_pair": 1.0,
    "upscale_sd": 4.0,
    "steady": 0.4,
    "excerpt": 0.02,
    "resize": 0.03,
    "interpolate": 0.5,
    "interpolate_pair": 1.5,
    "fit_shot": 0.05,
    "title_card": 0.05,
    "slate": 0.05,
    "speak": 0.05,
    "join_shots": 0.05,
    "encode": 0.08,
}

LABELS = {
    "import": "Reading",
    "encode_text": "Reading the prompt",
    "control_frames": "Reading the clip to follow",
    "control_depth": "Measuring depth in the clip to follow",
    "control_pose": "Finding poses in the clip to follow",
    "source_frames": "Reading the clip to redraw",
    "encode_source": "Encoding the clip to redraw",
    "encode_reference": "Looking at the reference picture",
    "denoise": "Drawing",
    "decode": "Developing",
    "decode_sound": "Developing the sound",
    "detect_faces": "Finding faces",
    "identify_people": "Reading who people are",
    "list_people": "Telling people apart",
    "mask_faces": "Looking for what is in front of faces",
    "redraw_faces": "Redrawing faces",
    "swap_face": "Swapping faces",
    "restore_faces": "Restoring faces",
    "correct_swap": "Correcting the swap",
    "review_swap": "Looking at the result",
    "inspect_photo": "Looking at a photo",
    "upscale": "Upscaling",
    "upscale_pair": "Drawing larger",
    "upscale_sd": "Drawing larger",
    "steady": "Holding frames steady",
    "excerpt": "Reading the part to try",
    "resize": "Fitting the size",
    "interpolate": "Drawing frames between",
    "interpolate_pair": "Drawing frames between",
    "beginning": "Taking what is finished",
    "alpha": "Reading what is see-through",
    "measure": "Reading back what came out",
    "fit_shot": "Fitting the shot into the film",
    "title_card": "Writing the card",
    "slate": "Writing the slate",
    "speak": "Speaking a line",
    "join_shots": "Joining the shots",
    "encode": "Writing the file",
}


@dataclass(frozen=True)
class Progress:
    """A moment of a running plan. fraction: 0 to 1 of the whole plan; seconds_left: None while unknown."""

    stage: str
    index: int
    count: int
    done: int
    total: int
    what: str
    fraction: float
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {max(1, round(self.seconds_left))} s left"
        label = LABELS.get(self.stage, self.stage)
        return f"{label}, {self.what} {self.done} of {self.total}{left}"


def units(meta: ClipMeta, effort: float) -> float:
    """Work in a clip: megapixel-frames times what the stage says one of them costs (sampler steps, for example)."""
    return max(1, meta.num_frames) * max(0.01, meta.width * meta.height / 1e6) * effort


class Tracker:
    """Adds up what the stages of one run report."""

    def __init__(self, expected: dict[str, float], order: list[Node], report: Callable[[Progress], None]) -> None:
        """expected: seconds predicted for each missing node's key; order: the missing nodes, first to last."""
        self.expected = expected
        self.order = order
        self.report = report
        self.fractions = dict.fromkeys(expected, 0.0)
        self.began = time.monotonic()

    def update(self, node: Node, done: int, total: int, what: str) -> None:
        self.fractions[node.key] = min(1.0, done / max(1, total))
        planned = sum(self.expected.values()) or 1.0
        reached = sum(self.expected[key] * part for key, part in self.fractions.items() if key in self.expected)
        spent = time.monotonic() - self.began
        fraction = min(1.0, reached / planned)
        # Believe the prediction at first and the run itself more and more as it goes.
        by_plan, by_run = planned - reached, spent * (1 - fraction) / max(fraction, 1e-3)
        left = by_run * fraction + by_plan * (1 - fraction) if fraction > 0.02 else planned - min(spent, planned * 0.9)
        index = next((i for i, other in enumerate(self.order) if other.key == node.key), 0)
        self.report(
            Progress(node.stage, index + 1, len(self.order), done, total, what, fraction, left if planned else None)
        )
