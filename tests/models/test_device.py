"""Devices: what this machine has, and machines made up here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from diffscaler.errors import DiffScalerError
from diffscaler.models import device as devices

GIB = 2**30


def card(index: int, free_gib: int) -> devices.Device:
    return devices.Device("cuda", f"card {index}", 24 * GIB, free_gib * GIB, "bfloat16", "", 8, index)


@pytest.fixture
def cards(monkeypatch):
    """Two cards, the second with more free memory."""
    monkeypatch.setattr(devices, "_cuda_indices", lambda: range(2))
    monkeypatch.setattr(devices, "_cuda", lambda index: card(index, (4, 20)[index]))
    monkeypatch.setattr(devices, "_runs", lambda name: True)


def test_the_cpu_is_described_in_words_and_bytes():
    cpu = devices.pick_device("cpu")
    assert cpu.kind == "cpu" and cpu.name.startswith("CPU, ") and cpu.torch_name == "cpu"
    assert 0 < cpu.free_bytes <= cpu.total_bytes and cpu.cpu_cores >= 1 and cpu.dtype_reason
    assert str(cpu.torch_dtype) == f"torch.{cpu.dtype}"


def test_auto_takes_the_card_with_most_room(cards):
    assert devices.pick_device(None).torch_name == devices.pick_device("auto").torch_name == "cuda:1"
    assert devices.pick_device("cuda").index == 0 and devices.pick_device("cuda:1").index == 1


def test_a_card_that_runs_nothing_is_passed_over_unless_asked_for(cards, monkeypatch):
    monkeypatch.setattr(devices, "_runs", lambda name: False)
    assert devices.pick_device(None).kind == "cpu"
    with pytest.raises(DiffScalerError, match="cannot run this build"):
        devices.pick_device("cuda:0")


@pytest.mark.parametrize("wanted", ["cuda:7", "cuda:x", "tpu", "cpu:1"])
def test_a_device_that_is_not_there_is_an_error_with_a_hint(cards, wanted):
    with pytest.raises(DiffScalerError) as caught:
        devices.pick_device(wanted)
    assert wanted in caught.value.message and "auto" in caught.value.hint


def test_a_containers_limits_cut_cores_and_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 2}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {GIB // 4}\n")
    cpu = devices.pick_device("cpu")
    assert cpu.cpu_cores == 1 and cpu.name == "CPU, 1 core"
    assert cpu.total_bytes == GIB and cpu.free_bytes == GIB * 3 // 4


def test_no_limit_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_CGROUP", tmp_path)
    plain = devices.pick_device("cpu")
    for name in ("cpu.max", "memory.max"):
        (tmp_path / name).write_text("max 100000\n" if name == "cpu.max" else "max\n")
    (tmp_path / "memory.current").write_text("1\n")
    limited = devices.pick_device("cpu")
    assert (limited.cpu_cores, limited.total_bytes) == (plain.cpu_cores, plain.total_bytes)


def test_onnxruntime_is_asked_for_the_card_only_where_its_cuda_part_exists(monkeypatch):
    import onnxruntime

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    cuda = ("CUDAExecutionProvider", {"device_id": 1})
    assert devices.onnx_providers(card(1, 4)) == devices.onnx_providers("cuda:1") == [cuda, "CPUExecutionProvider"]
    assert devices.onnx_providers("cpu") == ["CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert devices.onnx_providers("cuda") == ["CPUExecutionProvider"]


def test_onnxruntime_takes_apples_card_by_coreml_and_directml_where_it_is_installed(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    )
    assert devices.onnx_providers("mps") == ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    assert devices.onnx_providers("cpu") == ["CPUExecutionProvider"]
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["DmlExecutionProvider", "CPUExecutionProvider"]
    )
    assert devices.onnx_providers("cpu") == ["DmlExecutionProvider", "CPUExecutionProvider"]
    assert devices.onnx_providers("cuda") == devices.onnx_providers("mps") == ["CPUExecutionProvider"]


def test_the_page_learns_the_devices_name_without_torch(monkeypatch):
    listing = SimpleNamespace(stdout="NVIDIA H200\nNVIDIA H200\n")
    monkeypatch.setattr(devices.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(devices.subprocess, "run", lambda *arguments, **options: listing)
    devices.describe_without_torch.cache_clear()
    assert devices.describe_without_torch() == "NVIDIA H200 and 1 more"
    devices.describe_without_torch.cache_clear()


@pytest.mark.gpu
def test_a_real_card_reports_its_memory_and_runs_bfloat16():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no card that torch can use")
    found = devices.pick_device("cuda")
    assert 0 < devices.free_memory(found) <= found.total_bytes
    assert torch.ones(4, device=found.torch_name, dtype=found.torch_dtype).sum().item() == 4
