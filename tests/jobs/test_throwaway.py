"""Folders of throw-away steps: a killed process's are cleared, a living one's stay, and nothing else is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.throwaway import PREFIX, clear_killed, throwaway_folder
from diffscaler.jobs.work import DeviceWork
from diffscaler.settings import ROOT, Settings

HOLD = """
import sys
from pathlib import Path
from diffscaler.jobs.throwaway import throwaway_folder
with throwaway_folder(Path(sys.argv[1]), "abc") as folder:
    folder.mkdir()
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def test_a_worker_that_starts_clears_what_a_killed_measuring_left_and_no_living_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    models = settings.models_dir
    (models / f"{PREFIX}abc").mkdir(parents=True)
    work = DeviceWork(settings, JobQueue(settings.jobs_dir))
    command = [sys.executable, "-c", HOLD, str(models)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        part = models / child.stdout.readline().strip()
        assert part.name.endswith(".part")
        work.tidy()
        assert part.is_dir(), "its process lives"
        child.kill()
        child.wait()
        assert part.is_dir(), "it was killed"
    work.tidy()
    assert [path.name for path in models.iterdir()] == [f"{PREFIX}abc"], "what was measured stays"


def test_a_folder_of_an_earlier_version_is_cleared_whoever_has_its_number_now(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}abc.1.part").mkdir()  # a process of that number is always there
    clear_killed(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear_killed(tmp_path / "nowhere")


def test_it_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    with throwaway_folder(tmp_path / "models", "abc") as folder:
        (folder / "checkpoints").mkdir(parents=True)
        clear_killed(folder.parent)
        assert folder.is_dir()
    assert list((tmp_path / "models").iterdir()) == []
