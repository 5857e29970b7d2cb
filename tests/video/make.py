"""Really encoded test media: frames that tell their number, turned, uneven, with sound."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from diffscaler.media import ClipMeta, FrameChunk, Frames
from diffscaler.video.reader import read_frames

VFR_TIMES = [*(i / 30 for i in range(30)), *(1 + i / 10 for i in range(10))]
VFR_END = 2.0
FLASH_S = 1.2


def ffmpeg(*args: str | Path) -> None:
    """Run imageio-ffmpeg's binary; fails the test with its own words."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *(str(arg) for arg in args)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def numbered(count: int, height: int = 48, width: int = 64) -> Frames:
    """Frames that differ in brightness, with a red top left and a blue top right corner."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[:] = 30 + (index * 17) % 200
        frame[: height // 3, : width // 3] = (200, 20, 20)
        frame[: height // 3, width - width // 3 :] = (20, 20, 200)
    return frames


def corner_colours(frame: Frames) -> tuple[str, str, str, str]:
    """The corners' colours: top left, top right, bottom left, bottom right; "r", "b" or "-"."""
    height, width = frame.shape[:2]
    points = [(y, x) for y in (height // 8, height - 1 - height // 8) for x in (width // 8, width - 1 - width // 8)]
    names: list[str] = []
    for y, x in points:
        red, _, blue = (int(value) for value in frame[y, x])
        names.append("r" if red > blue + 80 else "b" if blue > red + 80 else "-")
    return names[0], names[1], names[2], names[3]


def video(
    path: Path,
    frames: Frames,
    times: Sequence[float] | None = None,
    end_s: float | None = None,
    *,
    fps: Fraction = Fraction(30),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
    **options: str,
) -> Path:
    """Encode frames with PyAV; exact times on a 1/90000 s clock (MPEG-4 allows no finer one than 1/65535)."""
    ticks = 30000 if codec == "mpeg4" else 90000
    clock = Fraction(1, ticks)
    times = [float(i / fps) for i in range(len(frames))] if times is None else times
    end_s = times[-1] + float(1 / fps) if end_s is None else end_s
    pts = [round(time * ticks) for time in times]
    stays = dict(zip(pts, np.diff([*pts, round(end_s * ticks)]).tolist(), strict=True))
    with av.open(str(path), "w") as output:
        height, width = frames.shape[1:3]
        stream: Any = output.add_stream(codec, rate=fps, options=options, width=width, height=height, time_base=clock)
        stream.pix_fmt = pix_fmt
        stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for frame, at in zip([*frames, None], [*pts, 0], strict=True):
            picture = None if frame is None else VideoFrame.from_ndarray(frame, format="rgb24")
            if picture is not None:
                picture.pts, picture.time_base = at, clock
            for packet in stream.encode(picture):
                packet.duration = stays.get(packet.pts, packet.duration)
                output.mux(packet)
    return path


def flashing(count: int, flash: int, height: int = 48, width: int = 64) -> Frames:
    """Dark frames, white from frame `flash` on."""
    frames = np.full((count, height, width, 3), 20, np.uint8)
    frames[flash:] = 235
    return frames


def with_beeps(source: Path, target: Path, beep_s: float, length_s: float, *options: str | Path) -> Path:
    """Add two sound tracks that fall silent until `beep_s`: 440 Hz tagged English, 880 Hz tagged German."""
    tone = "aevalsrc=if(gte(t\\,{at})\\,0.6*sin(2*PI*{hertz}*t)\\,0):s=48000:d={length}"
    ffmpeg(
        "-i", source,
        "-f", "lavfi", "-i", tone.format(at=beep_s, hertz=440, length=length_s),
        "-f", "lavfi", "-i", tone.format(at=beep_s, hertz=880, length=length_s),
        "-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "copy",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger",
        *options, target,
    )  # fmt: skip
    return target


def vfr_with_sound(folder: Path, suffix: str = ".mp4", *options: str | Path) -> Path:
    """1 s at 30 fps, then 1 s at 10 fps; the picture turns white and two tracks begin to beep at 1.2 s."""
    silent = video(folder / "silent.mp4", flashing(40, VFR_TIMES.index(FLASH_S)), VFR_TIMES, VFR_END)
    return with_beeps(silent, folder / f"vfr{suffix}", FLASH_S, VFR_END, *options)


def beep_onsets(path: Path) -> list[tuple[float, float]]:
    """(seconds from the first frame to the beep, its Hertz) for each sound track of a file."""
    with av.open(str(path)) as container:
        first = min(packet.pts for packet in container.demux(video=0) if packet.pts is not None and packet.size)
        start = first * container.streams.video[0].time_base
        tracks = len(container.streams.audio)
    found: list[tuple[float, float]] = []
    for track in range(tracks):
        with av.open(str(path)) as container:
            parts: list[npt.NDArray[np.float64]] = []
            begin = None
            for frame in container.decode(audio=track):
                if begin is None:
                    begin = frame.pts * frame.time_base - start
                values = frame.to_ndarray().astype(np.float64)
                values = values / 32768 if frame.format.name.startswith("s16") else values
                parts.append(values[0] if frame.format.is_planar else values[0, :: frame.layout.nb_channels])
                rate = frame.sample_rate
            samples = np.concatenate(parts)
            onset = int(np.argmax(np.abs(samples) > 0.3))
            beep = samples[onset : onset + rate // 2]
            hertz = float(np.sum(np.diff(np.signbit(beep).astype(np.int8)) == 1)) / (len(beep) / rate)
            found.append((float(begin) + onset / rate, hertz))
    return found


def all_frames(path: Path, start: int = 0, chunk_frames: int | None = None) -> Frames:
    return np.concatenate([chunk.frames for chunk in read_frames(path, start, chunk_frames)])


def all_times(path: Path, start: int = 0) -> npt.NDArray[np.float64]:
    return np.concatenate([chunk.times for chunk in read_frames(path, start)])


def meta_for(frames: Frames, fps: Fraction = Fraction(30), **facts: Any) -> ClipMeta:
    height, width = frames.shape[1:3]
    facts = {"duration_s": float(len(frames) / fps), **facts}
    return ClipMeta(kind="frames", width=width, height=height, num_frames=len(frames), fps=fps, **facts)


def in_chunks(
    frames: Frames, size: int, times: Sequence[float] | None = None, fps: Fraction = Fraction(30)
) -> list[FrameChunk]:
    at = np.array([float(i / fps) for i in range(len(frames))] if times is None else times, np.float64)
    return [FrameChunk(frames[i : i + size], i, at[i : i + size]) for i in range(0, len(frames), size)]


def levels(frames: Frames) -> list[int]:
    """One number per frame, its brightness: tells frames of `numbered` apart."""
    height, width = frames.shape[1:3]
    return [round(float(frame[height // 2 :, width // 3 : width // 2].mean())) for frame in frames]
