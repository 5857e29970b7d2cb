"""How often a model's clips show what their prompts say, on combinations that training never drew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import torch

from training.judge.factors import FACTORS, applies, truth_of
from training.judge.network import Judge, seen, to_input
from training.scenes.captions import caption_of
from training.scenes.render import render_clip
from training.scenes.spec import SceneSpec, draw_spec

#: Prompts are of scenes far from those of the model's and the judge's training.
FIRST_SEED = 1_000_000

#: A factor counts only when the judge itself reads it this well from real renders.
GOOD_JUDGE = 0.98

#: Share of pixels, those that change least, taken for a clip's static part.
STATIC_SHARE = 0.5

#: Less average motion of the moving part than this, in pixels a frame, is standing still.
SLOWEST = 0.15

#: draw(caption, seed) -> uint8 RGB (F, H, W, 3)
Draw = Callable[[str, int], np.ndarray]


@dataclass(frozen=True)
class FactorScore:
    """One row of the table. right/asked: generated clips; judged: the judge's own accuracy on renders of the same
    scenes; majority: what always answering the commonest class would reach; chance: one over the classes."""

    factor: str
    right: int
    asked: int
    judged: float
    majority: float
    chance: float

    @property
    def share(self) -> float:
        return self.right / self.asked if self.asked else math.nan


@dataclass(frozen=True)
class Motion:
    """direction_right of direction_asked: optical flow goes where the prompt says. flicker, flicker_renders: mean
    change between frames of the half of the picture that changes least, in 8-bit levels, static cameras only."""

    direction_right: int
    direction_asked: int
    flicker: float
    flicker_renders: float


@torch.no_grad()
def answers(judge: Judge, clips: Sequence[np.ndarray]) -> np.ndarray:
    """Class indices, int64 (N, factors), of uint8 RGB clips (F, H, W, 3)."""
    rows = []
    for clip in clips:
        out = judge(to_input(seen(clip)[None]))
        rows.append([int(out[name].argmax()) for name in FACTORS])
    return np.array(rows)


def specs(count: int, held_out: bool = True) -> list[SceneSpec]:
    """The scenes whose captions are drawn."""
    return [draw_spec(FIRST_SEED + i, held_out) for i in range(count)]


def score(
    judge: Judge, scenes: Sequence[SceneSpec], clips: Sequence[np.ndarray], renders: Sequence[np.ndarray]
) -> list[FactorScore]:
    """One row per factor. clips: what the model drew of the scenes' captions; renders: the scenes themselves."""
    truth = np.array([list(truth_of(asdict(scene)).values()) for scene in scenes])
    drawn, real = answers(judge, clips), answers(judge, renders)
    rows = []
    for i, (factor, classes) in enumerate(FACTORS.items()):
        where = np.array([applies(factor, asdict(scene)) for scene in scenes])
        if not where.any():
            continue
        wanted = truth[where, i]
        rows.append(
            FactorScore(
                factor,
                int((drawn[where, i] == wanted).sum()),
                int(where.sum()),
                float((real[where, i] == wanted).mean()),
                float(np.bincount(wanted).max() / len(wanted)),
                1 / len(classes),
            )
        )
    return rows


def motion(scenes: Sequence[SceneSpec], clips: Sequence[np.ndarray], renders: Sequence[np.ndarray]) -> Motion:
    """Direction by optical flow, flicker by frame differences."""
    right = asked = 0
    flicker: tuple[list[float], list[float]] = ([], [])
    for scene, clip, render in zip(scenes, clips, renders, strict=True):
        if scene.camera != "static":
            continue
        if scene.direction:
            asked += 1
            right += flow_direction(clip) == scene.direction
        if scene.light != "rain":
            for values, frames in zip(flicker, (clip, render), strict=True):
                values.append(static_flicker(frames))
    return Motion(right, asked, float(np.mean(flicker[0] or [math.nan])), float(np.mean(flicker[1] or [math.nan])))


def flow_direction(clip: np.ndarray) -> int:
    """-1 left, 1 right, 0 neither: where the moving part of a clip goes, by Farneback's optical flow (2003)."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip]
    total = 0.0
    for before, after in zip(grey[::2], grey[2::2], strict=False):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 21, 3, 7, 1.5, 0)
        speed = np.linalg.norm(flow, axis=-1)
        moving = speed > np.quantile(speed, 0.85)
        total += float(flow[..., 0][moving].mean()) / 2
    mean = total / max(len(grey[2::2]), 1)
    return 0 if abs(mean) < SLOWEST else 1 if mean > 0 else -1


def static_flicker(clip: np.ndarray) -> float:
    """Mean absolute change between frames, in 8-bit levels, of the pixels that change least."""
    change = np.abs(np.diff(clip.astype(np.float32), axis=0)).mean(axis=(0, 3))
    return float(np.sort(change, axis=None)[: int(change.size * STATIC_SHARE)].mean())


def interval(right: int, asked: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, Wilson 1927."""
    if not asked:
        return 0.0, 1.0
    z, p = 1.96, right / asked
    middle, half = p + z * z / (2 * asked), z * math.sqrt(p * (1 - p) / asked + z * z / (4 * asked * asked))
    return (middle - half) / (1 + z * z / asked), (middle + half) / (1 + z * z / asked)


def table(rows: Sequence[FactorScore]) -> str:
    """The rows as text, in percent."""
    lines = [f"{'factor':<10} {'right':>12} {'share':>6} {'95 %':>11} {'majority':>9} {'chance':>7} {'judge':>6}"]
    for row in rows:
        low, high = interval(row.right, row.asked)
        line = (
            f"{row.factor:<10} {row.right:>5} of {row.asked:>3} {row.share:>6.1%} {low:>5.0%}-{high:<5.0%}"
            f" {row.majority:>8.0%} {row.chance:>7.0%} {row.judged:>6.1%}"
        )
        lines.append(line if row.judged >= GOOD_JUDGE else f"{line}  not reported: the judge is too weak")
    return "\n".join(lines)


def drawn_scenes(
    count: int, draw: Draw, held_out: bool, size: int, tell: Callable[[int], None]
) -> tuple[list[SceneSpec], list[np.ndarray], list[np.ndarray]]:
    """(scenes, what `draw` makes of their captions, their renders); tell(i) is called after each."""
    scenes, clips, renders = specs(count, held_out), [], []
    for i, scene in enumerate(scenes):
        # The wording varies with the scene: a prompt people type is not always the plain one.
        clips.append(draw(caption_of(scene, i % 6), scene.seed))
        renders.append(render_clip(scene, size, len(clips[-1]))[0])
        tell(i + 1)
    return scenes, clips, renders
