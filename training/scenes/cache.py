"""Render many scenes in parallel, once."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.clips import ClipSet
from training.scenes.captions import caption_of
from training.scenes.motion import FPS
from training.scenes.render import render_clip
from training.scenes.spec import SceneSpec, draw_spec, facing_right
from training.scenes.world import WORLD_VERSION

#: Wordings kept per scene.
CAPTION_VARIANTS = 6

OnClip = Callable[[int], None]

#: Pixels per latent, each way.
LATENT_CELL = 8


def render_scenes(
    num_clips: int,
    size: int,
    num_frames: int,
    processes: int,
    first_seed: int = 0,
    held_out: bool = False,
    on_clip: OnClip = lambda done: None,
    one_way: bool = False,
    fps: int = FPS,
) -> ClipSet:
    """Render `num_clips` scenes of consecutive seeds; the result does not depend on `processes`.

    on_clip: told after each how many are done; it may raise.
    one_way: those in which somebody faces left turned; fps: frames of a second of the scene
    """
    specs = [draw_spec(seed, held_out) for seed in range(first_seed, first_seed + num_clips)]
    if one_way:
        specs = [facing_right(spec) for spec in specs]
    # In memory first: a memory-mapped file that grows while it is written makes the disk the bottleneck.
    frames = np.empty((num_clips, num_frames, size, size, 3), np.uint8)
    masks = np.empty((num_clips, num_frames, size // LATENT_CELL, size // LATENT_CELL), np.uint8)
    captions: list[list[str]] = []
    records: list[dict[str, Any]] = []
    render = partial(_render, size=size, num_frames=num_frames, fps=fps)
    if processes > 1:
        with multiprocessing.get_context("spawn").Pool(processes, initializer=_begin) as pool:
            results = pool.imap(render, specs, chunksize=8)
            for i, (clip, mask, words, record) in enumerate(results):
                frames[i], masks[i] = clip, mask
                captions.append(words)
                records.append(record)
                on_clip(i + 1)
    else:
        for i, (clip, mask, words, record) in enumerate(map(render, specs)):
            frames[i], masks[i] = clip, mask
            captions.append(words)
            records.append(record)
            on_clip(i + 1)
    return ClipSet(frames, masks, captions, records)


def cached_scenes(
    folder: Path,
    num_clips: int,
    size: int,
    num_frames: int,
    processes: int,
    on_clip: OnClip = lambda done: None,
    fps: int = FPS,
) -> ClipSet:
    """The scenes of seeds 0..num_clips-1, nobody facing left, from `folder`; rendered when they are not there."""
    rate = "" if fps == FPS else f"-{fps}fps"
    home = folder / f"scenes{WORLD_VERSION}-{num_clips}x{num_frames}x{size}{rate}"
    if not (home / "captions.json").exists():
        render_scenes(num_clips, size, num_frames, processes, on_clip=on_clip, one_way=True, fps=fps).save(home)
    return ClipSet.load(home)


def _begin() -> None:
    """Of a process that renders. Ctrl-C reaches it too, and is for the one that started it, which ends them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _render(
    spec: SceneSpec, size: int, num_frames: int, fps: int
) -> tuple[np.ndarray, np.ndarray, list[str], dict[str, Any]]:
    frames, masks = render_clip(spec, size, num_frames, fps)
    cells = np.stack(
        [cv2.resize(m, None, fx=1 / LATENT_CELL, fy=1 / LATENT_CELL, interpolation=cv2.INTER_AREA) for m in masks]
    )
    return frames, cells, [caption_of(spec, v) for v in range(CAPTION_VARIANTS)], asdict(spec)
