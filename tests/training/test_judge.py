import json

import numpy as np
import pytest
import torch

from training.config import TrainingConfig
from training.events import StopSignal
from training.judge.factors import FACTORS, applies, truth_of
from training.judge.measure import flow_direction, interval, motion, score, static_flicker, table
from training.judge.network import Judge, seen, to_input
from training.judge.recipe import JudgeStage, drawn, load_judge, train_judge
from training.scenes.captions import caption_of
from training.scenes.render import render_clip
from training.scenes.spec import draw_spec, make_spec

pytestmark = pytest.mark.usefixtures("emoji_font")


class Omniscient(Judge):
    """Answers what it is told to, whatever it sees."""

    def __init__(self, rows):
        super().__init__()
        self.rows = iter(rows)

    def forward(self, clips):
        row = next(self.rows)
        return {name: torch.eye(len(classes))[row[i]][None] for i, (name, classes) in enumerate(FACTORS.items())}


def test_a_scenes_truth_has_a_class_for_every_factor():
    from dataclasses import asdict

    for seed in range(300):
        truth = truth_of(asdict(draw_spec(seed)))
        assert list(truth) == list(FACTORS)
        assert all(0 <= truth[name] < len(FACTORS[name]) for name in FACTORS)
    assert FACTORS["colour"][truth_of(asdict(make_spec(subject="car", colour="red")))["colour"]] == "usual"
    assert not applies("prop", asdict(make_spec()), "") and applies("prop", asdict(make_spec(prop="laptop")), "")


def test_a_stopped_judge_goes_on_to_the_same_weights_and_is_read_back(tmp_path):
    def config(name):
        return TrainingConfig(
            recipe="judge", output_dir=str(tmp_path / name), init="", data="scenes", num_scenes=12, size=32,
            judge_steps=6, judge_batch=4, num_tests=4, learning_rate=1e-3, sample_every=0, threads=1, device="cpu",
        )  # fmt: skip

    class AfterThree(StopSignal):
        def __bool__(self):
            self.asked = getattr(self, "asked", 0) + 1
            return self.asked > 3

    whole = load_judge(train_judge(config("whole"), StopSignal()))
    assert train_judge(config("stopped"), AfterThree()) is None
    resumed = load_judge(train_judge(config("stopped"), StopSignal()))
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], rtol=2e-3, atol=1e-4), name
    assert set(resumed.accuracy) == set(FACTORS) and all(0 <= share <= 1 for share in resumed.accuracy.values())
    clip, _ = render_clip(draw_spec(1), 48, 16)
    out = resumed(to_input(seen(clip)[None]))
    assert {name: values.shape[1] for name, values in out.items()} == {k: len(v) for k, v in FACTORS.items()}


def test_a_run_can_be_stopped_while_its_scenes_are_drawn(tmp_path, monkeypatch):
    from training import commands

    class Now(StopSignal):
        def __bool__(self):
            return True

    monkeypatch.setattr(commands, "DRAWN_PER_EVENT", 2)
    monkeypatch.setattr("training.judge.recipe.PART", 2)
    for recipe in ("mini", "judge"):
        config = TrainingConfig(
            recipe=recipe, output_dir=str(tmp_path / recipe), init="", data="scenes", num_scenes=8, size=32,
            num_frames=8, vae_steps=1, image_steps=1, judge_steps=1, num_tests=4, threads=1, device="cpu",
        )  # fmt: skip
        assert commands.run(config, Now()) is None
        events = (tmp_path / recipe / "events.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(event)["event"] for event in events] == ["drawing", "stopped"]


def test_the_judges_loss_falls():
    clips, truth = drawn(1, 8, 32, 1, False)
    stage = JudgeStage(clips, truth, 40, 8, 2e-3, 0)
    losses = [stage.step(i)[0] for i in range(40)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_a_missing_judge_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="judge"):
        load_judge(tmp_path)


def test_scores_count_right_answers_and_hold_back_what_the_judge_cannot_read():
    from dataclasses import asdict

    scenes = [draw_spec(1_000_000 + i, True) for i in range(12)]
    captions = [caption_of(scene) for scene in scenes]
    truth = [list(truth_of(asdict(scene)).values()) for scene in scenes]
    wrong = [
        [(value + 1) % len(classes) for value, classes in zip(row, FACTORS.values(), strict=True)] for row in truth
    ]
    blank = [np.zeros((16, 8, 8, 3), np.uint8)] * 12
    rows = {r.factor: r for r in score(Omniscient(truth[:6] + wrong[6:] + truth), scenes, captions, blank, blank)}
    assert rows["subject"].right == 6 and all(row.renders == 1 for row in rows.values())
    assert rows["subject"].classes == len({scene.subject for scene in scenes})
    # A wrong answer where nobody asked for a prop is a prop nobody wanted.
    free = [i for i, scene in enumerate(scenes) if scene.prop == "none"]
    if "prop" in rows:
        assert rows["prop"].uninvited == pytest.approx(sum(i >= 6 for i in free) / len(free))
    shown = table(list(rows.values()), {"subject": 0.99})
    assert "6 of  12" in shown and shown.count("not reported") == len(rows) - 1


def test_a_direction_counts_only_where_the_caption_names_it():
    from dataclasses import asdict

    record = asdict(make_spec(subject="dog", action="run", facing=1))
    assert applies("direction", record, "a dog running to the right on a beach")
    assert applies("direction", record, "EXT. BEACH - DAY. A dog runs right.")
    assert not applies("direction", record, "a dog running on a beach, pan right")


@pytest.mark.parametrize("facing", [-1, 1])
@pytest.mark.parametrize(("subject", "action"), [("dog", "run"), ("car", "drive"), ("helicopter", "fly")])
def test_flow_sees_where_a_render_goes(subject, action, facing):
    clip, _ = render_clip(make_spec(3, subject, "beach", action, facing), 128, 16)
    assert flow_direction(clip) == facing


def test_a_still_clip_goes_nowhere_and_does_not_flicker():
    clip = np.repeat(render_clip(make_spec(3, "car", "road"), 64, 1)[0], 8, axis=0)
    assert flow_direction(clip) == 0 and static_flicker(clip) == 0
    noise = np.random.default_rng(0).integers(-9, 10, clip.shape)
    boiling = (clip.astype(int) + noise).clip(0, 255).astype(np.uint8)
    assert static_flicker(boiling) > 2
    moved = motion([make_spec(3, "car", "road")], ["a car"], [boiling], [clip], lambda given: given)
    assert (moved.direction_asked, moved.flicker_vae) == (0, 0) and moved.flicker > 2


def test_the_interval_is_wilsons():
    low, high = interval(9, 10)
    assert (round(low, 3), round(high, 3)) == (0.596, 0.982) and interval(0, 0) == (0.0, 1.0)
