"""Which clips are in which batch: a function of the seed, the batch's index and the process, with no state."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


class BatchOrder:
    """Every clip once an epoch, clips of one batch from one bucket; the last batch of a bucket is filled up.

    buckets: of each clip; batch: clips for each process
    """

    def __init__(self, buckets: Sequence[Hashable], batch: int, processes: int, seed: int) -> None:
        self.batch, self.processes, self.seed = batch, processes, seed
        found: dict[Hashable, list[int]] = {}
        for index, bucket in enumerate(buckets):
            found.setdefault(bucket, []).append(index)
        self.members = list(found.values())
        whole = batch * processes
        self.per_epoch = sum(-(-len(members) // whole) for members in self.members)
        self._epoch: tuple[int, list[np.ndarray]] | None = None

    def clips(self, index: int, process: int) -> list[int]:
        """The clips of the `index`-th batch of a process; processes never share one, but to fill up."""
        epoch, place = divmod(index, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:  # a memo, not a state: it is made of the numbers above
            self._epoch = epoch, self._batches(epoch)
        whole = self._epoch[1][place]
        return [int(clip) for clip in whole[process * self.batch : (process + 1) * self.batch]]

    def first(self, count: int) -> list[int]:
        """All clips of the first `count` batches of all processes, each once, in the order they are needed."""
        seen: dict[int, None] = {}
        for index in range(min(count, self.per_epoch)):
            for process in range(self.processes):
                seen.update(dict.fromkeys(self.clips(index, process)))
        return list(seen)

    def _batches(self, epoch: int) -> list[np.ndarray]:
        rng, whole = np.random.default_rng([self.seed, 1, epoch]), self.batch * self.processes
        batches: list[np.ndarray] = []
        for members in self.members:
            order = rng.permutation(members)
            order = np.resize(order, -(-len(order) // whole) * whole)  # from its beginning again
            batches += np.split(order, len(order) // whole)
        return [batches[i] for i in rng.permutation(len(batches))]
