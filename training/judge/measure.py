"""How often a model's clips show what their prompts say, on combinations that training never drew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
    """One row of the table. right/asked: clips of captions that ask for the factor; classes: how many different answers
    were asked for; renders: how often the judge is right on renders of the same scenes; majority: what always giving
    the commonest answer would reach; chance: one over `classes`; uninvited: of the clips whose captions do not ask,
    the share in which the judge sees it all the same (None where every caption asks)."""

    factor: str
    right: int
    asked: int
    classes: int
    renders: float
    majority: float
    uninvited: float | None = None

    @property
    def share(self) -> float:
        return self.right / self.asked if self.asked else math.nan

    @property
    def chance(self) -> float:
        return 1 / self.classes


@dataclass(frozen=True)
class Motion:
    """Static cameras only. direction_right of direction_asked: optical flow goes where the caption says, in the clips;
    direction_renders: in how many of the same scenes' renders. flicker: mean change between frames of the half of the
    picture that changes least, in 8-bit levels; flicker_vae: of the renders after a round trip through the VAE."""

    direction_right: int
    direction_renders: int
    direction_asked: int
    flicker: float
    flicker_vae: float


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
    judge: Judge,
    scenes: Sequence[SceneSpec],
    captions: Sequence[str],
    clips: Sequence[np.ndarray],
    renders: Sequence[np.ndarray],
) -> list[FactorScore]:
    """One row per factor. clips: what the model drew of the captions; renders: the scenes themselves."""
    records = [asdict(scene) for scene in scenes]
    truth = np.array([list(truth_of(record).values()) for record in records])
    drawn, real = answers(judge, clips), answers(judge, renders)
    rows = []
    for i, (factor, classes) in enumerate(FACTORS.items()):
        asks = [applies(factor, record, text) for record, text in zip(records, captions, strict=True)]
        where, nothing = np.array(asks), [k for k, name in enumerate(classes) if name in ("none", "usual")]
        if not where.any():
            continue
        # Of the clips that were not asked for it: where the truth is nothing, does the judge see nothing?
        free = ~where & np.isin(truth[:, i], nothing)
        wanted = truth[where, i]
        rows.append(
            FactorScore(
                factor,
                int((drawn[where, i] == wanted).sum()),
                int(where.sum()),
                len(np.unique(wanted)),
                float((real[where, i] == wanted).mean()),
                float(np.bincount(wanted).max() / len(wanted)),
                float((~np.isin(drawn[free, i], nothing)).mean()) if free.any() else None,
            )
        )
    return rows


def motion(
    scenes: Sequence[SceneSpec],
    captions: Sequence[str],
    clips: Sequence[np.ndarray],
    renders: Sequence[np.ndarray],
    round_trip: Callable[[np.ndarray], np.ndarray],
) -> Motion:
    """Direction by optical flow, flicker by frame differences. round_trip: a clip through the VAE and back."""
    right = real = asked = 0
    flicker: tuple[list[float], list[float]] = ([], [])
    for scene, caption, clip, render in zip(scenes, captions, clips, renders, strict=True):
        if scene.camera != "static":
            continue
        if applies("direction", asdict(scene), caption):
            asked += 1
            right += flow_direction(clip) == scene.direction
            real += flow_direction(render) == scene.direction
        if scene.light != "rain":
            flicker[0].append(static_flicker(clip))
            flicker[1].append(static_flicker(round_trip(render)))
    means = [float(np.mean(values or [math.nan])) for values in flicker]
    return Motion(right, real, asked, *means)


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


def table(rows: Sequence[FactorScore], judged: Mapping[str, float]) -> str:
    """The rows as text. judged: the judge's own accuracy per factor on many new renders; where it is below GOOD_JUDGE
    the row holds no figures, for they would be the judge's mistakes as much as the model's."""
    lines = [
        f"{'factor':<10} {'right':>11} {'share':>6} {'95 %':>9} {'answers':>8} {'chance':>7} {'majority':>9}"
        f" {'renders':>8} {'judge':>6} {'uninvited':>10}"
    ]
    for row in rows:
        accuracy = judged.get(row.factor, 0.0)
        if accuracy < GOOD_JUDGE:
            lines.append(
                f"{row.factor:<10} not reported: the judge reads it right in {accuracy:.1%} of new renders only"
            )
            continue
        low, high = interval(row.right, row.asked)
        lines.append(
            f"{row.factor:<10} {row.right:>4} of {row.asked:>3} {row.share:>6.1%} {low:>4.0%}-{high:<4.0%}"
            f" {row.classes:>8} {row.chance:>7.0%} {row.majority:>9.0%} {row.renders:>8.1%} {accuracy:>6.1%}"
            f" {'' if row.uninvited is None else f'{row.uninvited:.1%}':>10}"
        )
    return "\n".join(lines)


def drawn_scenes(
    count: int, draw: Draw, held_out: bool, size: int, tell: Callable[[int], None]
) -> tuple[list[SceneSpec], list[str], list[np.ndarray], list[np.ndarray]]:
    """(scenes, captions, what `draw` makes of them, renders of the scenes); tell(i) is called after each."""
    scenes, captions, clips, renders = specs(count, held_out), [], [], []
    for i, scene in enumerate(scenes):
        # The wording varies with the scene: a prompt people type is not always the plain one.
        captions.append(caption_of(scene, i % 6))
        clips.append(draw(captions[-1], scene.seed))
        renders.append(render_clip(scene, size, len(clips[-1]))[0])
        tell(i + 1)
    return scenes, captions, clips, renders
