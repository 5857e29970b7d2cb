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
    subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, check=False, capture_output=True, timeout=300)
    kept = [str(path) for path in (tmp_path / "home").rglob("*")]
    assert not [path for path in kept if "onnxruntime" in path or "Microsoft" in path or "deviceid" in path], kept
