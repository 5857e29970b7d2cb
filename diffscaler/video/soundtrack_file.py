"""A film's sounds and subtitles as one file, which the delivered film then takes its tracks from."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from diffscaler.media import ClipMeta
from diffscaler.video.mix import BLOCK, RATE, Laid, Sound, write_laid, write_shifted
from diffscaler.video.soundtrack import Caption, Soundtrack
from diffscaler.video.subtitles import ASS_HEADER, packet_of

#: Of one's own sound under what is said.
UNDER = 0.5
#: Where FFmpeg's mov_text has its times, in seconds.
TEXT_CLOCK = Fraction(1, 90000)
#: What files call languages, for the names espeak-ng has for them; others are not told.
LANGUAGES = {
    "ar": "ara", "cs": "ces", "da": "dan", "de": "ger", "el": "gre", "en": "eng", "es": "spa", "fi": "fin", "fr": "fra",
    "he": "heb", "hi": "hin", "hu": "hun", "it": "ita", "ja": "jpn", "ko": "kor", "nl": "dut", "no": "nor", "nb": "nor",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sv": "sve", "tr": "tur", "uk": "ukr", "zh": "chi",
    "cmn": "chi",
}  # fmt: skip


def write_soundtrack(
    path: Path, track: Soundtrack, sounds: Sequence[Callable[[], Sound]], meta: ClipMeta, own: Path | None
) -> Path:
    """Everything a clip's file gets beside its pictures, as a MOV of plain PCM and text.

    sounds: one for each of `track.laid`, at 48 kHz, loaded when its time comes; meta: of the film; own: the file
    of `track.own`
    All sounds are exactly as long as the film and begin with it, so they stay in step in every program.
    Raises MediaError for a file without sound.
    """
    total = round(meta.num_frames / meta.fps * RATE)

    def sample(frame: int) -> int:
        return round(frame / meta.fps * RATE)

    files: list[tuple[str, Path, int]] = []
    said: Path | None = None
    if track.laid:
        pairs = sorted(zip(track.laid, sounds, strict=True), key=lambda pair: pair[0])
        laid = (Laid(load(), sample(at)) for at, load in pairs)
        said = write_laid(path.with_name("said.wav"), laid, total)
        if own is None or not track.mixed:
            files.append(("Scratch dialogue", said, 1))
    if own is not None:
        under = said if track.mixed else None
        made = write_shifted(
            path.with_name("own.wav"), own, sample(track.own_at), total, UNDER if under else 1.0, under
        )
        files.append(("Scratch dialogue and sound" if under else "Sound", made, 2))
    _write_mov(path, files, track, meta)
    return path


def _write_mov(path: Path, files: Sequence[tuple[str, Path, int]], track: Soundtrack, meta: ClipMeta) -> None:
    spoken = track.language.split("-")[0]  # "pt-br" is Portuguese
    tags = {"language": LANGUAGES[spoken]} if spoken in LANGUAGES else {}
    with av.open(str(path), "w", format="mov", container_options={"fflags": "+bitexact"}) as output:
        sounds: list[tuple[Any, Iterator[AudioFrame]]] = []
        for title, file, channels in files:
            stream: Any = output.add_stream("pcm_s16le", rate=RATE, layout="stereo" if channels == 2 else "mono")
            stream.metadata.update({"title": title, "handler_name": title} | tags)
            sounds.append((stream, _frames(file)))
        text = _text_stream(output, tags) if track.captions else None
        output.start_encoding()
        waiting = sorted(track.captions, key=lambda one: one.start)
        at = 0
        while sounds or waiting:
            while text is not None and waiting and (not sounds or waiting[0].start / meta.fps * RATE <= at):
                output.mux(_text_packet(waiting.pop(0), text, meta))
            for stream, frames in list(sounds):
                frame = next(frames, None)
                output.mux(stream.encode(frame))
                if frame is None:
                    sounds.remove((stream, frames))
            at += BLOCK


def _frames(file: Path) -> Iterator[AudioFrame]:
    with wave.open(str(file), "rb") as wav:
        at, channels = 0, wav.getnchannels()
        while data := wav.readframes(BLOCK):
            samples = np.frombuffer(data, "<i2").reshape(1, -1)
            frame = AudioFrame.from_ndarray(samples, "s16", "stereo" if channels == 2 else "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            at += frame.samples
            yield frame


def _text_stream(output: Any, tags: dict[str, str]) -> SubtitleStream:
    stream = output.add_stream("mov_text")
    stream.codec_context.subtitle_header = ASS_HEADER
    stream.time_base = stream.codec_context.time_base = TEXT_CLOCK
    stream.metadata.update(tags)
    return stream


def _text_packet(caption: Caption, stream: SubtitleStream, meta: ClipMeta) -> Packet[Any]:
    packet = Packet(packet_of(caption.text, "mov_text"))
    start, stop = (round(frame / meta.fps / TEXT_CLOCK) for frame in (caption.start, caption.stop))
    packet.time_base, packet.stream = TEXT_CLOCK, stream
    packet.pts = packet.dts = start
    packet.duration = stop - start
    return packet
