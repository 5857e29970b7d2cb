"""The failures a person is meant to read: one sentence about what happened, one hint about what to try."""

from __future__ import annotations


class DiffScalerError(Exception):
    """A failure worded for the person at the keyboard.

    message: one sentence saying what happened; hint: one sentence saying what to try ("" when there is nothing to try).
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidRequest(DiffScalerError):
    """A value asked for is outside what the studio can do."""


class MediaError(DiffScalerError):
    """A file is not the media it claims to be, or cannot be decoded or written."""


class NoFaceFound(DiffScalerError):
    """No usable face in a picture that must show one."""


class ModelNotFound(DiffScalerError):
    """A model named in a request is not installed, or its files are not what they should be."""


class DownloadFailed(DiffScalerError):
    """A download that could not be had, or did not bring what was promised."""


class NotEnoughRoom(DiffScalerError):
    """The predicted memory or disk need exceeds what this machine has free."""


class ClipNotFound(DiffScalerError):
    """A library key, or the file behind it, does not exist (any more)."""


class ScriptError(DiffScalerError):
    """A screenplay or shot list that cannot be read."""


class JobCancelled(DiffScalerError):
    """Stop was pressed. Finished segments stay; the same request continues from them."""

    def __init__(self) -> None:
        super().__init__("Stopped.", "What was finished is kept: the same request continues from there.")
