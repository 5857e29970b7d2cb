"""Figures of a clip's picture: how steady and how sharp it is; and of its file: rates, tags, sound in step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from diffscaler.media import FrameChunk
from diffscaler.video.probe import MediaInfo, probe

Luma = npt.NDArray[np.float32]

# Flow at 4K takes seconds a frame; what flickers shows at this height too.
FLOW_ROWS = 540
PAIRS_OF_SECONDS = 12  # of longer clips every n-th pair is looked at, so that a film takes no longer than this many s


@dataclass(frozen=True)
class Figures:
    """flicker: mean absolute difference of a frame and the one before warped onto it, luma levels of 255, where the
    flow of both directions agrees (`upscale.dis.warped_error`); nan for one frame
    sharpness: mean absolute Laplacian of luma, levels of 255, at the clip's own size
    """

    flicker: float
    sharpness: float

    def tensors(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"flicker": np.array([self.flicker]), "sharpness": np.array([self.sharpness])}

    @classmethod
    def read(cls, tensors: dict[str, npt.NDArray[Any]]) -> Figures:
        return cls(float(tensors["flicker"][0]), float(tensors["sharpness"][0]))


def measure(chunks: Iterable[FrameChunk], on_frame: Callable[[int], None] = lambda done: None) -> Figures:
    """Look at pairs of neighbouring frames, evenly spread: all of them up to 288, fewer of longer clips."""
    import cv2

    from diffscaler.upscale.dis import warped_error

    flickers, sharps = list[float](), list[float]()
    before: npt.NDArray[np.uint8] | None = None
    seen, step = 0, 1
    for chunk in chunks:
        for frame in chunk.frames:
            on_frame(seen)
            # Of every `step` frames the first two are looked at, as a pair; with a step of 1 all are.
            place, second = seen % step, 1 % step
            seen += 1
            if place not in (0, second):
                continue
            luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            if before is not None and place == second:
                flickers.append(warped_error(smaller(before), smaller(luma)))
            if place == 0:
                sharps.append(float(np.abs(cv2.Laplacian(luma, cv2.CV_32F)).mean()))
            before = luma
            if len(flickers) > 24 * PAIRS_OF_SECONDS:  # too many: keep every second, and look half as often from here
                flickers, sharps, step, before = flickers[::2], sharps[::2], step * 2, None
    nan = float("nan")
    return Figures(float(np.mean(flickers)) if flickers else nan, float(np.mean(sharps)) if sharps else nan)


def smaller(luma: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A frame, uint8 (H, W), of at most FLOW_ROWS rows."""
    import cv2

    rows, columns = luma.shape
    if rows > FLOW_ROWS:
        luma = cv2.resize(luma, (max(1, round(columns * FLOW_ROWS / rows)), FLOW_ROWS), interpolation=cv2.INTER_AREA)
    return luma


@dataclass(frozen=True)
class FileFacts:
    """info: as `probe` gives it; video_mbps, audio_mbps: real rates, packets counted

    sound_offset_s: how much later than the picture its first sound begins; sound_over_s: how much later it ends;
    both None without sound
    """

    info: MediaInfo
    video_mbps: float
    audio_mbps: float
    sound_offset_s: float | None
    sound_over_s: float | None


def file_facts(path: Path) -> FileFacts:
    """Demux a delivered file once. Raises MediaError as `probe` does."""
    info = probe(path)
    sizes, first, last = {"video": 0, "audio": 0}, None, None
    if info.codec not in ("png", "jpeg", "webp"):
        with av.open(str(path), container_options={"protocol_whitelist": "file"}) as container:
            sound = container.streams.audio[0] if container.streams.audio else None
            for packet in container.demux([*container.streams.video[:1], *container.streams.audio]):
                if packet.pts is None:
                    continue
                sizes[packet.stream.type] += packet.size
                if sound is not None and packet.stream.index == sound.index:
                    begins = float(packet.pts * packet.time_base) - info.start_s
                    first = begins if first is None else min(first, begins)
                    ends = begins + float((packet.duration or 0) * packet.time_base)
                    last = ends if last is None else max(last, ends)
    seconds = max(info.duration_s, 1e-6)
    return FileFacts(
        info,
        sizes["video"] * 8e-6 / seconds,
        sizes["audio"] * 8e-6 / seconds,
        first,
        None if last is None else last - info.duration_s,
    )


def card(facts: FileFacts, figures: Figures | None) -> dict[str, str]:
    """The quality card: name -> figure in words. figures: None where they are not measured (yet)."""
    info = facts.info
    tags = dict.fromkeys(tag for tag in (info.primaries, info.transfer, info.matrix) if tag)
    ranges = {"tv": "limited range", "pc": "full range"}
    colour = "/".join(tags) or "none stated"
    rows = {
        "size": f"{info.width} x {info.height}",
        "format": f"{info.codec}, {info.bit_depth} bit, {info.pix_fmt}",
        "frame rate": f"{float(info.fps):.6g}" + (", uneven" if info.vfr else ""),
        "frames": f"{info.num_frames}, {info.duration_s:.2f} s",
        "bitrate": f"{facts.video_mbps:.3g} Mbit/s" + (f" and {facts.audio_mbps:.2g} sound" if info.audio else ""),
        "colour": f"{colour}, {ranges.get(info.color_range, 'range not stated')}",
    }
    if info.timecode:
        rows["timecode"] = f"{info.timecode} {info.reel}".strip()
    rows["sound"] = _sound_in_words(facts)
    if figures is not None:
        rows["flicker"] = "one frame" if np.isnan(figures.flicker) else f"{figures.flicker:.2f} of 255 levels"
        rows["sharpness"] = f"{figures.sharpness:.2f} of 255 levels"
    return rows


def _sound_in_words(facts: FileFacts) -> str:
    if facts.sound_offset_s is None or facts.sound_over_s is None:
        return "none"
    tracks = len(facts.info.audio)
    many = "1 track" if tracks == 1 else f"{tracks} tracks"
    # An encoder's own delay is a negative start of some 20 to 50 ms that players take off again.
    if abs(facts.sound_offset_s) <= 0.06:
        begins = "in sync"
    else:
        begins = (
            f"begins {abs(facts.sound_offset_s):.2f} s {'after' if facts.sound_offset_s > 0 else 'before'} the picture"
        )
    ends = "" if abs(facts.sound_over_s) <= 0.1 else (
        f", ends {abs(facts.sound_over_s):.2f} s {'after' if facts.sound_over_s > 0 else 'before'} it"
    )  # fmt: skip
    return f"{many}, {begins}{ends}"
