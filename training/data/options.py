"""What decides a shot's scores besides its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

#: Counts up when the same file would get other shots or scores: those kept from before are then measured again.
SCORING = 1


@dataclass(frozen=True)
class Options:
    """folder_fps: the rate that folders of pictures are taken to have"""

    folder_fps: float = 8.0

    def row(self) -> dict[str, object]:
        """As the manifest keeps them."""
        return {**asdict(self), "scoring": SCORING}

    def digest(self) -> str:
        """Scores measured with equal digests compare."""
        return hashlib.sha256(json.dumps(self.row(), sort_keys=True).encode()).hexdigest()[:16]
