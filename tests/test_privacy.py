"""Nobody hears of the studio: not the makers of the libraries underneath, and the home folder stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffscaler.privacy import QUIET
from diffscaler.settings import ROOT


@pytest.mark.parametrize(
    "words",
    [
        ["app.py", "doctor"],
        ["-c", "from diffscaler import compat; compat.install(); import diffusers, onnxruntime"],
        ["-c", "from diffscaler.models.device import onnx_providers; onnx_providers('cpu')"],
    ],
)
def test_nothing_is_kept_for_a_library_to_send(tmp_path: Path, words: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {*QUIET, "CI", "GITHUB_ACTIONS"}}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home" / ".cache")}
    environment |= {"DIFFSCALER_DATA_DIR": str(tmp_path / "data"), "DIFFSCALER_NO_VENV": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 or (words[-1] == "doctor" and done.stdout), done.stderr[-2000:]
    assert not traces(tmp_path / "home")


@pytest.mark.skipif(sys.platform != "linux", reason="where it is kept on Linux")
def test_it_would_be_kept_otherwise(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {*QUIET, "CI", "GITHUB_ACTIONS"}}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=environment, check=True, timeout=300)
    if not traces(tmp_path):
        pytest.skip("this onnxruntime keeps nothing by itself, or takes this machine for one that builds software")


def traces(home: Path) -> list[Path]:
    """What onnxruntime keeps to send."""
    return [path for path in home.rglob("*") if path.name in ("deviceid", "onnxruntime.db")]
