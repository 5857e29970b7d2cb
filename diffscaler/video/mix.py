"""Sounds laid out over a film, in files no longer than it: memory stays flat however long it is."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from diffscaler.errors import MediaError
from diffscaler.video.container import open_media

RATE = 48000
BLOCK = RATE  # samples worked on at once

Mono: TypeAlias = "npt.NDArray[np.float32]"  # (N,) in -1..1
Sound: TypeAlias = "npt.NDArray[np.float32]"  # (channels, N) in -1..1


@dataclass(frozen=True)
class Laid:
    """A sound in the film. at: the sample of the film it begins at; below 0: its beginning is not heard"""

    samples: Sound
    at: int


def check_sound(path: Path) -> None:
    """Raise MediaError for a file without a sound that can be decoded."""
    if next(blocks_of(path), None) is None:
        raise MediaError(f"{path.name} holds no sound.", "Choose another sound file.")


def mono_of(path: Path) -> Mono:
    """A short sound file as one channel at RATE. Raises MediaError."""
    blocks = [block.mean(axis=0) for block in blocks_of(path)]
    return np.concatenate(blocks).astype(np.float32) if blocks else np.zeros(0, np.float32)


def blocks_of(path: Path) -> Iterator[Sound]:
    """A file's first sound track as stereo at RATE, float32 (2, n), a little at a time. Raises MediaError."""
    with open_media(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path.name} has no sound.", "Choose a sound file, or a clip with sound.")
        resampler = AudioResampler("fltp", "stereo", RATE)
        try:
            for frame in container.decode(container.streams.audio[0]):
                for made in resampler.resample(frame):
                    yield made.to_ndarray()
            for made in resampler.resample(None):
                yield made.to_ndarray()
        except av.error.FFmpegError as error:
            raise MediaError(f"The sound of {path.name} cannot be decoded.", "Choose another sound file.") from error


def write_laid(path: Path, laid: Iterable[Laid], total: int) -> Path:
    """A mono WAV of `total` samples with each sound at its place; those that overlap are added.

    laid: in the order they begin; each is asked for when its time has come
    """
    return _write(path, 1, _laid_blocks(iter(laid), total))


def write_shifted(path: Path, source: Path, at: int, total: int, level: float = 1.0, under: Path | None = None) -> Path:
    """A stereo WAV of `total` samples with a sound file beginning at sample `at`, cut off where the film ends.

    at: below 0 its beginning is not heard; level: what it is multiplied by; under: a WAV of `write_laid` to add
    """
    return _write(path, 2, _shifted_blocks(source, at, total, level, under))


def _laid_blocks(laid: Iterator[Laid], total: int) -> Iterator[Sound]:
    heard: list[Laid] = []
    coming = next(laid, None)
    for start in range(0, total, BLOCK):
        block = np.zeros((1, min(BLOCK, total - start)), np.float32)
        while coming is not None and coming.at < start + block.shape[1]:
            heard.append(coming)
            coming = next(laid, None)
        for one in heard:
            first, last = max(start, one.at), min(start + block.shape[1], one.at + one.samples.shape[1])
            if first < last:
                block[0, first - start : last - start] += one.samples[:, first - one.at : last - one.at].mean(axis=0)
        heard = [one for one in heard if one.at + one.samples.shape[1] > start + block.shape[1]]
        yield block


def _shifted_blocks(source: Path, at: int, total: int, level: float, under: Path | None) -> Iterator[Sound]:
    def shifted() -> Iterator[Sound]:
        written, skipped = 0, max(0, -at)
        for start in range(0, max(0, min(at, total)), BLOCK):
            yield np.zeros((2, min(BLOCK, at - start)), np.float32)
        for block in blocks_of(source):
            left = max(0, skipped - written)
            written += block.shape[1]
            if left < block.shape[1]:
                yield block[:, left:] * np.float32(level)

    below = _mono_blocks(under) if under else iter(())
    rest = np.zeros((2, 0), np.float32)
    sounds = shifted()
    for start in range(0, total, BLOCK):
        count = min(BLOCK, total - start)
        while rest.shape[1] < count and (more := next(sounds, None)) is not None:
            rest = np.concatenate([rest, more], axis=1)
        block = np.zeros((2, count), np.float32)
        block[:, : min(count, rest.shape[1])] = rest[:, :count]
        rest = rest[:, count:]
        if (said := next(below, None)) is not None:
            block += said
        yield block


def _mono_blocks(path: Path) -> Iterator[Sound]:
    with wave.open(str(path), "rb") as file:
        while data := file.readframes(BLOCK):
            yield (np.frombuffer(data, "<i2").astype(np.float32) / 32767.0)[None]


def _write(path: Path, channels: int, blocks: Iterable[Sound]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for block in blocks:
            whole: npt.NDArray[Any] = np.clip(block.T * 32767.0, -32768, 32767).round().astype("<i2")
            file.writeframes(whole.tobytes())
    return path
