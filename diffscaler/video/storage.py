"""Writing files so that a failure leaves nothing behind and tells what happened."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import av.error

from diffscaler.errors import MediaError, NotEnoughRoom

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """A block that writes `path`. Whatever leaves the block early (Stop included) takes the partial file with it.

    Raises NotEnoughRoom for a full disk or quota, MediaError for other failures of writing and encoding.
    """
    try:
        yield
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, (av.error.FFmpegError, OSError)):
            raise worded(path, error) from error
        raise


def worded(path: Path, error: BaseException) -> MediaError | NotEnoughRoom:
    """The sentence for a failure while writing `path`."""
    if getattr(error, "errno", None) in FULL:
        return NotEnoughRoom(f"The disk is full: {path.name} could not be written.", "Free some space and try again.")
    if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
        return MediaError(f"{path.name} could not be written there.", "Choose a folder that you may write to.")
    # Not str(error): FFmpeg's texts carry whole paths and option lists.
    reason = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(f"{path.name} could not be written: {reason}.", "Try another format or size.")
