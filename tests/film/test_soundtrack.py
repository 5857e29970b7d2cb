"""Sound and subtitles of a film: in step to the frame, read back from the file as a player would."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from diffscaler.engine import Engine
from diffscaler.errors import MediaError
from diffscaler.media import Chunk, ClipMeta, Stream, TensorChunk
from diffscaler.plan import Node, node
from diffscaler.screenplay.rates import RATES
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.stages import STAGES
from diffscaler.video.mix import RATE, Laid, write_laid, write_shifted
from diffscaler.video.probe import probe
from diffscaler.video.soundtrack import Caption, Soundtrack
from diffscaler.video.stage import Encode, EncodeParams
from diffscaler.video.subtitles import text_of
from diffscaler.video.wav import write_wav
from tests.fakes import FakeClip, FakeClipParams, FakeWatcher


class FakeToneParams(Params):
    hertz: int = 440
    seconds: float = 0.5


class FakeTone:
    """A tone from its first sample on."""

    name, version, lookback, joins = "fake_tone", 1, None, False
    Params = FakeToneParams

    def __init__(self, params: FakeToneParams, models: tuple[ModelRef, ...] = ()) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        yield TensorChunk({"samples": tone(self.params.hertz, self.params.seconds), "rate": np.array([RATE])})


def tone(hertz: int, seconds: float) -> np.ndarray:
    return (0.5 * np.cos(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)[None]


@pytest.fixture(autouse=True)
def tones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "fake_tone", "tests.film.test_soundtrack:FakeTone")


def delivered(engine: Engine, track: Soundtrack, *sounds: Node, frames: int = 40, encoding: str = "auto") -> Path:
    clip = node(FakeClip(FakeClipParams(frames=frames, width=64, height=48)))  # eight frames a second
    root = node(Encode(EncodeParams(encoding=encoding, soundtrack=track), ()), clip, *sounds)
    engine.run(root, FakeWatcher())
    return engine.library.path(root.key)


def heard(path: Path, track: int = 0) -> tuple[np.ndarray, int]:
    """(samples of a sound track, float32 (channels, N), on the file's own clock from 0, their rate)."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        samples = np.zeros((stream.channels, RATE * 60), np.float32)
        end = 0
        for frame in container.decode(stream):
            start = round(float(frame.pts * frame.time_base) * frame.sample_rate)
            block = frame.to_ndarray()
            if block.shape[0] != stream.channels:
                block = block.reshape(-1, stream.channels).T
            scale = 1 if block.dtype.kind == "f" else float(np.iinfo(block.dtype).max)
            samples[:, start : start + frame.samples] = block[:, : frame.samples] / scale
            end = start + frame.samples
        return samples[:, :end], stream.rate


def onset_s(samples: np.ndarray, rate: int) -> float:
    return int(np.flatnonzero(np.abs(samples).max(axis=0) > 0.1)[0]) / rate


def shown(path: Path) -> list[tuple[float, float, str]]:
    """(seconds from, to, text) of the subtitles."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        return [
            (float(packet.pts * packet.time_base), float((packet.pts + packet.duration) * packet.time_base), text)
            for packet in container.demux(stream)
            if packet.pts is not None and (text := text_of(bytes(packet), stream.codec_context.name))
        ]


def test_lines_are_heard_at_their_frames_and_subtitles_stand_at_theirs(engine: Engine) -> None:
    track = Soundtrack(
        captions=(Caption(start=3, stop=10, text="Run, dog!"), Caption(start=17, stop=25, text="- Yes.\n- Nö & <b>")),
        laid=(17, 3),
    )
    sounds = node(FakeTone(FakeToneParams(hertz=880))), node(FakeTone(FakeToneParams(hertz=440)))
    path = delivered(engine, track, *sounds)
    info = probe(path)
    assert (info.num_frames, len(info.audio), info.subtitles) == (40, 1, 1)
    assert (info.audio[0].codec, info.audio[0].language, info.audio[0].sample_rate) == ("aac", "eng", RATE)
    assert info.audio[0].duration_s == pytest.approx(info.duration_s, abs=0.05)
    samples, rate = heard(path)
    frame_s = 1 / float(info.fps)
    assert onset_s(samples, rate) == pytest.approx(3 * frame_s, abs=0.01)
    second = samples[:, round(12 * frame_s * rate) :]
    assert onset_s(second, rate) + 12 * frame_s == pytest.approx(17 * frame_s, abs=0.01)
    pitch = np.abs(np.fft.rfft(second[0, round(5.5 * frame_s * rate) :][: rate // 4]))
    assert np.argmax(pitch) * 4 == pytest.approx(880, abs=8), "each line at its own place"
    assert shown(path) == [
        (pytest.approx(3 * frame_s, abs=1e-3), pytest.approx(10 * frame_s, abs=1e-3), "Run, dog!"),
        (pytest.approx(17 * frame_s, abs=1e-3), pytest.approx(25 * frame_s, abs=1e-3), "- Yes.\n- Nö & <b>"),
    ]


@pytest.mark.parametrize(("language", "told"), [("pt-br", "por"), ("de", "ger"), ("eo", "und")])
def test_a_language_with_a_country_is_told_as_the_language(engine: Engine, language: str, told: str) -> None:
    track = Soundtrack(laid=(3,), language=language)
    (audio,) = probe(delivered(engine, track, node(FakeTone(FakeToneParams())))).audio
    assert audio.language == told


@pytest.mark.parametrize("encoding", ["h264", "prores", "dnxhr", "webm"])
def test_every_container_keeps_sound_in_step(engine: Engine, encoding: str) -> None:
    clip = node(FakeClip(FakeClipParams(frames=16, width=256, height=120)))
    track = Soundtrack(captions=(Caption(start=2, stop=6, text="Now"),), laid=(9,))
    root = node(Encode(EncodeParams(encoding=encoding, soundtrack=track), ()), clip, node(FakeTone(FakeToneParams())))
    engine.run(root, FakeWatcher())
    path = engine.library.path(root.key)
    assert onset_s(*heard(path)) == pytest.approx(9 / 8, abs=0.015)
    assert [text for _, _, text in shown(path)] == ["Now"]


def own_sound(engine: Engine, tmp_path: Path, seconds: float = 2.0, rate: int = 22050) -> str:
    """A file of one's own: half a second of silence, then a loud tone on the left alone."""
    at = np.arange(round(seconds * rate)) / rate
    left = np.where(at >= 0.5, 0.8 * np.cos(2 * np.pi * 300 * at), 0)
    return engine.library.add_sound(write_wav(tmp_path / "own.wav", np.stack([left, left * 0]), rate))


@pytest.mark.parametrize(("at", "onset"), [(0, 0.5), (8, 1.5), (-2, 0.25), (-400, None), (400, None)])
def test_ones_own_sound_begins_where_it_is_laid(engine: Engine, tmp_path: Path, at: int, onset: float | None) -> None:
    path = delivered(engine, Soundtrack(own=own_sound(engine, tmp_path), own_at=at))
    samples, rate = heard(path)
    assert samples.shape[0] == 2 and probe(path).audio[0].duration_s == pytest.approx(5.0, abs=0.05)
    if onset is None:
        assert np.abs(samples).max() < 0.01
    else:
        assert onset_s(samples, rate) == pytest.approx(onset, abs=0.01)
        assert np.abs(samples[1]).max() < 0.05, "left stays left"


def test_ones_own_sound_lies_under_the_dialogue_or_on_a_track_of_its_own(engine: Engine, tmp_path: Path) -> None:
    own, line = own_sound(engine, tmp_path), node(FakeTone(FakeToneParams(seconds=0.25)))
    mixed = delivered(engine, Soundtrack(own=own, laid=(24,)), line)
    samples, rate = heard(mixed)
    assert len(probe(mixed).audio) == 1
    assert np.abs(samples[0, rate : rate * 3 // 2]).max() == pytest.approx(0.4, abs=0.06), "at half its level"
    assert onset_s(samples[:, round(2.5 * rate) :], rate) + 2.5 == pytest.approx(3.0, abs=0.01)
    apart = delivered(engine, Soundtrack(own=own, laid=(24,), mixed=False), line)
    with av.open(str(apart)) as container:
        names = [stream.metadata.get("handler_name") for stream in container.streams.audio]
    assert names == ["Scratch dialogue", "Sound"]
    assert [track.channels for track in probe(apart).audio] == [1, 2]
    assert onset_s(*heard(apart, 0)) == pytest.approx(3.0, abs=0.01)
    assert onset_s(*heard(apart, 1)) == pytest.approx(0.5, abs=0.01)
    loud, rate = heard(apart, 1)
    assert np.abs(loud[0, rate : rate * 3 // 2]).max() == pytest.approx(0.8, abs=0.08)


def test_a_soundtrack_is_part_of_the_key_and_its_absence_changes_no_key() -> None:
    assert "soundtrack" not in EncodeParams().model_dump(mode="json")
    assert EncodeParams(soundtrack=Soundtrack(laid=(3,))).model_dump(mode="json")["soundtrack"]["laid"] == [3]


def test_what_holds_no_sound_is_refused_in_a_sentence(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello, this is not a sound")
    silent = delivered(engine, Soundtrack(), frames=2)
    for path in (tmp_path / "text.wav", tmp_path / "none.wav", silent):
        with pytest.raises(MediaError):
            engine.library.add_sound(path)


@pytest.mark.parametrize("rate", RATES)
def test_sounds_lie_on_their_sample_over_any_length(tmp_path: Path, rate: str) -> None:
    frames = [0, 1, 23, 1439, 2877]
    places = [round(Fraction(frame) / RATES[rate] * RATE) for frame in frames]
    click = np.ones((1, 5), np.float32)
    total = round(3000 / RATES[rate] * RATE)
    said = write_laid(tmp_path / "laid.wav", (Laid(click, at) for at in places), total)
    both = write_shifted(tmp_path / "both.wav", said, 100, total, 0.5, said)
    with wave.open(str(said)) as file:
        samples = np.frombuffer(file.readframes(total), "<i2")
        assert file.getnframes() == total
    assert np.flatnonzero(samples).tolist() == [at + n for at in places for n in range(5)]
    with wave.open(str(both)) as file:
        left = np.frombuffer(file.readframes(total), "<i2").reshape(-1, 2)[:, 0]
    loud = np.flatnonzero(left > 30000)
    assert loud.tolist() == [at + n for at in places for n in range(5)] and len(left) == total
    assert np.flatnonzero((left > 10000) & (left < 20000)).tolist() == [at + 100 + n for at in places for n in range(5)]
