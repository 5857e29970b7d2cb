"""File names from a server, which may be anything, as paths that stay inside the model's folder."""

from __future__ import annotations

from pathlib import PurePosixPath

from diffscaler.errors import DownloadFailed

# Leaves room for ".part" below the 255 bytes that file systems allow.
MAX_NAME_BYTES = 200
MAX_PATH_BYTES = 800

# Device names on Windows, with any extension.
RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}


def safe_path(name: str) -> PurePosixPath:
    """`name` as a relative path that means the same file inside a folder on every system.

    Raises DownloadFailed for one that is absolute, climbs out, hides, or that some system would read otherwise.
    """
    pieces = name.split("/")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES or not all(is_plain(piece) for piece in pieces):
        raise DownloadFailed(
            f"The server names a file that cannot be stored safely: {name[:80]!a}.", "Nothing of it was kept."
        )
    return PurePosixPath(*pieces)


def is_plain(piece: str) -> bool:
    """Whether a single name is a plain file or folder name everywhere."""
    return (
        0 < len(piece.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
        and piece.isprintable()
        and not set(piece) & set('<>:"|?*\\')
        and not piece.startswith(".")  # "." and "..", and names kept for this studio's own notes
        and piece[-1] not in " ."  # Windows drops these, so that two names become one
        and piece.split(".")[0].rstrip(" ").casefold() not in RESERVED
    )
