"""The fresh-clone path, with a pip that only pretends: no network, no packages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffscaler import bootstrap, environment, installer
from diffscaler.environment import Environment

ROOT = Path(__file__).resolve().parent.parent

PYPROJECT = '[dependency-groups]\ntest = ["pytest>=8", "ruff"]\n'


class FakePip:
    """Records what it is asked; fails at the calls whose numbers are in `failing`, counted from 0."""

    def __init__(self, *failing: int) -> None:
        self.calls: list[list[str]] = []
        self.failing = failing

    def __call__(self, arguments) -> int:
        self.calls.append(list(arguments))
        return int(len(self.calls) - 1 in self.failing)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder that looks like a clone, with an environment that looks made."""
    (tmp_path / "requirements.txt").write_text("# a comment\ntorch==2.13.0\ntorchvision==0.28.0\ngradio\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    made = Environment(tmp_path / ".venv")
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    monkeypatch.setattr(bootstrap, "has_pip", lambda python: True)
    monkeypatch.setattr(installer, "torch_build", lambda: "cpu")
    monkeypatch.setattr(installer, "torch_index", lambda *arguments: None)
    monkeypatch.setattr(installer, "NEEDED_BYTES", {"cpu": 0, "cuda": 0})
    return tmp_path


def use(monkeypatch, pip: FakePip) -> FakePip:
    monkeypatch.setattr(installer, "pip_of", lambda *arguments: pip)
    return pip


def test_a_finished_installation_is_not_repeated_and_a_changed_requirement_is_installed(clone, monkeypatch):
    pip = use(monkeypatch, FakePip())
    made = Environment(clone / ".venv")
    bootstrap.install_missing(clone, made, ("run",))
    assert pip.calls == [
        ["install", "torch==2.13.0", "torchvision==0.28.0"],
        ["install", "-r", str(clone / "requirements.txt")],
    ]
    bootstrap.install_missing(clone, made, ("run",))
    assert len(pip.calls) == 2
    (clone / "requirements.txt").write_text("torch==2.14.0\n")
    bootstrap.install_missing(clone, made, ("run",))
    assert pip.calls[2] == ["install", "torch==2.14.0"]


def test_the_stamp_is_the_digest_of_the_requirements(clone, monkeypatch):
    use(monkeypatch, FakePip())
    bootstrap.install_missing(clone, Environment(clone / ".venv"), ("run", "test"))
    stamp = (clone / ".venv" / ".diffscaler-requirements").read_text().strip()
    assert stamp == environment.fingerprint(clone, "run") and len(stamp) == 64
    assert (clone / ".venv" / ".diffscaler-test").exists()


def test_an_installation_that_broke_off_is_resumed_at_the_next_start(clone, monkeypatch, capsys):
    use(monkeypatch, FakePip(1))
    made = Environment(clone / ".venv")
    with pytest.raises(SystemExit) as stopped:
        bootstrap.install_missing(clone, made, ("run",))
    assert "continues where it stopped" in str(stopped.value) and not made.ready(clone, "run")
    second = use(monkeypatch, FakePip())
    bootstrap.install_missing(clone, made, ("run",))
    assert made.ready(clone, "run") and len(second.calls) == 2


def test_ctrl_c_while_installing_says_so_and_leaves_no_stamp(clone, monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(installer, "pip_of", lambda *arguments: interrupted)
    made = Environment(clone / ".venv")
    with pytest.raises(SystemExit) as stopped:
        bootstrap.install_missing(clone, made, ("run",))
    assert stopped.value.code == 130 and not made.ready(clone, "run")
    assert "Start again" in capsys.readouterr().out


def test_packages_a_killed_pip_left_half_written_are_forgotten(tmp_path):
    whole, half = tmp_path / "whole-1.0.dist-info", tmp_path / "half-1.0.dist-info"
    for folder in (whole, half, tmp_path / "~orch"):
        folder.mkdir()
        (folder / "METADATA").touch()
    (whole / "RECORD").touch()
    assert sorted(installer.drop_half_installed(tmp_path)) == ["half-1.0.dist-info", "~orch"]
    assert [path.name for path in tmp_path.iterdir()] == ["whole-1.0.dist-info"]


def test_an_unreachable_torch_index_costs_seconds_and_is_no_error(monkeypatch):
    monkeypatch.setattr(installer, "TORCH_INDEXES", {("linux", "cpu"): "http://127.0.0.1:9"})
    said: list[str] = []
    started = time.monotonic()
    assert installer.torch_index("cpu", said.append, "linux") is None
    assert time.monotonic() - started < 10 and "does not answer" in said[0]
    assert installer.torch_index("cuda", said.append, "linux") is None and len(said) == 1


def test_a_torch_index_that_fails_half_way_falls_back_to_pypi(clone, monkeypatch):
    monkeypatch.setattr(installer, "torch_index", lambda *arguments: "https://example.invalid/cpu")
    pip = FakePip(0)
    installer.install_torch(clone, pip, print)
    assert [call[:2] for call in pip.calls] == [["install", "--extra-index-url"], ["install", "torch==2.13.0"]]


@pytest.mark.parametrize(
    "build, owner, mended", [("cuda", "onnxruntime", 1), ("cuda", "onnxruntime-gpu", 0), ("cpu", "onnxruntime", 0)]
)
def test_on_an_nvidia_machine_the_gpu_wheel_gets_its_folder_back(tmp_path, build, owner, mended):
    (tmp_path / "onnxruntime_gpu-1.31.1.dist-info").mkdir()
    info = tmp_path / "onnxruntime" / "capi" / "build_and_package_info.py"
    info.parent.mkdir(parents=True)
    info.write_text(f"package_name = '{owner}'\n__version__ = '1.31.1'\n")
    pip = FakePip()
    assert installer.mend_onnxruntime(build, pip, print, tmp_path) is bool(mended)
    assert pip.calls == [["install", "--force-reinstall", "--no-deps", "onnxruntime-gpu==1.31.1"]][:mended]


def test_too_full_a_disk_is_told_before_anything_is_fetched(clone, monkeypatch):
    monkeypatch.setattr(installer, "NEEDED_BYTES", {"cpu": 10**18, "cuda": 10**18})
    pip = use(monkeypatch, FakePip())
    with pytest.raises(SystemExit, match="Make room"):
        bootstrap.install_missing(clone, Environment(clone / ".venv"), ("run",))
    assert pip.calls == []


def test_outside_an_environment_the_app_is_started_again_inside(clone, monkeypatch):
    use(monkeypatch, FakePip())
    started: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "_restart", lambda command: started.append(list(command)))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.delenv("DIFFSCALER_NO_VENV", raising=False)
    monkeypatch.setenv("DIFFSCALER_REEXEC", "")
    bootstrap.ensure(clone, ["doctor", "--json"])
    assert started == [[str(Environment(clone / ".venv").python), str(clone / "app.py"), "doctor", "--json"]]


def test_an_environment_that_is_none_does_not_start_itself_for_ever(clone, monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.delenv("DIFFSCALER_NO_VENV", raising=False)
    monkeypatch.setenv("DIFFSCALER_REEXEC", "1")
    with pytest.raises(SystemExit, match="Delete that folder"):
        bootstrap.ensure(clone, [])


def test_inside_an_active_environment_nothing_is_started_again(clone, monkeypatch):
    pip = use(monkeypatch, FakePip())
    made = Environment(clone / ".venv")
    monkeypatch.setattr(sys, "prefix", str(made.prefix))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.delenv("DIFFSCALER_NO_VENV", raising=False)
    monkeypatch.setattr(bootstrap, "_restart", lambda command: pytest.fail("started again"))
    bootstrap.ensure(clone, [], ("run", "test"))
    assert pip.calls[-1] == ["install", "pytest>=8", "ruff"]


def test_an_active_environment_without_pip_is_never_deleted(clone, monkeypatch):
    monkeypatch.setattr(bootstrap, "has_pip", lambda python: False)
    monkeypatch.setattr(bootstrap, "make", lambda environment: pytest.fail("deleted"))
    made = Environment(clone / ".venv")
    made.python.unlink()
    with pytest.raises(SystemExit, match="no working pip"):
        bootstrap.install_missing(clone, made, ("run",), own=False)


def test_a_person_who_says_no_venv_is_left_alone(clone, monkeypatch):
    monkeypatch.setenv("DIFFSCALER_NO_VENV", "1")
    monkeypatch.setattr(bootstrap, "install_missing", lambda *arguments: pytest.fail("installed"))
    monkeypatch.setattr(bootstrap, "_restart", lambda command: pytest.fail("started again"))
    bootstrap.ensure(clone, [])


@pytest.mark.parametrize("version", [(3, 9), (3, 13)])
def test_another_python_is_told_in_one_sentence(version):
    with pytest.raises(SystemExit, match=r"needs Python 3\.10, 3\.11 or 3\.12"):
        environment.require_supported(version)
    environment.require_supported((3, 11))


def test_an_unsupported_python_hands_over_to_a_supported_one(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(sys, "platform", "linux")
    answers = {"python3.12": "/usr/bin/python3.12\n"}

    def run(command):
        text = answers.get(command[0], "")
        return subprocess.CompletedProcess(command, 0 if text else 1, text, "")

    monkeypatch.setattr(environment, "_run", run)
    assert environment.find_python() == "/usr/bin/python3.12"


def test_the_front_door_needs_no_installed_package():
    code = "import sys; import diffscaler.bootstrap, diffscaler.installer; print('numpy' in sys.modules)"
    command = [sys.executable, "-S", "-c", code]  # -S: without site-packages
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "False\n"


def test_checking_a_finished_installation_takes_under_50_ms(clone, monkeypatch):
    use(monkeypatch, FakePip())
    made = Environment(clone / ".venv")
    bootstrap.install_missing(clone, made, ("run", "test"))
    started = time.perf_counter()
    bootstrap.install_missing(clone, made, ("run", "test"))
    assert time.perf_counter() - started < 0.05


@pytest.mark.skipif(sys.platform == "win32", reason="no file lock there")
def test_two_starts_at_once_install_once(clone, monkeypatch):
    import fcntl
    import threading

    pip = use(monkeypatch, FakePip())
    made = Environment(clone / ".venv")
    holder = os.open(made.prefix / environment.LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waiting = threading.Thread(target=bootstrap.install_missing, args=(clone, made, ("run",)))
    waiting.start()
    time.sleep(0.3)
    assert pip.calls == []
    made.mark(clone, "run")  # the other start finishes
    os.close(holder)
    waiting.join(10)
    assert not waiting.is_alive() and pip.calls == []


def test_pip_output_is_logged_and_its_last_lines_shown_when_it_fails(tmp_path):
    said: list[str] = []
    pip = installer.pip_of(Path(sys.executable), tmp_path / "log", said.append)
    assert pip(["install", "--no-index", "--find-links", str(tmp_path), "there-is-no-such-package"]) != 0
    assert "No matching distribution" in said[-1] and "No matching distribution" in (tmp_path / "log").read_text()
