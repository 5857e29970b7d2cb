"""What the page says about jobs, clips, words and training runs, without a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from PIL import Image

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest, JobCancelled
from diffscaler.jobs.lanes import KINDS, holder_of
from diffscaler.models.fit import Room
from diffscaler.plan import Node, node
from diffscaler.recipe_parts import Recipe
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from diffscaler.video.stage import Encode, EncodeParams
from tests.fakes import FakeClip, FakeClipParams, FakeWatcher
from tests.jobs.test_queue import recipe
from ui import pieces
from ui.cast import check_consent
from ui.curve import loss_curve
from ui.estimate import outlook
from ui.monitor import of_job
from ui.pictures import poster_url, served
from ui.queue_panel import QueuePanel
from ui.training_events import read_run
from ui.training_form import TrainRequest, keep_dropped
from ui.training_table import write_config
from ui.words import EXAMPLES, completion, words_line


@pytest.fixture
def studio(settings: Settings) -> Studio:
    return Studio(settings)


def test_a_title_cannot_bring_markup_into_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (32, 24), "red").save(path)
    clip = studio.add_file(path, "x' onerror=alert(1) \"&.png")
    for html in (pieces.card(studio, clip), pieces.player(studio, clip), pieces.verbs(studio, clip)):
        assert 'onerror=alert(1) "' not in html


def test_a_poster_is_made_once_and_kept_beside_the_library(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1200, 800), "red").save(path)
    clip = studio.add_file(path)
    assert poster_url(studio, clip) == poster_url(studio, clip)
    with Image.open(studio.library.root / "thumbs" / f"{clip.key}.jpg") as poster:
        assert poster.size == (360, 240)


def test_no_served_folder_holds_a_database(studio: Studio) -> None:
    roots = [folder.resolve() for folder in served(studio)]
    for database in studio.settings.data_dir.rglob("*.db"):
        assert not any(root in database.resolve().parents for root in roots)


@pytest.mark.parametrize(("agreed", "note"), [(False, "Anna, today"), (True, " "), (None, "")])
def test_a_face_needs_the_tick_and_the_note(agreed: bool | None, note: str) -> None:
    with pytest.raises(InvalidRequest):
        check_consent(["abcdef"], agreed, note)
    check_consent([], agreed, note)


def test_the_line_under_the_prompt_tells_what_is_known_drawn_instead_and_left_out(studio: Studio) -> None:
    line = words_line(studio, "mini", "A camel and a lion, qwerty on a beach ")
    known, instead = line.split('<span class="sc">draws</span>')
    instead, left_out = instead.split('<span class="sc">not</span>')
    assert "camel" in known and "beach" in known
    assert "cat" in instead and "lion" in instead and "qwerty" in left_out
    assert words_line(studio, "no such model", "a camel") == ""


def test_a_half_typed_word_is_completed_and_a_missing_place_offered(studio: Studio) -> None:
    assert 'data-prompt="a cat with an umbrella "' in words_line(studio, "mini", "a cat with an umb")
    assert completion("a cat with an umb", "umbrella") == "a cat with an umbrella "
    offers = words_line(studio, "mini", "a cat ")
    assert 'data-prompt="a cat on a beach "' in offers and 'data-prompt="a cat at sunset "' in offers
    assert "on a beach" not in words_line(studio, "mini", "a cat in a forest ").split("also")[1]


def test_the_modest_word_about_a_small_model_is_said_before_the_first_prompt_only(studio: Studio) -> None:
    assert "simple cartoons" in words_line(studio, "mini", "")
    assert "simple cartoons" not in words_line(studio, "mini", "a cat ")
    assert all(text in words_line(studio, "mini", "") for text in EXAMPLES[:5])


def test_a_training_form_writes_what_the_trainer_reads(studio: Studio, tmp_path: Path) -> None:
    clip = tmp_path / "a-dog-running.gif"
    Image.new("RGB", (16, 16)).save(clip)
    assert keep_dropped([clip], studio.settings, "rainy streets") == 1
    file, output = write_config(TrainRequest(name="rainy streets", steps=20), studio.settings)
    table = tomllib.loads(file.read_text())["run"]
    assert (table["data"], table["motion_steps"]) == ("folder", 20)
    assert (Path(table["data_dir"]) / "a-dog-running.txt").read_text() == "a dog running"
    assert output == studio.settings.models_dir / "rainy-streets" == Path(table["output_dir"])
    check = (
        "import sys; from pathlib import Path; from training.config import load_config; load_config(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", check, str(file)], cwd=ROOT).returncode == 0


def test_a_resumed_run_draws_each_step_once(tmp_path: Path) -> None:
    rows = [(10, 0.9), (20, 0.8), (30, 0.7), (20, 0.75), (30, 0.6)]
    lines = [json.dumps({"event": "step", "step": s, "total": 40, "loss": x, "stage": "motion"}) for s, x in rows]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + '\n{"event": "st')
    run = read_run(tmp_path)
    assert [(step, loss) for step, loss, _ in run.points] == [(10, 0.9), (20, 0.75), (30, 0.6)]
    assert "at step 30 of 40" in loss_curve(run)


def test_the_page_learns_when_a_download_ends_and_not_before(studio: Studio) -> None:
    panel = QueuePanel(studio)
    panel.place()

    def told() -> str:
        return str(panel.look()[panel.models])

    nothing = told()
    job = studio.queue.submit_model("tiny", "Get tiny", {"repo": "studio/tiny"}, "https://hub.example")
    waiting = told()
    studio.queue.lease("host/downloads", KINDS["downloads"])
    studio.queue.report(job.id, {"fraction": 0.5, "text": "Downloading"})
    assert told() == waiting != nothing, "a download on its way changes no menu"
    studio.queue.end(job.id, "done", result="models/tiny")
    assert told() not in (nothing, waiting)
    ended = told()
    studio.queue.submit(recipe(1))
    assert told() == ended, "clips bring no models"


def test_a_stopped_job_offers_what_it_has_finished_and_an_old_one_that_cannot_be_read_offers_to_try_again(
    engine: Engine, studio: Studio
) -> None:
    frames = node(FakeClip(FakeClipParams(frames=20, chunk=4)))
    given = recipe(1)
    stopped = studio.queue.submit(Recipe(node(Encode(EncodeParams(), ()), frames), given.title, given.request))
    old = studio.queue.submit(Recipe(Node("encode", 1, {}, (), (Node("no_such_stage", 1, {}),)), "old", given.request))
    with pytest.raises(JobCancelled):
        engine.run(frames, FakeWatcher(3))
    for job in (stopped, old):
        studio.queue.end(job.id, "stopped")
    html = of_job(studio, studio.queue.get(stopped.id))
    assert 'data-do="retry"' in html and 'data-do="keep"' in html
    assert "Keep the first 12 of 20 frames" in html
    html = of_job(studio, studio.queue.get(old.id))
    assert 'data-do="retry"' in html and 'data-do="keep"' not in html
    with pytest.raises(InvalidRequest, match="no frame"):
        studio.keep_finished(old.id)


def test_the_button_tells_the_time_and_the_line_below_it_memory_disk_and_what_is_done_to_fit(studio: Studio) -> None:
    request = Text2VideoRequest(prompt="a dog", seed=1, width=256, height=256, num_frames=32)
    label, needs = outlook(studio, "Generate", request)
    assert label.startswith("Generate, about ") and "Disk: about" in needs
    assert "Memory" not in needs, "nobody knows yet where it will run"
    told = {}
    for budget in (10**12, 6 * 10**8):
        studio.queue.room_seen(holder_of(studio.settings, "device"), Room("cpu", "float32", budget))
        told[budget] = outlook(studio, "Generate", request)[1]
    assert "Memory: about" in told[10**12] and "To fit" not in told[10**12]
    assert "To fit, pictures are decoded in tiles" in told[6 * 10**8]
