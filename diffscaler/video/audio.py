"""The sound that belongs to a clip, copied beside its new picture: every track, subtitle and chapter, in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from diffscaler.video.encodings import Format
from diffscaler.video.subtitles import ASS_HEADER, TEXT_CODECS, packet_of, text_of

KEPT_TAGS = ("language", "title", "handler_name")

# QuickTime knows languages by a fixed table with spellings of its own; FFmpeg drops those it does not find there.
QUICKTIME_LANGUAGES = {"fre": "fra", "deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "swe": "sve"}

# What encoders are told for tracks that only state how many channels they have (PCM, mostly).
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
BITS_PER_CHANNEL = 96_000

# Takes a track's next packet, or None at its end. In quotes: PyAV's packets are generic to type checkers only.
Feed: TypeAlias = "Callable[[Packet[Any] | None], None]"


class SoundCopy:
    """Copies the tracks of `source` into `output`, a little at a time.

    start: the first frame's time on the source's clock, which becomes 0; end_s: packets from here on are left out
    Add it to the output after the picture and before anything is written; call `copy_until` as the picture advances.
    """

    def __init__(
        self, source: InputContainer, output: OutputContainer, form: Format, start: Fraction, end_s: float | None
    ) -> None:
        self._output, self._start, self._end_s = output, start, end_s
        self._languages = QUICKTIME_LANGUAGES if form.muxer == "mov" else {}
        self._feeds: dict[int, Feed] = {}
        for track in source.streams.audio:
            if _codec(track) is not None and form.audio_encoder:
                copies = _codec(track) in form.audio_copy
                self._feeds[track.index] = self._copied(track) if copies else self._encoded(track, form.audio_encoder)
        for track in source.streams.subtitles:
            if form.text_codec and _codec(track) == form.text_codec:
                self._feeds[track.index] = self._copied(track)
            elif form.text_codec and _codec(track) in TEXT_CODECS:
                self._feeds[track.index] = self._as_text(track, form.text_codec)
        tracks = [source.streams[index] for index in self._feeds]
        self.notes = self._notes(source, form)
        self._packets: Iterator[Packet[Any]] = source.demux(tracks) if tracks else iter(())
        self._held: Packet[Any] | None = None

    def _notes(self, source: InputContainer, form: Format) -> tuple[str, ...]:
        """What became of tracks that were not copied as they are."""
        notes: list[str] = []
        for number, track in enumerate(source.streams.audio, 1):
            if track.index not in self._feeds:
                notes.append(f"Sound track {number} cannot be decoded here and was left out.")
            elif (codec := _codec(track)) not in form.audio_copy:
                made = (form.audio_encoder or "").removeprefix("lib")
                notes.append(f"Sound track {number} was converted from {codec} to {made}: {form.title} takes no other.")
        for number, track in enumerate(source.streams.subtitles, 1):
            if track.index not in self._feeds:
                notes.append(f"Subtitle track {number} ({_codec(track) or 'unknown'}) is no text and was left out.")
        return tuple(notes)

    def copy_until(self, time_s: float | None) -> None:
        """Write everything that begins before `time_s`; everything left, and each track's end, when None."""
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                break
            if packet.pts is None and packet.dts is None:
                continue  # PyAV's flush packet; tracks are ended below
            begins = float((packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base - self._start)
            if time_s is not None and begins >= time_s:
                self._held = packet
                return
            if self._end_s is None or begins < self._end_s:
                self._feeds[packet.stream.index](packet)
        if time_s is None:
            for feed in self._feeds.values():
                feed(None)
            self._feeds = {}

    def _keep_tags(self, source: Stream, target: Stream) -> None:
        tags = {name: value for name, value in source.metadata.items() if name in KEPT_TAGS}
        if "language" in tags:
            tags["language"] = self._languages.get(tags["language"], tags["language"])
        target.metadata.update(tags)
        target.disposition = source.disposition

    def _copied(self, track: Stream) -> Feed:
        target = self._output.add_stream_from_template(track)
        self._keep_tags(track, target)

        def feed(packet: Packet[Any] | None) -> None:
            if packet is None:
                return
            shift = round(self._start / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.stream = target
            self._output.mux(packet)

        return feed

    def _encoded(self, track: AudioStream, encoder: str) -> Feed:
        rate = 48000 if encoder == "libopus" or track.sample_rate > 96000 else track.sample_rate
        target = self._output.add_stream(encoder, rate=rate)
        assert isinstance(target, AudioStream)
        stated = track.layout.name
        target.layout = stated if stated in LAYOUTS.values() else LAYOUTS.get(track.channels, "stereo")
        target.codec_context.bit_rate = BITS_PER_CHANNEL * target.layout.nb_channels
        target.codec_context.options = {"flags": "+bitexact"}
        self._keep_tags(track, target)
        resampler: AudioResampler | None = None

        def feed(packet: Packet[Any] | None) -> None:
            nonlocal resampler
            if resampler is None:  # the encoder's frame size is known once it is open
                context = target.codec_context
                resampler = AudioResampler(context.format, context.layout, context.rate, context.frame_size or None)
            frames: list[AudioFrame | None] = []
            for frame in _decoded(track, packet):
                if frame.pts is not None and frame.time_base:
                    frame.pts -= round(self._start / frame.time_base)
                frames += resampler.resample(frame)
            if packet is None:
                frames += resampler.resample(None)
            for frame in frames:
                self._output.mux(target.encode(frame))
            if packet is None:
                self._output.mux(target.encode(None))

        return feed

    def _as_text(self, track: Stream, codec: str) -> Feed:
        source_codec = _codec(track) or ""
        target = self._output.add_stream(codec)
        context: Any = target.codec_context
        context.subtitle_header = ASS_HEADER
        target.time_base = Fraction(1, 1000)
        context.time_base = Fraction(1, 1000)
        self._keep_tags(track, target)

        def feed(packet: Packet[Any] | None) -> None:
            text = "" if packet is None else text_of(bytes(packet), source_codec)
            if packet is None or not text or packet.pts is None:
                return
            shown = Packet(packet_of(text, codec))
            shown.time_base = Fraction(1, 1000)
            shown.pts = shown.dts = round((packet.pts * packet.time_base - self._start) * 1000)
            shown.duration = round((packet.duration or 0) * packet.time_base * 1000)
            shown.stream = target
            self._output.mux(shown)

        return feed


def _decoded(track: AudioStream, packet: Packet[Any] | None) -> list[AudioFrame]:
    # One bad packet is a click; refusing the whole clip for it would be worse.
    try:
        return track.decode(packet)
    except av.error.InvalidDataError:
        return []


def _codec(track: Stream) -> str | None:
    # PyAV types codec_context as always there; it is None for codecs without a decoder.
    context: Any = track.codec_context
    return context.codec.canonical_name if context else None


def shifted_chapters(source: InputContainer, start: Fraction, end_s: float) -> list[Any]:
    """The source's chapters on the delivered clip's clock, cut to it. `set_chapters` takes them as they are."""
    kept: list[Any] = []
    for chapter in source.chapters():
        base = chapter["time_base"] or Fraction(1, 1000)
        begins = max(Fraction(0), chapter["start"] * base - start)
        ends = min(Fraction(end_s).limit_denominator(1_000_000), chapter["end"] * base - start)
        if begins < ends:
            at_ms = {"start": round(begins * 1000), "end": round(ends * 1000), "time_base": Fraction(1, 1000)}
            kept.append({**chapter, **at_ms})
    return kept
