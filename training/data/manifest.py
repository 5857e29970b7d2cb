"""A prepared data set as a trainer reads it. Loads no torch.

data = read_manifest(Path("datasets/rain"))
for item in data:                                    # lazily: nothing is decoded yet
    caption = rng.choice(item.captions)
    for frame in frames_of(item): ...                # uint8 RGB (height, width, 3)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diffscaler.datasets import manifest as stored
from diffscaler.datasets.selection import reasons
from diffscaler.datasets.unscored import not_applied
from diffscaler.errors import DiffScalerError
from training.events import RunError


@dataclass(frozen=True)
class Item:
    """One shot to learn from.

    path: a video, a picture, or a folder of pictures that are the frames
    start, stop: frames of it, stop excluded, counted as diffscaler.video.reader.read_frames counts them
    captions: what is true of it; several are equally good, and a trainer draws one at random each epoch. () for none.
    fps: of the file; width, height: pixels as shown
    key: content of the file and first frame: what latents and embeddings of this shot can be cached under
    content: SHA-256 of the file, or of another one that shows the same: shots of one content belong on one side when
    some are held out
    """

    path: Path
    start: int
    stop: int
    captions: tuple[str, ...]
    fps: float
    width: int
    height: int
    key: str
    content: str

    @property
    def num_frames(self) -> int:
        return self.stop - self.start

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps


@dataclass(frozen=True)
class Dataset:
    """What a training run sees of a prepared folder: the shots its thresholds keep, in a fixed order.

    digest: SHA-256 over contents, frames and captions of the items, wherever they lie; store it with checkpoints
    left_out: how many shots are not here, by reason ("blurred", "seen before", ...); a shot may have several
    complete: False when preparing was stopped before the end
    warnings: what a run should be told of it: limits that shots without a score pass
    """

    name: str
    items: tuple[Item, ...]
    digest: str
    left_out: dict[str, int]
    complete: bool
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]


def read_manifest(path: Path, captions_needed: bool = True) -> Dataset:
    """A data set given by its folder or its manifest.jsonl; nothing of the clips is opened.

    captions_needed: refuse shots without one, naming the first; False for recipes that learn without words
    Raises RunError when it is not there, damaged, empty, or captions are missing.
    """
    try:
        made = stored.read(path)
    except DiffScalerError as error:
        raise RunError(error.message, error.hint) from None
    same = contents(made)
    items = tuple(
        Item(
            Path(clip.path), shot.start, shot.stop, clip.captions_of(shot), clip.fps, clip.width, clip.height, shot.key,
            same[clip.sha256],
        )
        for clip, shot in made.kept()
    )  # fmt: skip
    name = stored.manifest_path(path).parent.name
    left_out = Counter(reason for _, shot in made.shots() for reason in reasons(shot, made.thresholds))
    if not items:
        why = f": {left_out.most_common(1)[0][0]}" if left_out else ""
        raise RunError(f"No shot of {name} is left to learn from{why}.", "Loosen the limits in its grid, or add clips.")
    if captions_needed and (bare := [item for item in items if not item.captions]):
        raise RunError(
            f"{len(bare)} of {len(items)} shots of {name} have no caption, the first in {bare[0].path.name}.",
            "Write what they show in the grid, or take them out there.",
        )
    return Dataset(name, items, made.digest(), dict(left_out), made.complete, tuple(not_applied(made)))


def contents(made: stored.Manifest) -> dict[str, str]:
    """SHA-256 of each clip -> one for all clips of which kept shots repeat each other, as a file saved again does."""
    one = {clip.sha256: clip.sha256 for clip in made.clips}

    def standing_for(sha256: str) -> str:
        while one[sha256] != sha256:
            sha256 = one[sha256]
        return sha256

    owner = {shot.key: clip.sha256 for clip, shot in made.shots()}
    for clip, shot in made.kept():
        if shot.duplicate_of in owner:
            first, second = sorted((standing_for(clip.sha256), standing_for(owner[shot.duplicate_of])))
            one[second] = first
    return {sha256: standing_for(sha256) for sha256 in one}


def frames_of(item: Item, first: int = 0, count: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames of a shot from its `first` on, all or `count` of them: uint8 RGB (height, width, 3), one at a time.

    Videos are sought, not read from the beginning. Raises RunError when the file is gone or damaged.
    """
    from diffscaler.video.reader import read_frames

    wanted = item.num_frames - first if count is None else min(count, item.num_frames - first)
    try:
        chunks = read_frames(item.path, item.start + first, min(8, max(1, wanted)))
        yield from islice((frame for chunk in chunks for frame in chunk.frames), max(0, wanted))
    except DiffScalerError as error:
        raise RunError(error.message, error.hint) from None
