"""`python app.py models ...`: what a person types, gets, and is told when it goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diffscaler.jobs.lanes import lock_of
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.worker import Worker
from diffscaler.models.source import RECORD
from diffscaler.settings import Settings, read_settings
from diffscaler.studio import Studio
from tests.jobs.test_worker import wait_for
from tests.models.fakehub import LOADED, REPO, FakeHub, Fault, files_below, tiny_repo
from ui.commands import run

BIG = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def home(hub: FakeHub) -> Iterator[Settings]:
    """Settings as the command reads them, and a worker in this process that carries its jobs out."""
    settings = read_settings().model_copy(update={"worker_idle_s": 60.0})
    settings.models_dir.mkdir(parents=True)
    worker = Worker(settings, "downloads")
    with lock_of(settings, "downloads"):
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield settings
        worker.quit.set()
        thread.join(10)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == 0
    return {row["name"]: row for row in lines(capsys)}


def test_list_tells_what_is_there_and_what_could_be(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert found["mini"]["state"] == "built in" and found["mini"]["installed"]
    assert found["hotshot-xl"]["state"] == "not installed" and not found["hotshot-xl"]["installed"]
    assert found["hotshot-xl"]["repo"] == "hotshotco/Hotshot-XL" and found["svd-xt"]["gated"]
    assert run(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == len(found) and "Stable Video Diffusion XT" in text
    assert hub.seen == [], "a list asks nobody"


def test_get_downloads_and_says_so(hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "get", REPO]) == 0
    out, err = capsys.readouterr()
    assert out == f"tiny: installed, 16 kB in {home.models_dir / 'tiny'}\n" and err == "", "the record is counted too"
    assert files_below(home.models_dir / "tiny") == LOADED | {RECORD}
    assert run(["models", "get", "tiny", "--json"]) == 0
    told = lines(capsys)
    assert told[-1]["state"] == "installed" and told[0]["job"] and told[-2]["state"] == "done"
    assert [seen for seen in hub.seen if BIG in seen.path] == hub.asked(BIG)[:1], "what is sound is not fetched again"


def test_get_by_the_studios_own_name_and_under_another(
    hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_repo(hub, "Lightricks/LTX-Video")
    assert run(["models", "get", "Lightricks/LTX-Video"]) == 0, "the repository of a model known here is that model"
    assert run(["models", "get", f"{REPO}@v1", "--name", "mine"]) == 0
    found = rows(capsys)
    assert found["ltx-video"]["state"] == found["mine"]["state"] == "installed"
    assert files_below(home.models_dir / "mine") == files_below(home.models_dir / "ltx-video") == LOADED | {RECORD}
    assert any("/revision/v1" in seen.path for seen in hub.seen)


def test_a_stopped_download_is_listed_continued_and_removed(
    hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_repo(hub, "Lightricks/LTX-Video")
    hub.faults[BIG] = [Fault(stall_after=4000)] * 2
    follow = Studio.follow

    def impatient(self: Studio, job_id: str) -> Iterator[Any]:
        for job in follow(self, job_id):
            yield job
            if job.progress.get("file") == BIG:
                raise KeyboardInterrupt

    monkeypatch.setattr(Studio, "follow", impatient)
    assert run(["models", "get", "ltx-video"]) == 130
    assert "same command continues" in capsys.readouterr().err
    queue = JobQueue(home.jobs_dir)
    wait_for(lambda: queue.list()[0].state == "stopped", 10)
    assert rows(capsys)["ltx-video"]["state"] == "begun" and rows(capsys)["ltx-video"]["bytes"] > 4000
    assert run(["models", "rm", "ltx-video", "--yes"]) == 0
    assert rows(capsys)["ltx-video"]["state"] == "not installed"
    assert not (home.models_dir / ".incoming" / "ltx-video.part").exists()


def test_a_gated_model_says_what_to_do_and_comes_with_a_token(
    hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secretsecret"
    assert run(["models", "get", REPO]) == 1
    sentence, hint = capsys.readouterr().err.splitlines()
    assert "accepted its licence" in sentence and "HF_TOKEN" in hint and f"{hub.endpoint}/{REPO}" in hint
    assert run(["models", "get", REPO, "--token-from-env"]) == 1
    assert "no token in HF_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert run(["models", "get", REPO]) == 1
    assert "did not accept the token" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    assert run(["models", "get", REPO, "--token-from-env"]) == 0
    out, err = capsys.readouterr()
    assert "hf_" not in out + err


def test_check_names_the_damaged_file_and_get_mends_only_that(
    hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "check"]) == 0
    assert "nothing to check" in capsys.readouterr().out
    assert run(["models", "get", REPO]) == 0
    hub.seen.clear()
    assert run(["models", "check"]) == 0 and hub.seen == []
    assert "tiny: all files are as they were" in capsys.readouterr().out
    target = home.models_dir / "tiny" / BIG
    data = target.read_bytes()
    target.write_bytes(data[:99] + b"\0" + data[100:])
    assert run(["models", "check", "tiny"]) == 1
    out, err = capsys.readouterr()
    assert out == f"tiny: {BIG} has changed since it was downloaded.\n" and "get tiny" in err and "10 kB" in err
    assert run(["models", "check", "tiny", "--json"]) == 1
    (told,) = lines(capsys)
    assert told["state"] == "damaged" and [row["file"] for row in told["damaged"]] == [BIG]
    assert run(["models", "get", "tiny"]) == 0
    assert hub.fetched() == {BIG} and target.read_bytes() == data
    assert run(["models", "check", "tiny"]) == 0


def test_a_folder_that_is_here_already_is_used_where_it_lies(
    hub: FakeHub, home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path / "disk" / "My Model", hub)
    assert run(["models", "add", str(folder)]) == 0
    assert capsys.readouterr().out == f"My-Model: linked, 14 kB in {folder}\n"
    spec = Studio(home).catalogue.spec("My-Model", "text2video")
    assert spec.path == folder and spec.family is not None
    assert run(["models", "add", str(folder)]) == 1
    assert "already" in capsys.readouterr().err
    assert run(["models", "get", "My-Model"]) == 1 and "used where it lies" in capsys.readouterr().err
    assert run(["models", "check", "My-Model"]) == 1 and "not downloaded" in capsys.readouterr().err
    folder.rename(tmp_path / "disk" / "away")
    assert rows(capsys)["My-Model"]["state"] == "its files are gone"
    (tmp_path / "disk" / "away").rename(folder)
    assert run(["models", "rm", "My-Model"]) == 0, "nothing is deleted, so nothing is asked"
    assert str(folder) in capsys.readouterr().out and files_below(folder) == LOADED
    assert "My-Model" not in rows(capsys)


def test_a_model_known_here_may_lie_elsewhere(
    hub: FakeHub, home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path / "ltx", hub)
    assert run(["models", "add", str(folder), "--name", "ltx-video"]) == 0
    spec = Studio(home).catalogue.spec("ltx-video")
    assert spec.path == folder and spec.title == "LTX-Video" and spec.native["num_frames"] == 161
    (tmp_path / "inswapper_128.onnx").write_bytes(b"onnx")
    assert run(["models", "add", str(tmp_path / "inswapper_128.onnx")]) == 0
    assert Studio(home).catalogue.spec("inswapper", "face_swapper").path == tmp_path / "inswapper_128.onnx"
    (tmp_path / "sharp.pth").write_bytes(b"weights")
    assert run(["models", "add", str(tmp_path / "sharp.pth")]) == 0
    assert Studio(home).catalogue.spec("sharp", "upscaler").path == tmp_path / "sharp.pth"


def test_copy_copies(hub: FakeHub, home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path / "mine", hub)
    (folder / "unet" / "linked.json").symlink_to(folder / "model_index.json")
    assert run(["models", "add", str(folder), "--copy"]) == 0
    assert files_below(home.models_dir / "mine") == LOADED | {"unet/linked.json"}
    assert not (home.models_dir / "mine" / "unet" / "linked.json").is_symlink()
    (tmp_path / "sharp.pth").write_bytes(b"weights")
    assert run(["models", "add", str(tmp_path / "sharp.pth"), "--copy"]) == 0
    assert (home.models_dir / "upscalers" / "sharp.pth").exists()
    capsys.readouterr()
    assert run(["models", "rm", "mine"]) == 1, "in a pipe nobody can be asked"
    assert "--yes" in capsys.readouterr().err and (home.models_dir / "mine").exists()
    assert run(["models", "rm", "mine", "--yes", "--json"]) == 0
    size = sum((folder / name).stat().st_size for name in files_below(folder))
    assert lines(capsys) == [{"state": "removed", "name": "mine", "bytes": size}]
    assert not (home.models_dir / "mine").exists() and files_below(folder) == LOADED | {"unet/linked.json"}


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False)])
def test_rm_asks(
    hub: FakeHub,
    home: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    gone: bool,
) -> None:
    (home.models_dir / "upscalers").mkdir()
    (home.models_dir / "upscalers" / "sharp.pth").write_bytes(b"weights")

    class Person:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Person())
    assert run(["models", "rm", "sharp"]) == (0 if gone else 1)
    assert "sharp.pth" in capsys.readouterr().err
    assert (home.models_dir / "upscalers" / "sharp.pth").exists() is not gone


def test_a_model_that_a_job_needs_stays(hub: FakeHub, home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    hub.faults[BIG] = [Fault(stall_after=10)] * 2
    job = Studio(home).get_model(REPO)
    wait_for(lambda: hub.asked(BIG), 10)
    assert run(["models", "rm", "tiny", "--yes"]) == 1
    assert "job in the queue needs" in capsys.readouterr().err
    queue = JobQueue(home.jobs_dir)
    queue.stop(job.id)
    wait_for(lambda: queue.get(job.id).ended, 10)
    assert run(["models", "rm", "tiny", "--yes"]) == 0


def test_full_disks_are_told(
    hub: FakeHub,
    home: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diffscaler.models.weights.free_bytes", lambda folder: 0)
    monkeypatch.setattr("diffscaler.models.shelf.free_bytes", lambda folder: 0)
    assert run(["models", "get", REPO]) == 1
    assert "tiny needs 14 kB of disk; 0 bytes are free." in capsys.readouterr().err
    assert run(["models", "add", str(put(tmp_path / "mine", hub)), "--copy"]) == 1
    assert "0 bytes are free" in capsys.readouterr().err and not (home.models_dir / "mine").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["get", "nothing"], "no model called 'nothing'"),
        (["get", "mini"], "comes with the studio"),
        (["get", "inswapper"], "not from a hub"),
        (["get", "a/b/c"], "neither a model nor a repository"),
        (["get", "../evil"], "neither a model nor a repository"),
        (["get", "no/such"], "has no no/such"),
        (["get", "tiny", "--name", "x"], "--name is for a repository"),
        (["get", REPO, "--name", "mini"], "already"),
        (["get", REPO, "--name", "upscalers"], "already"),
        (["add", "nowhere"], "There is no nowhere"),
        (["add", "./no/where"], "There is no where"),
        (["add", "notes"], "no model that the studio knows"),
        (["add", "notes", "--name", "ltx-video"], "no model that the studio knows"),
        (["add", "strange"], "is a OraclePipeline"),
        (["rm", "mini", "--yes"], "comes with the studio and stays"),
        (["rm", "centerface", "--yes"], "comes with the studio and stays"),
        (["rm", "hotshot-xl", "--yes"], "is not installed"),
        (["rm", "../notes", "--yes"], "no model called"),
        (["rm", "nothing", "--yes"], "no model called"),
        (["check", "nothing"], "no model called"),
        (["check", "mini"], "not downloaded by the studio"),
    ],
)
def test_bad_input_gets_a_sentence_and_a_hint(
    home: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "model_index.json").write_text('{"_class_name": "OraclePipeline"}')
    before = files_below(home.models_dir)
    assert run(["models", *command]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert sentence in told[0] and len(told) == 2, told
    assert {name for name in files_below(home.models_dir) if not name.endswith(".lock")} == before


def test_usage_errors_exit_with_two() -> None:
    for command in (["models"], ["models", "get"], ["models", "nonsense"]):
        with pytest.raises(SystemExit) as error:
            run(command)
        assert error.value.code == 2


def put(folder: Path, hub: FakeHub) -> Path:
    """A model's folder, as another tool would have left it."""
    for name in LOADED:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.repos[REPO][name])
    return folder
