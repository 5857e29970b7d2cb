"""A delivery of any clip: what is planned, what is refused, and the command end to end with a real worker."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from diffscaler.engine import missing
from diffscaler.errors import InvalidRequest
from diffscaler.recipes import request_from
from diffscaler.requests import DeliverRequest, MeasureRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video import encodings
from diffscaler.video.probe import probe
from tests.video.make import VFR_END, VFR_TIMES, beep_onsets, numbered, vfr_with_sound
from tests.video.make import video as make_video
from ui.commands import run


@pytest.fixture
def studio(settings: Settings) -> Studio:
    return Studio(settings)


def deliver(studio: Studio, clip: str, **values: Any) -> dict[str, Any]:
    return studio.recipe(DeliverRequest(clip=clip, **values)).root.params


def test_a_plain_delivery_has_the_key_such_clips_always_had(studio: Studio, tmp_path: Path) -> None:
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(4)))
    params = deliver(studio, clip.key)
    assert set(params) == {"encoding", "quality", "bitrate_mbps", "about"}
    assert deliver(studio, clip.key, encoding="h264", bitrate_mbps=4)["passes"] == 4


def test_a_deep_file_goes_deep_only_to_an_encoder_that_can(studio: Studio, tmp_path: Path) -> None:
    deep = studio.add_file(make_video(tmp_path / "d.mkv", numbered(4), codec="ffv1", pix_fmt="yuv422p10le"))
    flat = studio.add_file(make_video(tmp_path / "f.mp4", numbered(4)))
    assert deliver(studio, deep.key, encoding="prores")["deep"] == deep.node.params["sha256"]
    assert "deep" not in deliver(studio, deep.key, encoding="h264")
    assert "deep" not in deliver(studio, flat.key, encoding="prores")


def test_frames_that_were_cleared_away_are_not_drawn_again(studio: Studio, tmp_path: Path) -> None:
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(4)))
    made = studio.recipe(UpscaleRequest(clip=clip.key, scale=2)).root
    meta = clip.meta.change(width=128, height=96)
    library = studio.library
    library.open(made, meta)
    from diffscaler.media import FileChunk

    library.store(made.key, FileChunk(make_video(tmp_path / "b.mp4", numbered(4, 96, 128)), 4))
    library.finish(made.key, meta)
    recipe = studio.recipe(DeliverRequest(clip=made.key, encoding="prores"))
    assert recipe.root.inputs[0].key == made.key
    assert [node.stage for node in missing(library, recipe.root)] == ["encode"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"timecode": "01:00:00:30", "encoding": "prores"}, "no timecode at 30"),
        ({"timecode": "01:00:00;10", "encoding": "prores"}, "no timecode at 30"),
        ({"timecode": "01:00:00:00", "encoding": "webm"}, "has no timecode track"),
        ({"reel": "A001", "encoding": "prores"}, "reel name stands with a timecode"),
    ],
)
def test_a_timecode_that_cannot_be_is_refused(
    studio: Studio, tmp_path: Path, values: dict[str, Any], says: str
) -> None:
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(4)))
    with pytest.raises(InvalidRequest, match=says):
        deliver(studio, clip.key, **values)
    with pytest.raises(ValidationError):
        DeliverRequest(clip=clip.key, timecode="1:2:3")


def test_uneven_times_have_no_timecode_until_they_are_made_constant(studio: Studio, tmp_path: Path) -> None:
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(40), VFR_TIMES, VFR_END))
    with pytest.raises(InvalidRequest, match="Uneven"):
        deliver(studio, clip.key, encoding="prores", timecode="01:00:00:00")
    recipe = studio.recipe(
        DeliverRequest(clip=clip.key, encoding="prores", timecode="01:00:00:00", frame_rate="constant")
    )
    meta = recipe.root.build().describe((clip.meta,))
    assert (meta.fps, meta.vfr, meta.num_frames) == (24, False, 48) or meta.fps == Fraction(24000, 1001)
    assert request_from(recipe.request_row()) == recipe.request


def test_an_encoder_that_is_missing_is_not_offered(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffscaler.doctor.samples import deliveries
    from ui.controls import encodings as choices

    monkeypatch.setattr(encodings, "_there", lambda encoder: encoder != "libsvtav1")
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(4)))
    with pytest.raises(InvalidRequest, match="AV1 10-bit MP4 cannot be written here: FFmpeg lacks libsvtav1"):
        deliver(studio, clip.key, encoding="av1")
    assert [name for _, name in choices(("auto", "h264", "av1"))] == ["auto", "h264"]
    with pytest.raises(LookupError, match=r"not offered: AV1 .*these work: H\.264"):
        deliveries()


def test_what_was_not_delivered_is_not_measured(studio: Studio, tmp_path: Path) -> None:
    clip = studio.add_file(make_video(tmp_path / "a.mp4", numbered(4)))
    with pytest.raises(InvalidRequest, match="was not delivered"):
        studio.recipe(MeasureRequest(clip=clip.key))


def test_the_command_delivers_for_an_edit_suite_a_phone_and_as_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
    source = str(vfr_with_sound(tmp_path, ".mov", "-metadata", "title=Rain"))
    edit = tmp_path / "edit.mov"
    assert (
        run(["deliver", source, "--preset", "edit-suite", "--rate", "30", "--reel", "A1", "-o", str(edit), "--json"])
        == 0
    )
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    info = probe(edit)
    assert (info.codec, info.num_frames, info.fps, info.vfr) == ("prores", 60, 30, False)
    assert (info.timecode, info.reel, info.metadata["title"]) == ("01:00:00:00", "A1", "Rain")
    assert [round(at, 1) for at, _ in beep_onsets(edit)] == [1.2, 1.2]
    assert info.manifest is not None and info.manifest["plan"]
    card = rows[-1]["card"]
    assert card["timecode"] == "01:00:00:00 A1" and card["sound"].startswith("2 tracks, in sync")
    assert card["flicker"].endswith("levels") and "bt709, limited" in card["colour"]
    notes = next(row for row in rows if row["state"] == "written")["notes"]
    assert "40 frames became 60 at 30 a second: 20 shown again, 0 left out." in notes

    assert run(["deliver", source, "--encoding", "pictures", "--matte", "1:1", "-o", str(tmp_path / "shots")]) == 0
    shots = sorted((tmp_path / "shots").iterdir())
    assert len([file for file in shots if file.suffix == ".png"]) == 40
    picture = next(iter(_pixels(shots)))
    assert picture.shape == (48, 64, 3) and (picture[:, :8] == 0).all() and picture[:, 20].any()
    assert "holds no sound" in capsys.readouterr().out
    assert run(["deliver", source, "--encoding", "pictures", "-o", str(tmp_path / "shots")]) == 1


def _pixels(files: list[Path]) -> list[np.ndarray]:
    from PIL import Image

    return [np.asarray(Image.open(file)) for file in files if file.suffix == ".png"][:1]
