"""CLIP scores and aesthetics of prepared shots: right, asked once, and absent where no model is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffscaler.datasets import manifest as stored
from diffscaler.datasets.edits import caption_shot, set_thresholds
from diffscaler.errors import MediaError, ModelNotFound
from diffscaler.settings import Settings, read_settings
from tests.scorers.tiny import clip_folder, head_file
from tests.training.data.draw import clip, frames_folder, scene, travelling
from training.data import scorers
from training.data.command import summary
from training.data.footage import Frame
from training.data.manifest import read_manifest
from training.data.options import Options
from training.data.prepare import prepare
from training.data.reporting import Report
from training.data.scorers import Models, ScorerFailed
from training.data.scoring import Spread
from training.events import EventLog, Stopped
from training.finetune.sources import read_shots
from ui.prepare_grid import head

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings() -> Settings:
    """The studio's folders with a CLIP model and a head in its models folder."""
    settings = read_settings()
    clip_folder(settings.models_dir / "tiny-clip")
    head_file(settings.models_dir / "aesthetics" / "beauty.pth")
    return settings.model_copy(update={"device": "cpu", "threads": 1})


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A folder of nine frames, a video of two shots, and one without a caption."""
    folder = tmp_path / "footage"
    frames_folder(folder / "cloud", travelling(3, 9, 2.0), "a cloud moves")
    clip(folder / "a.mp4", np.concatenate([scene((200, 60, 50), 1, 14), scene((40, 90, 200), 2, 14)]), "red, then blue")
    clip(folder / "b.mp4", travelling(5, 12, 2.0))
    return folder


def prepared(folder: Path, dataset: Path, models: Models | None, stopped=lambda: False, workers: int = 2):
    return prepare(folder, dataset, Options(), Report(EventLog(dataset / "events.jsonl")), stopped, workers, models)


def scores(made: stored.Manifest) -> dict[str, tuple[float | None, float | None]]:
    return {
        f"{Path(one.path).name} {shot.start}": (shot.scores.clip, shot.scores.aesthetics) for one, shot in made.shots()
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the models are loaded, and how many frames and texts they are given."""
    from diffscaler.scorers.clip import Clip

    count = {"loads": 0, "frames": 0, "texts": 0}
    load, see, read = Models._load, Clip.see, Clip.read

    def counted(what, number, work):
        count[what] += number
        return work()

    monkeypatch.setattr(Models, "_load", lambda self: counted("loads", 1, lambda: load(self)))
    monkeypatch.setattr(Clip, "see", lambda self, given: counted("frames", len(given), lambda: see(self, given)))
    monkeypatch.setattr(Clip, "read", lambda self, given: counted("texts", len(given), lambda: read(self, given)))
    return count


def test_scores_are_those_of_the_librarys_model_on_first_middle_and_last_frame(tmp_path, settings, footage):
    from transformers import CLIPModel, CLIPProcessor

    made = prepared(footage, tmp_path / "set", Models.choose(settings))
    key = next(shot.key for one, shot in made.shots() if one.path.endswith("cloud"))
    caption_shot(tmp_path / "set", key, "a cloud moves\nsomething grey")
    twice = prepared(footage, tmp_path / "set", Models.choose(settings))
    folder = settings.models_dir / "tiny-clip"
    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)
    pictures = [Image.open(footage / "cloud" / f"frame{i}.png") for i in (0, 4, 8)]
    texts = ["a cloud moves", "something grey"]
    given = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
    head = head_file(tmp_path / "again.pth")
    with torch.no_grad():
        out = model(**given)
        each, rated = out.logits_per_image.mean(0).tolist(), float(head(out.image_embeds).mean())
    found, near = scores(made), lambda value: pytest.approx(max(0, value), abs=6e-4)  # kept with three decimals
    assert found["cloud 0"] == (near(each[0]), near(rated)) and each[0] > 0.1
    assert scores(twice)["cloud 0"] == (near(sum(each) / 2), near(rated)), "of several captions the mean"
    assert len({value for pair in found.values() for value in pair}) > 4, "they differ from shot to shot"
    assert found["b.mp4 0"][0] is None and found["b.mp4 0"][1] is not None, "no caption, no CLIP score"
    assert made.scorers == {"clip": "tiny-clip", "aesthetics": "beauty"} and made.complete
    assert stored.read(tmp_path / "set") == twice


def test_models_are_loaded_once_a_job_and_a_second_one_asks_only_for_what_is_missing(
    tmp_path, settings, footage, asked
):
    dataset = tmp_path / "set"
    first = prepared(footage, dataset, Models.choose(settings))
    assert asked == {"loads": 1, "frames": 3 * 4, "texts": 2}
    assert prepared(footage, dataset, Models.choose(settings)) == first
    assert asked == {"loads": 1, "frames": 12, "texts": 2}, "nothing was loaded"
    key = next(shot.key for one, shot in first.shots() if one.path.endswith("b.mp4"))
    caption_shot(dataset, key, "a dog runs")
    second = prepared(footage, dataset, Models.choose(settings))
    assert asked == {"loads": 2, "frames": 12, "texts": 3}, "one text"
    assert scores(second)["b.mp4 0"][0] is not None
    assert {k: v for k, v in scores(second).items() if k != "b.mp4 0"} == {
        k: v for k, v in scores(first).items() if k != "b.mp4 0"
    }
    head_file(settings.models_dir / "aesthetics" / "beauty.pth", seed=7)
    third = prepared(footage, dataset, Models.choose(settings))
    assert asked == {"loads": 3, "frames": 12, "texts": 3}, "another head rates what was seen"
    assert {a for a, _ in scores(third).values()} == {a for a, _ in scores(second).values()}
    assert not {b for _, b in scores(third).values()} & {b for _, b in scores(second).values()}
    clip_folder(settings.models_dir / "tiny-clip", seed=5)
    fourth = prepared(footage, dataset, Models.choose(settings))
    assert asked["frames"] == 24 and scores(fourth)["cloud 0"] != scores(third)["cloud 0"]


def test_a_data_set_prepared_without_models_is_scored_without_being_measured_again(
    tmp_path, settings, footage, monkeypatch
):
    from training.data import prepare as module

    fresh = prepared(footage, tmp_path / "fresh", Models.choose(settings))
    before = prepared(footage, tmp_path / "set", None)
    assert before.scorers == {} and set(scores(before).values()) == {(None, None)}
    monkeypatch.setattr(module, "measured", None)
    after = prepared(footage, tmp_path / "set", Models.choose(settings))
    assert scores(after) == scores(fresh) and after.clips == fresh.clips
    assert scores(prepared(footage, tmp_path / "set", None)) == scores(before), "gone with the model, kept in the cache"


@pytest.mark.parametrize("damage", ["short", "unreadable"])
def test_shots_that_can_not_be_looked_at_again_are_told_and_their_clip_stays(
    tmp_path, settings, footage, monkeypatch, damage
):
    from training.data import looks

    dataset, real = tmp_path / "set", looks.open_footage
    before = prepared(footage, dataset, None)

    def frames(found):
        yield from islice(found, 20)
        if damage == "unreadable":
            raise MediaError("It breaks off.")

    def opened(path, fps):
        found = real(path, fps)
        return replace(found, frames=frames(found.frames)) if path.name == "a.mp4" else found

    monkeypatch.setattr(looks, "open_footage", opened)
    made = prepared(footage, dataset, Models.choose(settings))
    assert [clip.path for clip in made.clips] == [clip.path for clip in before.clips] and made.complete
    assert scores(made)["a.mp4 0"][0] is not None and scores(made)["a.mp4 14"] == (None, None)
    (fault,) = stored.read(dataset).faults
    assert "a.mp4" in fault.where and "1 of its 2 shots could not be looked at" in fault.sentence
    assert ("fewer frames" if damage == "short" else "It breaks off.") in fault.sentence
    monkeypatch.setattr(looks, "open_footage", real)
    mended = prepared(footage, dataset, Models.choose(settings))
    assert mended.faults == () and scores(mended)["a.mp4 14"][0] is not None


def test_an_edit_has_no_score_until_its_words_were_compared(tmp_path, settings, footage):
    dataset = tmp_path / "set"
    made = prepared(footage, dataset, Models.choose(settings))
    one, shot = next((one, shot) for one, shot in made.shots() if one.path.endswith("cloud"))
    was = shot.scores.clip
    caption_shot(dataset, shot.key, "a dog runs")
    now = scores(stored.read(dataset))["cloud 0"]
    assert now == (None, shot.scores.aesthetics)
    caption_shot(dataset, shot.key, "\n".join(one.captions))
    assert scores(prepared(footage, dataset, Models.choose(settings)))["cloud 0"][0] == was


def test_limits_leave_out_what_scores_too_low_and_let_in_what_has_no_score(tmp_path, settings, footage):
    made = prepared(footage, tmp_path / "set", Models.choose(settings))
    found = scores(made)
    highest = max(fit for fit, _ in found.values() if fit is not None)
    set_thresholds(tmp_path / "set", replace(made.thresholds, clip_min=highest))
    data = read_manifest(tmp_path / "set", captions_needed=False)
    below = sum(fit is not None and fit < highest for fit, _ in found.values())
    assert data.left_out == {"unlike its caption": below} and below > 0 and len(data) == len(found) - below
    assert any(item.path.name == "b.mp4" for item in data)
    set_thresholds(tmp_path / "set", replace(made.thresholds, aesthetics_min=max(b for _, b in found.values())))
    assert read_manifest(tmp_path / "set", captions_needed=False).left_out == {"little liked": len(found) - 1}


def test_a_limit_that_shots_without_a_score_pass_is_told_wherever_the_data_set_is_read(tmp_path, settings, footage):
    dataset = tmp_path / "set"
    made = prepared(footage, dataset, Models.choose(settings))
    set_thresholds(dataset, replace(made.thresholds, clip_min=99.0))
    gone = prepared(footage, dataset, None)
    sentence = "The limit on CLIP score is not applied to 4 shots, which have none"
    assert sentence in summary(gone) and sentence in head("set", gone, gone.thresholds)
    told: list[str] = []
    read_shots(str(dataset), 8.0, captions_needed=False, warn=told.append)
    assert len(told) == 1 and sentence in told[0]
    scored = prepared(footage, dataset, Models.choose(settings))
    assert "is not applied to 1 shot, which has none" in summary(scored), "the one without a caption"
    set_thresholds(dataset, replace(made.thresholds, clip_min=None))
    assert "not applied" not in summary(stored.read(dataset))


def test_a_head_for_another_clip_ends_the_job_by_name_and_loses_no_edit(tmp_path, settings, footage):
    before = prepared(footage, tmp_path / "set", None)
    head_file(settings.models_dir / "aesthetics" / "beauty.pth", 40)
    with pytest.raises(ScorerFailed, match="beauty reads 40 numbers of a picture; tiny-clip gives 24") as caught:
        prepared(footage, tmp_path / "set", Models.choose(settings))
    assert "--clip-model none" in caught.value.hint and stored.read(tmp_path / "set") == before
    assert prepared(footage, tmp_path / "set", Models.choose(settings, head="none")).scorers == {"clip": "tiny-clip"}


def test_weights_that_are_no_numbers_end_the_job(tmp_path, settings, footage):
    from safetensors.torch import load_file, save_file

    file = settings.models_dir / "tiny-clip" / "model.safetensors"
    state = load_file(file)
    state["visual_projection.weight"].fill_(float("nan"))
    save_file(state, file, {"format": "pt"})
    with pytest.raises(ScorerFailed, match="weights are damaged"):
        prepared(footage, tmp_path / "set", Models.choose(settings))
    assert not (tmp_path / "set" / "seen.jsonl").exists()


def test_memory_that_runs_out_is_a_sentence_and_no_fault_of_a_clip(tmp_path, settings, footage, monkeypatch):
    from diffscaler.errors import NotEnoughRoom
    from diffscaler.scorers.clip import Clip

    def full(self, pixels):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Clip, "see", full)
    with pytest.raises(NotEnoughRoom, match="not enough for tiny-clip"):
        prepared(footage, tmp_path / "set", Models.choose(settings))


def test_a_stopped_job_keeps_what_was_seen_and_the_next_one_goes_on(tmp_path, settings, asked):
    folder = tmp_path / "footage"
    for i in range(8):
        frames_folder(folder / f"clip{i}", travelling(i, 6, 2.0), f"clip {i}")
    log = Report(EventLog(tmp_path / "set" / "events.jsonl"))
    with pytest.raises(Stopped):
        prepare(folder, tmp_path / "set", Options(), log, lambda: log.done >= 4, 1, Models.choose(settings))
    kept = asked["frames"]
    assert 0 < kept < 24
    with (tmp_path / "set" / "seen.jsonl").open("ab") as file:
        file.write(b'{"clip": "half a li')
    made = prepared(folder, tmp_path / "set", Models.choose(settings))
    assert made.complete and all(fit is not None for fit, _ in scores(made).values())
    assert asked["frames"] == 24 and asked["texts"] == 8
    events = [json.loads(line) for line in (tmp_path / "set" / "events.jsonl").read_text().splitlines()]
    assert [(e["done"], e["clips"]) for e in events if e["event"] == "scored"][-1] == (8, 8)


@pytest.mark.parametrize("length", [*range(1, 40), 100, 257])
def test_three_frames_are_the_first_the_middle_and_the_last(length):
    spread = Spread()
    for i in range(length):
        spread.add(Frame(i, i / 24, lambda side, i=i: np.full((1, 1, 3), i, np.uint16)))  # type: ignore[arg-type, return-value]
    three = [int(frame[0, 0, 0]) for frame in spread.three()]
    assert three[0] == 0 and three[-1] == length - 1 and len(three) == min(length, 3) == len(set(three))
    assert length < 3 or abs(three[1] - (length - 1) / 2) <= max(1, length / 8)


def test_nothing_is_chosen_where_nothing_is_installed_and_names_are_looked_up(settings, tmp_path):
    bare = settings.model_copy(update={"data_dir": tmp_path / "other"})
    assert Models.choose(bare) is None and Models.choose(settings, clip="none") is None
    both = Models.choose(settings)
    assert both is not None and both.titles == {"clip": "tiny-clip", "aesthetics": "beauty"}
    with pytest.raises(ModelNotFound, match="no model called 'other'"):
        Models.choose(settings, clip="other")
    with pytest.raises(ModelNotFound, match="beauty rates what a CLIP model sees"):
        Models.choose(settings, clip="none", head="beauty")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", "prepare", *arguments], cwd=REPOSITORY, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_command_scores_limits_and_says_what_would_bring_a_score(tmp_path, footage):
    where = [str(footage), "-o", str(tmp_path / "set")]
    bare = command(*where)
    assert bare.returncode == 0 and "no CLIP score, no aesthetics: `models get clip-vit-large-patch14`" in bare.stdout
    refused = command(*where, "--limit", "clip_min=3")
    assert refused.returncode == 1 and "clip_min limits a score that no model here gives" in refused.stderr
    wrong = command(*where, "--limit", "beauty=3")
    assert wrong.returncode == 2 and "aesthetics_min" in wrong.stderr
    models = read_settings().models_dir
    clip_folder(models / "tiny-clip")
    made = command(*where, "--device", "cpu", "--limit", "clip_min=99", "--limit", "text_max=none")
    assert made.returncode == 0, made.stderr
    assert "3 left out: unlike its caption" in made.stdout and "no aesthetics: LAION" in made.stdout
    read = stored.read(tmp_path / "set")
    assert read.scorers == {"clip": "tiny-clip"} and (read.thresholds.clip_min, read.thresholds.text_max) == (99, None)
    assert all(shot.scores.aesthetics is None for _, shot in read.shots())
    (models / "tiny-clip" / "model.safetensors").write_bytes(b"damaged")
    damaged = command(*where)
    assert damaged.returncode == 1 and "tiny-clip cannot be loaded" in damaged.stderr
    assert "Traceback" not in damaged.stderr and "--clip-model none" in damaged.stderr
    without = command(*where, "--clip-model", "none")
    assert without.returncode == 0 and "no CLIP score yet: Prepare again" in without.stdout
    assert scorers.GO_WITHOUT in damaged.stderr
