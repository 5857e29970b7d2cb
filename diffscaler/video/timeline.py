"""When each frame of a file is shown: counted exactly, and seekable where the file can be trusted."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from diffscaler.errors import MediaError
from diffscaler.video.container import open_media, video_stream
from diffscaler.video.sniff import TRY_AGAIN

# Here one packet is one shown frame. Elsewhere (AVI's packed B-frames, VP8's hidden frames, MPEG's fields, a GIF with
# a comment behind its last frame) packets and frames differ, and only decoding counts right.
TRUSTED_CONTAINERS = ("mov", "matroska")
TRUSTED_CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4", "prores", "dnxhd", "mjpeg", "ffv1", "png",
                  "rawvideo", "qtrle", "cfhd", "utvideo", "magicyuv", "v210")  # fmt: skip

FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True)
class Timeline:
    """The frames of one video stream in the order shown.

    pts: int64 (N,), strictly rising, in units of `time_base` seconds
    last_ticks: how long the last frame stays, in `time_base` units
    fps: average rate; vfr: times are not multiples of 1 / fps, allowing for the container's rounding
    keys: (pts, dts) of the frames where decoding can begin, by pts; empty when it must begin at the first frame
    counted: the file states no usable times, so `pts` only counts
    """

    pts: npt.NDArray[np.int64]
    time_base: Fraction
    last_ticks: int
    fps: Fraction
    vfr: bool
    keys: tuple[tuple[int, int], ...] = ()
    counted: bool = False

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def start_s(self) -> Fraction:
        """The first frame's time on the container's clock, in seconds."""
        return int(self.pts[0]) * self.time_base

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """float64 (N,), seconds, the first frame at 0. Constant rates come out as exact multiples of 1 / fps."""
        if not self.vfr:
            return np.arange(len(self.pts), dtype=np.float64) * self.fps.denominator / self.fps.numerator
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        return ticks * self.time_base.numerator / self.time_base.denominator

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        interval = 1 / self.fps
        last = self.last_ticks * self.time_base
        if not self.vfr:
            if abs(last - interval) <= self.time_base:  # the container's rounding
                last = interval
            return float((len(self.pts) - 1) * interval + last)
        return float(int(self.pts[-1] - self.pts[0]) * self.time_base + last)


def read_timeline(path: Path) -> Timeline:
    """Count and time every frame of a video file.

    Demuxes only, where packets are frames; decodes the whole stream elsewhere.
    Raises MediaError for a file that is cut off, damaged or without frames, and as `open_media` does.
    """
    with _only_video(path) as (container, stream):
        timeline = _from_packets(container, stream, path.name)
    if timeline is None:
        with _only_video(path) as (container, stream):
            timeline = _from_decoding(container, stream, path.name)
    return timeline


@contextmanager
def _only_video(path: Path) -> Generator[tuple[InputContainer, VideoStream], None, None]:
    with open_media(path) as container:
        stream = video_stream(container, path.name)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        yield container, stream


def _from_packets(container: InputContainer, stream: VideoStream, name: str) -> Timeline | None:
    """A timeline from packets, or None where they cannot be trusted to be frames."""
    family = container.format.name.split(",")[0]
    if family not in TRUSTED_CONTAINERS or codec_name(stream) not in TRUSTED_CODECS or not stream.time_base:
        return None
    shown: list[tuple[int, int]] = []  # pts, duration
    keys: list[tuple[int, int]] = []
    packets = 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0 and packet.pts is None:
                continue  # PyAV's flush packet
            packets += 1
            if packet.is_corrupt:
                raise cut_off(name, packets - 1, stream.frames)
            if packet.pts is None:
                return None
            if packet.is_keyframe:
                keys.append((packet.pts, packet.dts if packet.dts is not None else packet.pts))
            if not packet.is_discard:  # outside the edit list: decoded, not shown
                shown.append((packet.pts, packet.duration or 0))
            if packets == 1 and not packet.is_keyframe:
                return None
    except (av.error.FFmpegError, OSError) as error:
        raise cut_off(name, packets, stream.frames) from error
    # The header of an MP4 counts all its frames, those outside the edit list included.
    if packets < stream.frames and container.format.name.startswith("mov"):
        raise cut_off(name, packets, stream.frames)
    if not shown:
        raise no_frames(name)
    shown.sort()
    pts = np.array([pts for pts, _ in shown], dtype=np.int64)
    # Pictures shown before the first key picture may lack what they refer to: a decoder drops those.
    if keys[0][0] > int(pts[0]) or np.any(np.diff(pts) <= 0):
        return None
    fps, vfr = settle_rate(pts - pts[0], stream.time_base, _stated_rates(stream), shown[-1][1])
    return Timeline(pts, stream.time_base, shown[-1][1] or _ticks(fps, stream.time_base), fps, vfr, tuple(sorted(keys)))


def _from_decoding(container: InputContainer, stream: VideoStream, name: str) -> Timeline:
    time_base = stream.time_base or Fraction(1, 90000)
    found: list[tuple[int | None, int]] = []
    try:
        for frame in container.decode(stream):
            found.append((frame.pts, frame.duration or 0))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if not found:
            raise no_frames(name) from error
        raise damaged(name, len(found), None) from error
    if not found:
        raise no_frames(name)
    stated = _stated_rates(stream)
    pts = np.array([-1 if value is None else value for value, _ in found], dtype=np.int64)
    if any(value is None for value, _ in found) or np.any(np.diff(pts) <= 0):
        # No usable times (raw streams, broken AVI): frames at the stated rate, in the order decoded.
        fps = stated[0] if stated else FALLBACK_RATE
        return Timeline(np.arange(len(found), dtype=np.int64), 1 / fps, 1, fps, False, counted=True)
    # AVI stores no durations; what FFmpeg reports for its last frame is the codec's clock, not the frame's stay.
    last = 0 if container.format.name == "avi" else found[-1][1]
    fps, vfr = settle_rate(pts - pts[0], time_base, stated, last)
    return Timeline(pts, time_base, last or _ticks(fps, time_base), fps, vfr)


def settle_rate(
    ticks: npt.NDArray[np.int64], time_base: Fraction, stated: Iterable[Fraction], last_ticks: int
) -> tuple[Fraction, bool]:
    """(average fps, whether frame times stray from multiples of 1 / fps).

    ticks: int64 (N,), first 0, rising; time_base: seconds per tick; stated: rates the file claims, tried in order
    """
    count = len(ticks)
    if count == 1:
        return next(iter(stated), 1 / (last_ticks * time_base) if last_ticks else FALLBACK_RATE), False
    mean = Fraction(count - 1) / (int(ticks[-1]) * time_base)
    for rate in (*stated, *_usual_near(mean), mean):
        interval = 1 / (rate * time_base)  # ticks per frame
        # Coarse clocks (1 ms in MKV, 10 ms in GIF) round each time by up to one tick.
        slack = 1.0 if interval >= 3 else 1e-6
        expected = np.arange(count, dtype=np.float64) * float(interval)
        if np.abs(ticks - expected).max() <= slack + 1e-9 * float(expected[-1]):
            return rate.limit_denominator(1001 * 1000), False
    whole = int(ticks[-1]) + (last_ticks or _ticks(mean, time_base))
    return (count / (whole * time_base)).limit_denominator(1_000_000), True


def _usual_near(rate: Fraction) -> tuple[Fraction, ...]:
    near = max(1, round(rate))
    ntsc = max(1, round(rate * 1001 / 1000))
    return Fraction(near), Fraction(ntsc * 1000, 1001)


def _stated_rates(stream: VideoStream) -> list[Fraction]:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [rate for rate in rates if rate is not None and 0 < rate <= 1000]


def _ticks(fps: Fraction, time_base: Fraction) -> int:
    return max(1, round(1 / (fps * time_base)))


def codec_name(stream: VideoStream) -> str:
    """The codec's own name ("av1"), whichever library decodes it ("libdav1d")."""
    return stream.codec_context.codec.canonical_name


def cut_off(name: str, frames: int, stated: int) -> MediaError:
    """The file ends before its frames do."""
    if stated > frames:
        return MediaError(f"{name} is cut off: only {frames} of its {stated} frames are there.", TRY_AGAIN)
    return MediaError(f"{name} is cut off or damaged after frame {frames}.", TRY_AGAIN)


def no_frames(name: str) -> MediaError:
    """The file has a video stream and nothing in it."""
    return MediaError(f"{name} holds no frames that can be decoded.", TRY_AGAIN)


def damaged(name: str, frame: int, time_s: float | None) -> MediaError:
    """One frame cannot be decoded. frame: its index, told to people from 1."""
    when = "" if time_s is None else f" (at {time_s:.2f} s)"
    return MediaError(f"{name} is damaged: frame {frame + 1}{when} cannot be decoded.", TRY_AGAIN)
