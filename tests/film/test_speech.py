"""Scratch dialogue: how the speech program is called, whom it sounds like, and what is said when there is none."""

from __future__ import annotations

import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from diffscaler.engine import Engine
from diffscaler.errors import DiffScalerError, InvalidRequest, ScriptError
from diffscaler.film.sound_choice import heard, sound_start
from diffscaler.film.speak_stage import Speak, SpeakParams
from diffscaler.film.speech import SpeechFailed, Voice, speak, speech_program, version_of
from diffscaler.film.voices import MEN, WOMEN, voices_for
from diffscaler.plan import Node, node
from diffscaler.video.mix import RATE
from tests.fakes import FakeWatcher
from tests.film.speaking import FakeSpeech

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for espeak-ng is a script with a #! line")


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSpeech:
    fake = FakeSpeech(tmp_path)
    monkeypatch.setenv("PATH", fake.path)
    return fake


def line(text: str, room_s: float = 10.0, **more: object) -> Node:
    params = {"text": text, "room_s": room_s, "program": "espeak-ng 9.87", **more}
    return node(Speak(SpeakParams.model_validate(params), ()))


def sound(engine: Engine, at: Node) -> np.ndarray:
    engine.run(at, FakeWatcher())
    (chunk,) = engine.library.read(at.key)
    assert chunk.tensors["rate"].tolist() == [RATE]
    return chunk.tensors["samples"]


def test_what_is_said_reaches_the_program_on_its_input_and_never_as_an_argument(
    speech: FakeSpeech, tmp_path: Path
) -> None:
    program, target = speech_program(), tmp_path / "out.wav"
    assert program is not None and version_of(program) == "espeak-ng 9.87"
    text = "--help -w /tmp/x; $(reboot) `id` [[hEl@U]] “Zoë”, さくら\n-f /etc/passwd"
    speak(program, text, Voice("en", "f2", 60), 150, target)
    (call,) = speech.calls
    assert call["arguments"] == ["-v", "en+f2", "-p", "60", "-s", "150", "-b", "1", "-w", str(target), "--stdin"]
    assert call["said"] == text.replace("[[", " ").replace("]]", " ") + "\n"
    with wave.open(str(target)) as file:
        assert file.getnframes() > 2000


def test_a_line_begins_with_its_first_sound_and_is_spoken_once(engine: Engine, speech: FakeSpeech) -> None:
    at = line("one two three four")
    samples = sound(engine, at)
    assert samples.shape[0] == 1 and samples.dtype == np.float32
    assert np.abs(samples[0, :48]).max() > 0.01, "the silence before it is gone"
    assert samples.shape[1] / RATE == pytest.approx(4 / 160 * 60, abs=0.02)
    assert engine.missing(line("one two three four")) == [] and len(speech.calls) == 1
    assert engine.missing(line("one two three four", variant="f2")) != []


def test_a_line_that_is_too_long_is_spoken_faster_and_one_that_cannot_be_is_told(
    engine: Engine, speech: FakeSpeech
) -> None:
    words = "and on " * 8  # six seconds at the usual pace
    assert sound(engine, line(words, 5.0)).shape[1] / RATE <= 5.0
    long = line(words, 2.0)
    assert sound(engine, long).shape[1] / RATE > 3.0
    assert [call["arguments"][5] for call in speech.calls] == ["160", "202", "160", "280"]
    (note,) = engine.library.clip(long.key).notes
    assert note.startswith("“and on and on") and "s longer than its shot lasts" in note


def test_a_program_that_fails_is_told_with_its_own_words(engine: Engine, speech: FakeSpeech, tmp_path: Path) -> None:
    with pytest.raises(SpeechFailed, match="espeak-ng failed: voice does not exist"):
        sound(engine, line("please fail"))
    (speech.folder / "espeak-ng").write_text("#!/nowhere/at/all\n")
    with pytest.raises(DiffScalerError, match="espeak-ng cannot be started"):
        heard("auto")


def test_without_a_program_the_film_says_that_it_is_silent_and_why(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    none = heard("auto")
    assert none.program == ""
    assert none.sentence(0, "") == ("The film is silent: espeak-ng is not installed, so nobody speaks the dialogue.")
    assert heard("off").sentence(0, "") == "The film is silent: --speech is off."
    assert heard("off").sentence(0, "sea.wav") == "Heard: sea.wav; no scratch dialogue: --speech is off."
    with pytest.raises(SpeechFailed, match="no longer installed"):
        sound(engine, line("hello"))


def test_a_film_says_who_speaks(speech: FakeSpeech) -> None:
    assert heard("auto").sentence(3, "") == "Heard: 3 lines of scratch dialogue spoken by espeak-ng 9.87."
    assert heard("auto").sentence(0, "") == "The film is silent: nobody speaks in these scenes."


def test_everybody_keeps_a_voice_of_their_own() -> None:
    looks = {"MIRA": "a woman", "JONAS": "a man with an umbrella", "OTTO": "a man"}
    found = voices_for(["OTTO", "MIRA", "JONAS"], looks)
    assert found["MIRA"] in WOMEN and found["JONAS"] in MEN and found["OTTO"] in MEN
    assert len(set(found.values())) == 3
    assert voices_for(["JONAS", "OTTO", "MIRA", "PEPPER"], looks) | found == voices_for(
        ["PEPPER", "MIRA", "OTTO", "JONAS"], looks
    )
    crowd = voices_for([f"WOMAN {n}" for n in range(40)], {f"WOMAN {n}": "a woman" for n in range(40)})
    assert len(crowd) == 40 and set(crowd.values()) == set(WOMEN)


def test_ones_own_sound_begins_at_seconds_or_a_timecode() -> None:
    assert sound_start("-2.5", "01:00:00:00", "24") == -60
    assert sound_start("0.1", "01:00:00:00", "29.97") == 3
    assert sound_start("01:00:10:12", "01:00:00:00", "24") == 252
    assert sound_start("00:59:59:00", "01:00:00:00", "25") == -25
    with pytest.raises(InvalidRequest, match="'soon' is no time"):
        sound_start("soon", "01:00:00:00", "24")
    with pytest.raises(ScriptError, match="no timecode"):
        sound_start("01:00:00:99", "01:00:00:00", "24")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_ng_itself_speaks(engine: Engine) -> None:
    voice = voices_for(["MIRA"], {"MIRA": "a woman"})["MIRA"]
    program = speech_program()
    assert program is not None
    params = {"text": "There is always another bus.", "variant": voice[0], "pitch": voice[1], "room_s": 4.0}
    at = node(Speak(SpeakParams(program=version_of(program), **params), ()))
    samples = sound(engine, at)
    assert 0.8 < samples.shape[1] / RATE < 4.0 and 0.05 < np.abs(samples).max() <= 1
