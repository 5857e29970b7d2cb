"""The trainer, carried by the smallest recipe there is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.training.toy import ENTRY, ToyConfig
from training.carry_out import carry_out
from training.checkpoints import Checkpoints
from training.events import RunError, StopSignal
from training.health import Health
from training.options import RunConfig
from training.recipes import RECIPES
from training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(RECIPES, "toy", ENTRY)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class StopAfter(StopSignal):
    """Asks for a stop once the run has made so many steps."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks < 0


def run(folder, stop=None, **options):
    config = ToyConfig(recipe="toy", output_dir=str(folder), train_batch_size=4, **options)
    return carry_out(config, StopSignal() if stop is None else stop)


def events(folder, kind):
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def weights(folder):
    return torch.load(folder / "model" / "net.pt", weights_only=True)


def test_n_plus_m_steps_equal_n_steps_a_stop_and_m_more(tmp_path):
    options = {
        "max_train_steps": 30, "gradient_accumulation_steps": 2, "lr_scheduler": "cosine", "lr_warmup_steps": 5,
        "ema": True, "validate_every_steps": 7, "save_n_steps": 100,
    }  # fmt: skip
    run(tmp_path / "whole", **options)
    seed = random.randrange(1, 30)
    print("stopped after", seed)
    assert run(tmp_path / "parts", StopAfter(seed), **options) is None
    assert run(tmp_path / "parts", **options) is not None
    assert [e["step"] for e in events(tmp_path / "parts", "resumed")] == [seed]

    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    last = [events(tmp_path / name, "step")[-1]["loss"] for name in ("whole", "parts")]
    held = [events(tmp_path / name, "held-out")[-1]["loss"] for name in ("whole", "parts")]
    assert abs(held[0] - held[1]) <= 1e-6 and last[0] > 0


def test_a_constant_rate_warms_up_too(tmp_path):
    run(tmp_path, max_train_steps=12, lr_warmup_steps=8, learning_rate=0.09)
    rates = [event["lr"] for event in events(tmp_path, "step")]
    assert rates[0] == pytest.approx(0.09 * 5 / 9) and rates[-1] == 0.09


def test_it_learns_and_says_how_fast_and_in_how_much_memory(tmp_path):
    run(tmp_path, max_train_steps=100, run_validation_at_start=True)
    held = [event["loss"] for event in events(tmp_path, "held-out")]
    step = events(tmp_path, "step")[-1]
    assert held[-1] < held[0]
    assert step["steps_per_second"] > 0 and step["peak_memory_bytes"] > 2**20 and step["grad_norm"] > 0
    assert step["seconds_left"] == 0 and 0 <= step["loading_share"] <= 1
    assert Path(events(tmp_path, "sample")[-1]["path"]).is_file()
    assert events(tmp_path, "done")[-1]["model"] == str(tmp_path / "model")


def test_the_newest_and_the_best_checkpoints_stay(tmp_path):
    run(tmp_path, max_train_steps=60, save_n_steps=5, validate_every_steps=5, keep_checkpoints=2, explode_at=30)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 2)
    held = {event["step"]: event["loss"] for event in events(tmp_path, "held-out")}
    assert {s.step for s in checkpoints.all()} == {55, 60, min(held, key=held.__getitem__)}


@pytest.mark.parametrize("damage", ["cut", "garbled", "gone", "manifest"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, damage):
    run(tmp_path, max_train_steps=20, save_n_steps=5)
    newest = Checkpoints(tmp_path / "checkpoints", 3).all()[-1].folder
    file = newest / ("manifest.json" if damage == "manifest" else "optimizer.pt")
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(bytes(content) if damage == "garbled" else bytes(content[: len(content) // 2]))
    run(tmp_path, max_train_steps=25, save_n_steps=5)
    assert [event["step"] for event in events(tmp_path, "resumed")] == [15]
    assert any("damaged" in event["message"] for event in events(tmp_path, "warning"))
    assert len(events(tmp_path, "done")) == 2


def test_going_on_from_the_best_or_from_nothing_keeps_the_newer_ones_aside(tmp_path):
    options = {"save_n_steps": 5, "validate_every_steps": 5, "keep_checkpoints": 2}
    run(tmp_path, max_train_steps=30, explode_at=15, **options)
    folder = tmp_path / "checkpoints"
    best = Checkpoints(folder, 2).best().step
    run(tmp_path, max_train_steps=best + 5, resume="best", **options)
    assert events(tmp_path, "resumed")[-1]["step"] == best
    assert max(s.step for s in Checkpoints(folder, 2).all()) == best + 5
    assert (folder / "step-00000030.aside").is_dir()
    run(tmp_path, max_train_steps=5, resume="no", **options)
    assert [s.step for s in Checkpoints(folder, 2).all()] == [5] and len(events(tmp_path, "resumed")) == 1


def test_the_folder_says_what_its_run_was_told_last_and_a_refused_start_says_nothing(tmp_path):
    from training.config import load_config

    seed = random.randrange(2**31)
    print("seed", seed)
    run(tmp_path, max_train_steps=5, learning_rate=0.01)
    (tmp_path / "accelerate.yaml").write_text("fitted: by hand\n")
    run(tmp_path, max_train_steps=9, learning_rate=0.02, seed=seed)
    said = load_config(tmp_path / "run.toml")
    assert (said.max_train_steps, said.learning_rate, said.seed) == (9, 0.02, seed)
    assert (tmp_path / "accelerate.yaml").read_text() == "fitted: by hand\n"
    assert len(events(tmp_path, "launch")) == 1 and not list(tmp_path.glob("*.part"))
    with_options(tmp_path / "checkpoints" / "step-00000009", recipe="other")
    with pytest.raises(RunError, match="recipe other"):
        run(tmp_path, max_train_steps=99)
    assert load_config(tmp_path / "run.toml") == said


def test_a_full_disk_costs_a_checkpoint_but_not_the_run_or_the_one_before(tmp_path, monkeypatch):
    import errno

    from training import snapshot

    real, calls = snapshot.save_file, []

    def full_once(tensors, path, *args, **kwargs):
        calls.append(path)
        if "step-00000010" in str(path):
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path, *args, **kwargs)

    monkeypatch.setattr(snapshot, "save_file", full_once)
    run(tmp_path, max_train_steps=15, save_n_steps=5)
    kept = Checkpoints(tmp_path / "checkpoints", 3)
    assert [s.step for s in kept.all()] == [5, 15] and kept.whole(print).step == 15
    (warning,) = events(tmp_path, "warning")
    assert "step 10 could not be saved: the disk is full" in warning["message"]
    assert "The checkpoint of step 5 is kept." in warning["message"]
    assert not list((tmp_path / "checkpoints").glob("*.part"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("numbers", [3, 10**6])
def test_a_full_disk_is_told_from_a_mistake_of_ours(tmp_path, numbers):
    from training import snapshot
    from training.checkpoints import NotSaved

    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "optimizer.pt").symlink_to("/dev/full")
    with pytest.raises(NotSaved, match="the disk is full"), snapshot.writing(tmp_path / "part"):
        snapshot.write_torch({"state": torch.ones(numbers)}, tmp_path / "part" / "optimizer.pt")
    assert not (tmp_path / "part").exists()
    with pytest.raises(RuntimeError, match="shape"), snapshot.writing(tmp_path):
        torch.ones(2).view(3)
    assert tmp_path.is_dir()


def test_checkpoints_that_can_be_neither_marked_nor_dropped_cost_a_sentence_each(tmp_path, monkeypatch):
    from training import checkpoints

    real = os.replace

    def stubborn(source, target):
        if Path(source).name == "manifest.json.part" or (Path(target).suffix == ".part" and Path(source).is_dir()):
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(checkpoints.os, "replace", stubborn)
    run(tmp_path, max_train_steps=260, explode_at=150, save_n_steps=10, keep_checkpoints=1, learning_rate=1e-3)
    said = [event["message"] for event in events(tmp_path, "warning")]
    assert [any(word in sentence for sentence in said) for word in ("marked to be kept", "could not be removed")] == [
        True, True,
    ]  # fmt: skip
    assert len(said) == 2 and all("Permission denied" in sentence for sentence in said)
    assert len(events(tmp_path, "done")) == 1 and len(Checkpoints(tmp_path / "checkpoints", 1).all()) == 26
    monkeypatch.undo()
    assert Checkpoints(tmp_path / "checkpoints", 1).tidy() == ""


def test_newer_checkpoints_that_cannot_be_set_aside_are_a_sentence(tmp_path, monkeypatch):
    from training import checkpoints

    run(tmp_path, max_train_steps=5)

    def stubborn(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoints.os, "replace", stubborn)
    with pytest.raises(RunError, match="could not be set aside: Permission denied") as caught:
        run(tmp_path, max_train_steps=5, resume="no")
    assert caught.value.hint


def test_a_checkpoint_of_the_other_adam_is_refused_in_a_sentence_or_its_weights_are_taken(tmp_path):
    run(tmp_path, max_train_steps=5)
    with_options(next((tmp_path / "checkpoints").glob("step-*")), use_8bit_adam=True)  # which itself needs a card
    with pytest.raises(RunError, match="of 8-bit Adam, which 32-bit Adam cannot take over") as caught:
        run(tmp_path, max_train_steps=10)
    assert "use_8bit_adam to true" in caught.value.hint
    run(tmp_path, max_train_steps=10, disable_optimizer_restore=True)
    assert events(tmp_path, "resumed")[-1]["step"] == 5


def test_steps_without_finite_numbers_are_left_out(tmp_path):
    run(tmp_path, max_train_steps=20, nan_at=5, nan_for=3)
    assert len(events(tmp_path, "warning")) == 3
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_a_run_that_makes_no_numbers_any_more_ends_with_a_sentence_and_its_checkpoint(tmp_path):
    with pytest.raises(RunError, match="10 steps in a row") as error:
        run(tmp_path, max_train_steps=100, nan_at=50, nan_for=100, save_n_steps=20)
    assert "The checkpoint of step 40 is kept." in error.value.hint


def test_what_fp16s_scaler_leaves_out_is_no_mistake_until_no_scale_helps():
    trainer = Trainer.__new__(Trainer)
    trainer.accelerator = SimpleNamespace(scaler=torch.amp.GradScaler("cpu", init_scale=2.0**20), is_main_process=True)
    trainer.health, trainer.step = Health(3.0), 7
    said = []
    trainer.log = SimpleNamespace(warn=lambda step, sentence: said.append(sentence))
    trainer.keeper = SimpleNamespace(whats_kept=lambda: "The checkpoint of step 5 is kept.")
    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.0)

    def overflow():
        trainer.accelerator.scaler.scale(weight * float("inf")).backward()
        trainer.accelerator.scaler.step(optimizer)
        trainer.accelerator.scaler.update()
        optimizer.zero_grad()
        trainer.watch(0.5, float("inf"))

    for _ in range(20):
        overflow()
    assert said == [] and trainer.health.skipped == 0
    with pytest.raises(RunError, match="beyond fp16 at every scale, up to step 7") as caught:
        overflow()
    assert "bf16" in caught.value.hint and "step 5 is kept" in caught.value.hint
    # A loss that is no number is one in fp16 too.
    trainer.watch(float("nan"), float("nan"))
    assert len(said) == 1 and trainer.health.skipped == 1


def test_what_is_drawn_between_two_looks_changes_no_random_number():
    from training.snapshot import random_kept

    def drawn():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed = random.randrange(2**31)
    print("seed", seed)
    for start in (random.seed, np.random.seed, torch.manual_seed):
        start(seed)
    drawn()
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = drawn()
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    with pytest.raises(KeyError), random_kept():
        drawn()
        raise KeyError
    assert drawn() == expected


def test_a_loss_that_runs_away_sounds_the_alarm_and_keeps_the_last_good_checkpoint(tmp_path):
    run(tmp_path, max_train_steps=260, explode_at=150, save_n_steps=10, keep_checkpoints=1, learning_rate=1e-3)
    alarms = events(tmp_path, "warning")
    assert len(alarms) == 1 and "runs away" in alarms[0]["message"]
    good = [s for s in Checkpoints(tmp_path / "checkpoints", 1).all() if s.good]
    assert len(good) == 1 and good[0].step <= 150


def test_any_checkpoint_becomes_a_model_with_its_averaged_weights(tmp_path):
    from training.commands import export

    run(tmp_path, max_train_steps=8, save_n_steps=4, ema=True, ema_decay=0.5)
    for step in (4, 8):
        assert export([str(tmp_path / "checkpoints" / f"step-{step:08d}"), str(tmp_path / f"at-{step}")]) == 0
    early, late = (torch.load(tmp_path / f"at-{step}" / "net.pt", weights_only=True) for step in (4, 8))
    finished = weights(tmp_path)
    assert all(torch.equal(late[name], finished[name]) for name in finished)
    assert not torch.equal(early["0.weight"], late["0.weight"])


def with_options(checkpoint, **changed):
    """Make a checkpoint say it was made with other options; of its manifest the state is no part any more."""
    state, manifest = checkpoint / "state.json", checkpoint / "manifest.json"
    about = json.loads(state.read_text())
    about["config"] |= changed
    state.write_text(json.dumps(about))
    listed = json.loads(manifest.read_text())
    listed["files"].pop("state.json", None)
    manifest.write_text(json.dumps(listed))


def test_another_recipe_in_the_same_folder_is_refused(tmp_path):
    run(tmp_path, max_train_steps=5)
    with_options(next((tmp_path / "checkpoints").glob("step-*")), recipe="other")
    with pytest.raises(RunError, match="recipe other"):
        run(tmp_path, max_train_steps=10)


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"recipe": "gone"}, "made by another version"),
        ({"no_option_any_more": 1}, "made by another version"),
        ({"linear": True}, "does not fit the model it began with"),
    ],
)
def test_a_checkpoint_that_cannot_become_a_model_is_a_sentence(tmp_path, capsys, changed, sentence):
    from training.commands import export

    run(tmp_path, max_train_steps=5)
    checkpoint = next((tmp_path / "checkpoints").glob("step-*"))
    with_options(checkpoint, **changed)
    assert export([str(checkpoint), str(tmp_path / "out")]) == 1
    assert sentence in capsys.readouterr().err and not (tmp_path / "out").exists()


# Libraries are imported once; each round is a process of its own, killed somewhere in a step or in a save.
ROUNDS = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from tests.training.toy import ENTRY, ToyConfig
from training.carry_out import carry_out
from training.checkpoints import Checkpoints
from training.events import StopSignal
from training.recipes import RECIPES
RECIPES["toy"] = ENTRY
folder, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
torch.set_num_threads(1)
checkpoints, reached = Checkpoints(folder / "checkpoints", 3), 0
for _ in range(3):
    child = os.fork()
    if child == 0:
        carry_out(ToyConfig(recipe="toy", output_dir=str(folder), train_batch_size=4, max_train_steps=10**6,
                            save_n_steps=3, validate_every_steps=0), StopSignal())
    goal = reached + rng.randrange(2, 8)
    while not (saved := checkpoints.all()) or saved[-1].step < goal:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended by itself"
        time.sleep(0.005)
    time.sleep(rng.random() * 0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    whole = checkpoints.whole(print)
    assert whole is not None and whole.step >= goal
    reached = whole.step
    print(reached)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are copied with fork")
def test_a_killed_run_loses_at_most_the_steps_since_the_last_save(tmp_path):
    seed = random.randrange(2**31)
    print("seed", seed)
    command = [sys.executable, "-c", ROUNDS, str(tmp_path), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    reached = [int(line) for line in done.stdout.split()]
    # Each round began where the one before had saved last, and every checkpoint that was announced was whole.
    assert [event["step"] for event in events(tmp_path, "resumed")] == reached[:-1]
    assert max(event["step"] for event in events(tmp_path, "checkpoint")) <= reached[-1]
    run(tmp_path, max_train_steps=reached[-1] + 4, save_n_steps=3)
    assert events(tmp_path, "resumed")[-1]["step"] == reached[-1]
    assert not list((tmp_path / "checkpoints").glob("*.part"))


def test_tensorboard_reads_the_losses_of_a_run_that_asked_for_no_other_log(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fields = RunConfig.model_fields
    assert fields["report_to"].default == "tensorboard"
    run(tmp_path, report_to="tensorboard")
    written = EventAccumulator(str(tmp_path / fields["logging_dir"].default / tmp_path.name)).Reload()
    logged = {scalar.step: scalar.value for scalar in written.Scalars("train/loss")}
    assert logged == pytest.approx({event["step"]: event["loss"] for event in events(tmp_path, "step")}, rel=1e-5)
