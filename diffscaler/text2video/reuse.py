"""Step caching: what changes little from one sampling step to the next is computed less often.

For U-Nets: Ma et al. 2023, "DeepCache", section 3.2: the deep blocks' result is kept for some steps, and only the first
level down and the last level up are computed anew. In the same steps what the words change is kept too, so that only
the half of the batch with words is computed (Lv et al. 2024, "FasterCache", its CFG-Cache without weights by
frequency). For transformers: the library's first-block cache, which keeps the rest of the network's result as long as
its first block changes little.
Faster and less exact: for looking, not for finals.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from diffscaler.text2video.bypass import replaced_forward

#: Name in a request -> steps of which one is computed whole (U-Nets), largest relative change that is passed over
#: (transformers).
INTERVALS = {"off": 1, "some": 2, "much": 3}
THRESHOLDS = {"some": 0.08, "much": 0.16}


class DeepFeatures:
    """The kept results of a U-Net's deep blocks, one set for each part of a clip.

    guidance: for each part, what the network predicted without words less what it predicted with them
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.guidance: dict[Hashable, torch.Tensor] = {}
        self.computed = self.reused = 0
        self._kept: dict[tuple[Hashable, int], Any] = {}
        self._part: Hashable = None
        self._reuse = False

    def begin(self, step: int, part: Hashable) -> bool:
        """Tell before each forward pass which step it is and which part of the clip, e.g. the first frame's index.

        Returns whether kept results will be used; the batch may then be the last rows of the one they were kept for.
        """
        self._part = part
        self._reuse = step % self.interval != 0 and any(key[0] == part for key in self._kept)
        if self._reuse:
            self.reused += 1
        else:
            self.computed += 1
        return self._reuse

    def run(self, index: int, forward: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A deep block's result: kept, or computed and then kept."""
        if self._reuse:
            given = args[0] if args else named["hidden_states"]
            return last_rows(self._kept[self._part, index], len(given))
        result = self._kept[self._part, index] = forward(*args, **named)
        return result


def last_rows(result: Any, rows: int) -> Any:
    """A block's result for the last `rows` of its batch; tuples and lists of tensors are cut tensor by tensor."""
    if isinstance(result, tuple | list):
        return type(result)(last_rows(each, rows) for each in result)
    return result[-rows:] if isinstance(result, torch.Tensor) else result


@contextmanager
def deep_features(unet: Any, interval: int) -> Generator[DeepFeatures, None, None]:
    """Inside, all blocks of a U-Net but the outermost level keep their results. interval 1 computes every step whole.

    unet: with down_blocks, mid_block and up_blocks as diffusers' have them; at least two levels
    """
    kept = DeepFeatures(interval)
    if interval <= 1 or len(unet.down_blocks) < 2:
        yield kept
        return
    # Skips between deep blocks are results too: those of kept blocks are read by kept blocks only.
    blocks = [*unet.down_blocks[1:], *([unet.mid_block] if unet.mid_block is not None else []), *unet.up_blocks[:-1]]
    with replaced_forward(blocks, partial(_keeping, kept)):
        yield kept


def _keeping(kept: DeepFeatures, index: int, forward: Any) -> Any:
    def run(*args: Any, **named: Any) -> Any:
        return kept.run(index, forward, args, named)

    return run


@contextmanager
def first_block(transformer: Any, level: str) -> Generator[None, None, None]:
    """Inside, a transformer of the library passes over all blocks but the first while that one changes little."""
    if level == "off":
        yield
        return
    from diffusers import FirstBlockCacheConfig

    transformer.enable_cache(FirstBlockCacheConfig(threshold=THRESHOLDS[level]))
    try:
        yield
    finally:
        transformer.disable_cache()
