"""The one file that asks what the machine can compute on.

`describe_without_torch` serves the page, which never imports torch; everything else is called by a worker.
"""

from __future__ import annotations

import functools
import importlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from diffscaler.errors import DiffScalerError
from diffscaler.privacy import tell_nobody

DeviceKind = Literal["cpu", "cuda", "mps"]
DTypeName = Literal["bfloat16", "float16", "float32"]

_CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT_BYTES = 2**60  # cgroup v1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True)
class Device:
    """Where models run, and what is known about it at the moment of asking.

    name: for people, "CPU, 2 cores" or "NVIDIA H200"
    total_bytes, free_bytes: of the memory models live in (the machine's for "cpu" and "mps")
    dtype: the number format that is fast and safe here; dtype_reason: why, in a few words
    cpu_cores: processors this process may use, on any kind of device
    index: which graphics card, 0 otherwise
    rungs: what the model to load has to take of the ladder of models/fit.py
    budget_bytes: what models may take of its memory; 0: nobody has said
    """

    kind: DeviceKind
    name: str
    total_bytes: int
    free_bytes: int
    dtype: DTypeName
    dtype_reason: str
    cpu_cores: int
    index: int = 0
    rungs: tuple[str, ...] = ()
    budget_bytes: int = 0

    @property
    def torch_name(self) -> str:
        """What `torch.device` understands."""
        return f"cuda:{self.index}" if self.kind == "cuda" else self.kind

    @property
    def torch_dtype(self) -> Any:
        """`dtype` as torch's own object."""
        import torch

        return getattr(torch, self.dtype)


def pick_device(preference: str | None = None) -> Device:
    """The device to run on.

    preference: "cpu", "cuda", "cuda:1" or "mps"; None or "auto" takes a working NVIDIA (or ROCm) card with the most
    free memory, else Apple's GPU, else the CPU.
    Raises DiffScalerError when the device asked for is not there or does not run.
    """
    wanted = (preference or "auto").strip().lower()
    if wanted == "cpu":
        return _cpu()
    if wanted == "auto":
        cards = [_cuda(index) for index in _cuda_indices() if _runs(f"cuda:{index}")]
        if cards:
            return max(cards, key=lambda card: card.free_bytes)
        return _mps() if _has_mps() else _cpu()
    if wanted == "mps" and _has_mps():
        return _mps()
    kind, _, number = wanted.partition(":")
    if kind == "cuda" and (number or "0").isdecimal() and int(number or 0) in _cuda_indices():
        if _runs(f"cuda:{number or 0}"):
            return _cuda(int(number or 0))
        raise DiffScalerError(
            f"The graphics card {wanted!r} is there but cannot run this build of torch.",
            "Run `python app.py doctor` to see why, or choose the device auto or cpu.",
        )
    raise DiffScalerError(
        f"This machine has no device {wanted!r} that torch can use.", "Choose auto, cpu, cuda, cuda:0 or mps."
    )


def free_memory(device: Device) -> int:
    """Bytes a model could take on `device` now. On a card, torch's own idle cache counts as free."""
    if device.kind != "cuda":
        return _memory_bytes()[1]
    import torch

    free, _ = torch.cuda.mem_get_info(device.index)
    idle = torch.cuda.memory_reserved(device.index) - torch.cuda.memory_allocated(device.index)
    return int(free + max(0, idle))


def count_cards() -> int:
    """Graphics cards that torch can use, of NVIDIA or AMD."""
    return len(_cuda_indices())


def free_main_memory() -> int:
    """Bytes of main memory a process could take now, within its container's limit. Needs no torch."""
    return _memory_bytes()[1]


def onnx_providers(device: Device | str) -> list[Any]:
    """What to pass as `providers` to onnxruntime, best first.

    device: as picked, or torch's name for it ("cpu", "cuda", "cuda:1", "mps")
    Apple's cards compute by CoreML. DirectML comes with a package of its own (onnxruntime-directml, Windows), which
    nobody installs to compute on the CPU, and works where torch sees no card.
    A session may still fall back silently: report `session.get_providers()[0]`, never this list.
    """
    tell_nobody()
    import onnxruntime

    kind, _, number = (device if isinstance(device, str) else device.torch_name).partition(":")
    there = onnxruntime.get_available_providers()
    if kind == "cuda" and "CUDAExecutionProvider" in there:
        importlib.import_module("torch")  # brings the CUDA libraries that the provider links to

        return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
    first = {"mps": "CoreMLExecutionProvider", "cpu": "DmlExecutionProvider"}.get(kind)
    return [first, "CPUExecutionProvider"] if first in there else ["CPUExecutionProvider"]


def cpu_cores() -> int:
    """Processors this process may use: what exists, cut down by CPU affinity and by a container's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    quota = _read_numbers("cpu.max") or [
        *_read_numbers("cpu/cpu.cfs_quota_us"),
        *_read_numbers("cpu/cpu.cfs_period_us"),
    ]
    if len(quota) == 2 and quota[0] > 0 and quota[1] > 0:
        cores = min(cores, -(-quota[0] // quota[1]))
    return max(1, cores)


def network_threads() -> int:
    """Threads that networks may take on a CPU: as many as the worker was told (`Settings.threads`), else one a core."""
    import torch

    return max(1, torch.get_num_threads())


@functools.cache
def describe_without_torch() -> str:
    """The device in a few words for the page, found in well under a second: "NVIDIA H200" or "CPU, 2 cores".

    A card that is listed may still be unusable by torch; `pick_device` has the last word.
    """
    cards = _nvidia_cards()
    if cards:
        return cards[0] if len(cards) == 1 else f"{cards[0]} and {len(cards) - 1} more"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple GPU"
    return _cpu_name()


def _nvidia_cards() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(
            [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _cpu() -> Device:
    import torch

    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fast = next((flag for flag in ("amx_bf16", "avx512_bf16") if able.get(flag)), None)
    dtype: DTypeName = "bfloat16" if fast else "float32"
    reason = f"this CPU multiplies bfloat16 in hardware ({fast})" if fast else "this CPU has no fast bfloat16"
    total, free = _memory_bytes()
    return Device("cpu", _cpu_name(), total, free, dtype, reason, cpu_cores())


def _cuda_indices() -> range:
    import torch

    return range(torch.cuda.device_count() if torch.cuda.is_available() else 0)


def _cuda(index: int) -> Device:
    import torch

    facts = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    if torch.version.hip or facts.major >= 8:
        dtype: DTypeName = "bfloat16"
        reason = "the card multiplies bfloat16 in hardware"
    else:
        dtype, reason = "float16", "cards before Ampere have no bfloat16"
    return Device("cuda", facts.name, total, free, dtype, reason, cpu_cores(), index)


def _has_mps() -> bool:
    import torch

    return torch.backends.mps.is_available() and _runs("mps")


def _mps() -> Device:
    total, free = _memory_bytes()
    return Device("mps", "Apple GPU", total, free, "float16", "Apple GPUs are fastest in float16", cpu_cores())


@functools.cache
def _runs(torch_name: str) -> bool:
    """Whether a first kernel runs: a listed card may be too old or too new for this build of torch."""
    import torch

    try:
        return float(torch.ones(8, device=torch_name).sum()) == 8.0
    except RuntimeError:
        return False


def _cpu_name() -> str:
    cores = cpu_cores()
    return f"CPU, {cores} core" + ("s" if cores > 1 else "")


def _memory_bytes() -> tuple[int, int]:
    """(total, free) main memory, cut down by a container's limit."""
    machine = psutil.virtual_memory()
    total, free = int(machine.total), int(machine.available)
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, used = _read_numbers(limit_file), _read_numbers(used_file)
        if limit and used and 0 < limit[0] < min(total, _NO_LIMIT_BYTES):
            # The kernel drops cached file pages before it refuses memory, so they count as free.
            used_bytes = used[0] - _cached_bytes(Path(used_file).parent)
            total, free = limit[0], min(free, max(0, limit[0] - used_bytes))
    return total, free


def _cached_bytes(folder: Path) -> int:
    try:
        rows = (_CGROUP / folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in rows if row.startswith(("inactive_file ", "total_inactive_file "))), 0)


def _read_numbers(name: str) -> list[int]:
    """The integers in a control group file; [] when it is absent or says "max"."""
    try:
        words = (_CGROUP / name).read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if words and all(word.lstrip("-").isdecimal() for word in words) else []
