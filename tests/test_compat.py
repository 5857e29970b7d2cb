"""torchvision and basicsr after `compat.install()`, on whatever torch this machine has."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from diffscaler import compat  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def test_installing_twice_mends_once():
    first = compat.install()
    assert compat.install() == first
    first.append("changed by the caller")
    assert "changed by the caller" not in compat.install()


def test_everything_that_stands_on_torchvision_imports_in_a_fresh_process():
    script = """
from diffscaler import compat
compat.install()
import torch
from torchvision.ops import batched_nms
from torchvision.transforms.functional_tensor import rgb_to_grayscale
from basicsr.archs.rrdbnet_arch import RRDBNet
from codeformer.basicsr.archs.codeformer_arch import CodeFormer
from transformers import CLIPTextModel
from diffusers import AnimateDiffPipeline
boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30.0]])
print(batched_nms(boxes, torch.tensor([0.5, 0.9, 0.3]), torch.tensor([0, 1, 1]), 0.5).tolist())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == "[1, 0, 2]", done.stderr[-2000:]


def test_suppression_agrees_with_its_definition_on_random_boxes():
    generator = torch.Generator().manual_seed(7)
    corners = torch.rand(60, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + 1 + torch.rand(60, 2, generator=generator) * 30], dim=1)
    scores = torch.rand(60, generator=generator)
    kept = compat.nms(boxes, scores, 0.4).tolist()
    expected: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        if all(iou(boxes[index].tolist(), boxes[other].tolist()) <= 0.4 for other in expected):
            expected.append(index)
    assert kept == expected and 1 < len(kept) < 60


def test_suppression_keeps_nothing_of_nothing_and_both_of_two_empty_boxes():
    empty = compat.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert empty.shape == (0,) and empty.dtype == torch.int64
    assert compat.nms(torch.zeros(2, 4), torch.tensor([0.1, 0.9]), 0.5).tolist() == [1, 0]


def test_equal_scores_keep_their_order():
    boxes = torch.tensor([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10.0]])
    assert compat.nms(boxes, torch.ones(3), 0.5).tolist() == [0, 1, 2]


def test_grayscale_that_basicsr_imports_is_torchvisions_own():
    compat.install()
    restored = importlib.import_module("torchvision.transforms.functional_tensor")
    own = importlib.import_module("torchvision.transforms.functional")
    picture = torch.rand(3, 4, 4)
    assert torch.equal(restored.rgb_to_grayscale(picture), own.rgb_to_grayscale(picture))


def test_a_fault_it_does_not_know_is_not_hidden(monkeypatch):
    genuine = importlib.import_module

    def broken(name: str):
        if name == "torchvision":
            raise RuntimeError("something else")
        return genuine(name)

    monkeypatch.setattr(compat.importlib, "import_module", broken)
    with pytest.raises(ImportError, match="something else"):
        compat._torchvision_imports()


def iou(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes, x1 y1 x2 y2."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)
