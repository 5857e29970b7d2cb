"""The doctor on this machine as it is, and on breakages made up here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from diffscaler import doctor, installer
from diffscaler.doctor import probes, repair, report
from diffscaler.doctor.probes import Check

ROOT = Path(__file__).resolve().parent.parent

BAD_ORT = Check("onnxruntime", False, "computes on the CPU", "python app.py doctor --fix", "onnxruntime")


class FakePip:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, arguments) -> int:
        self.calls.append(list(arguments))
        return 0


def test_this_installation_is_sound(tmp_path):
    command = [
        sys.executable,
        "-m",
        "diffscaler.doctor",
        str(tmp_path / "data"),
        str(tmp_path / "models"),
        "",
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert [row for row in rows.values() if not row["ok"]] == [] and done.returncode == 0
    assert "Provider" in rows["onnxruntime"]["finding"] and "prores_ks" in rows["ffmpeg encoders"]["finding"]


def test_a_package_that_does_not_import_breaks_its_own_row(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # makes `import av` fail
    row = probes.check("av", lambda: probes.package("av", "open", "av"), repair="av")
    assert not row.ok and row.repair == "av" and "ModuleNotFoundError" in row.finding and "--fix" in row.remedy


def test_onnxruntime_on_the_cpu_beside_a_working_card_is_found(monkeypatch):
    from diffscaler.models import device

    card = SimpleNamespace(kind="cuda", name="NVIDIA H200")
    monkeypatch.setattr(device, "pick_device", lambda preference: card)
    monkeypatch.setattr(device, "onnx_providers", lambda chosen: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(probes, "onnx_session", lambda providers: ("1.31.1", "CPUExecutionProvider"))
    for owner, repairable in (("onnxruntime", "onnxruntime"), ("onnxruntime-gpu", "")):
        monkeypatch.setattr(installer, "onnxruntime_owner", lambda folder, owner=owner: owner)
        row = probes.check("onnxruntime", lambda: probes.onnxruntime(None))
        assert not row.ok and "NVIDIA H200" in row.finding and row.repair == repairable


def test_a_provider_that_gives_way_to_another_is_found(monkeypatch):
    from diffscaler.models import device

    monkeypatch.setattr(device, "onnx_providers", lambda chosen: ["CoreMLExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(probes, "onnx_session", lambda providers: ("1.31.1", providers[-1]))
    row = probes.check("onnxruntime", lambda: probes.onnxruntime("cpu"))
    assert not row.ok and "CPUExecutionProvider and not with CoreML" in row.finding


def test_a_cpu_build_of_torch_beside_an_nvidia_card_is_found(monkeypatch):
    import torch

    if torch.version.cuda is not None:
        pytest.skip("this torch is a CUDA build")
    monkeypatch.setattr(installer, "torch_build", lambda: "cuda")
    row = probes.check("torch", lambda: probes.torch(None))
    assert not row.ok and "CPU build" in row.finding and row.repair == "torch"
    assert probes.check("torch", lambda: probes.torch("cpu")).ok  # the person wants the CPU


def test_a_data_folder_that_cannot_be_written_is_found(tmp_path):
    (tmp_path / "file").touch()
    row = probes.check("data folder", lambda: probes.folder(tmp_path / "file"))
    assert not row.ok and row.remedy


def test_a_nearly_full_disk_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(probes.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    row = probes.check("data folder", lambda: probes.folder(tmp_path))
    assert not row.ok and "1.0 GB free" in row.finding


def test_a_missing_built_in_model_is_named(tmp_path):
    presets = tmp_path / "presets" / "models"
    presets.mkdir(parents=True)
    (presets / "mini.toml").write_text('built_in = true\npath = "models/mini"\n')
    row = probes.check("built-in models", lambda: probes.built_in_models(tmp_path))
    assert not row.ok and row.finding == "missing: mini"
    (tmp_path / "assets" / "models" / "mini").mkdir(parents=True)
    assert probes.check("built-in models", lambda: probes.built_in_models(tmp_path)).ok


def test_fix_reinstalls_what_failed_by_its_requirement(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        'torch==2.13.0\nav>=18.1,<18.2\nonnxruntime-gpu>=1.31; python_version < "4"\n'
    )
    monkeypatch.setattr(installer, "torch_build", lambda: "cuda")
    monkeypatch.setattr(installer, "torch_index", lambda *arguments: None)
    monkeypatch.setattr(installer, "mend_onnxruntime", lambda *arguments: False)
    pip = FakePip()
    rows = [
        Check("a", False, "", "", "torch"),
        Check("b", False, "", "", "av"),
        BAD_ORT,
        Check("ok", True, "", "", "peft"),
    ]
    assert doctor.fix(rows, tmp_path, pip, lambda text: None)
    force = ["install", "--force-reinstall", "--no-deps"]
    assert [call for call in pip.calls if call[:3] == force] == [
        [*force, "torch==2.13.0"],
        [*force, "av>=18.1,<18.2"],
        [*force, 'onnxruntime-gpu>=1.31; python_version < "4"'],
    ]


def test_fix_gives_the_onnxruntime_folder_back_and_does_nothing_when_all_is_well(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(installer, "mend_onnxruntime", lambda build, *rest: not asked.append(build))
    pip = FakePip()
    assert repair.fix([BAD_ORT], ROOT, pip, lambda text: None) and len(asked) == 1 and pip.calls == []
    assert not repair.fix([Check("python", True, "fine")], ROOT, pip, lambda text: None)


def test_the_exit_status_and_the_table_tell_what_is_wrong(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(report, "checks", lambda *arguments: [Check("python", True, "3.11"), BAD_ORT])
    assert doctor.main([], tmp_path, tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok ") and lines[1].startswith("BAD") and lines[2].strip().startswith("->")
    assert lines[-1] == "1 of 2 need attention."
    monkeypatch.setattr(report, "checks", lambda *arguments: [Check("python", True, "3.11")])
    assert doctor.main(["--json"], tmp_path, tmp_path) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "python"
