"""What a delivery asks of the encode stage: checked against the clip before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffscaler.errors import InvalidRequest
from diffscaler.media import ClipMeta
from diffscaler.video.conform import Conform
from diffscaler.video.encodings import formats, missing

if TYPE_CHECKING:
    from diffscaler.requests import DeliverRequest

TRACKS = (".mov", ".mp4")  # containers with a timecode track
DROP_FRAME = ((30000, 1001), (60000, 1001))


def check_encoder(name: str) -> None:
    """Raise InvalidRequest for a format whose encoder this FFmpeg lacks."""
    if name in (lacking := missing()):
        raise InvalidRequest(
            f"{formats()[name].title} cannot be written here: FFmpeg lacks {lacking[name]}.",
            "Choose another file format, or see `python app.py doctor`.",
        )


def offered(names: tuple[str, ...]) -> list[str]:
    """Those of `names` that can be written here; "auto" can always."""
    lacking = missing()
    return [name for name in names if name not in lacking]


def destination(request: DeliverRequest, meta: ClipMeta, info: dict[str, Any], sha256: str) -> dict[str, Any]:
    """Fields of EncodeParams: conform, timecode, reel, deep.

    meta: of the clip; info: of the imported file it is, by the names of MediaInfo, else empty; sha256: that file's
    Raises InvalidRequest for a timecode that cannot be.
    """
    form = formats()["h264" if request.encoding == "auto" else request.encoding]
    conform = Conform(matte=request.matte, longest=request.longest, frame_rate=request.frame_rate)
    made = conform.meta(meta)
    timecode, reel = request.timecode, request.reel
    if not timecode and form.suffix in TRACKS and not made.vfr and made.fps == meta.fps:
        timecode = str(info.get("timecode", ""))  # at another rate its frames would count differently
    reel = reel or (str(info.get("reel", "")) if timecode else "")
    if timecode:
        if request.timecode or request.reel:
            _check_timecode(timecode, made, form.suffix)
        elif not _counts(timecode, made):
            timecode = reel = ""
    if request.reel and (form.suffix != ".mov" or not timecode):
        raise InvalidRequest("A reel name stands with a timecode in a MOV.", "Give a timecode, and ProRes or DNxHR.")
    deep = sha256 if form.deep and int(info.get("bit_depth", 8)) > 8 and not meta.still else ""
    return {"conform": conform, "timecode": timecode, "reel": reel if form.suffix == ".mov" else "", "deep": deep}


def _check_timecode(timecode: str, meta: ClipMeta, suffix: str) -> None:
    if suffix not in TRACKS:
        raise InvalidRequest(f"A {suffix} file has no timecode track.", "Choose MOV or MP4.")
    if meta.vfr:
        raise InvalidRequest("Uneven frame times have no timecode.", "Set Frame rate to constant.")
    if not _counts(timecode, meta):
        raise InvalidRequest(
            f"{timecode} is no timecode at {float(meta.fps):.5g} frames a second.",
            "Its last number counts frames; a semicolon is for 29.97 and 59.94 only.",
        )


def _counts(timecode: str, meta: ClipMeta) -> bool:
    """Whether a timecode exists at a clip's rate."""
    drop = ";" in timecode
    if drop and (meta.fps.numerator, meta.fps.denominator) not in DROP_FRAME:
        return False
    return int(timecode[-2:]) < round(meta.fps) and int(timecode[:2]) < 24
