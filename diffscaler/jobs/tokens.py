"""How a hub token reaches a worker that runs already: a file only its owner can read, gone when the job has ended.

The queue's database is kept and copied, so no token is ever written there.
"""

from __future__ import annotations

import os
from pathlib import Path


class TokenBox:
    """Tokens by model name, below the queue's folder."""

    def __init__(self, jobs_dir: Path) -> None:
        self.folder = jobs_dir / "tokens"

    def leave(self, name: str, token: str) -> None:
        """Leave a token for the download of the model `name`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.folder / f"{name}.part"
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(token)
        os.replace(part, self.folder / name)

    def look(self, name: str) -> str:
        """The token left for a model, "" when there is none."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError:
            return ""

    def clear(self, name: str) -> None:
        """Remove it."""
        (self.folder / name).unlink(missing_ok=True)
