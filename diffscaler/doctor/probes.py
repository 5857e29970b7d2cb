"""The checks, one function each. A check runs the thing instead of asking whether it is installed.

A check function returns a sentence of what it found, or raises: Broken with a remedy, or whatever the library raised.
Nothing outside the standard library is imported before a check needs it, so a broken package breaks its own row only.
"""

from __future__ import annotations

import functools
import importlib
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler import installer
from diffscaler.doctor.samples import deliveries, ffmpeg_encodes, onnx_session, pyav_round_trip
from diffscaler.environment import SUPPORTED

LOW_DISK_BYTES = 2 * 10**9

# What each fixed package is used for: the row's name, module, attribute, and the distribution to reinstall.
PACKAGES = (
    ("gradio", "gradio", "Blocks", "gradio"),
    ("diffusers", "diffusers", "AnimateDiffPipeline", "diffusers"),
    ("transformers", "transformers", "CLIPTextModel", "transformers"),
    ("accelerate", "accelerate", "Accelerator", "accelerate"),
    ("peft", "peft", "LoraConfig", "peft"),
    ("insightface", "insightface.app", "FaceAnalysis", "insightface"),
    ("codeformer-pip", "codeformer.basicsr.archs.codeformer_arch", "CodeFormer", "codeformer-pip"),
    ("realesrgan", "realesrgan", "RealESRGANer", "realesrgan"),
    ("spandrel", "spandrel", "ModelLoader", "spandrel"),
    ("opencv-python", "cv2", "seamlessClone", "opencv-python"),
    ("imageio-ffmpeg", "imageio_ffmpeg", "get_ffmpeg_exe", "imageio-ffmpeg"),
    ("av", "av", "open", "av"),
)


@dataclass(frozen=True)
class Check:
    """One row of the doctor's table.

    finding: what was seen; remedy: what to do about it, "" when ok
    repair: what `fix` can do, "" when nothing: "torch", "onnxruntime", or a distribution's name to reinstall
    """

    name: str
    ok: bool
    finding: str
    remedy: str = ""
    repair: str = ""


class Broken(Exception):
    """A check failed for a known reason."""

    def __init__(self, finding: str, remedy: str, repair: str = "") -> None:
        super().__init__(finding)
        self.finding, self.remedy, self.repair = finding, remedy, repair


def checks(data_dir: Path, models_dir: Path, root: Path, device: str | None = None) -> list[Check]:
    """Run every check, in an order in which the first failure explains later ones.

    data_dir: where the studio writes; models_dir: where a person puts models; root: the folder of app.py
    device: the device set for the studio, None for the best one
    """
    rows = [
        check("python", python),
        check("torch", lambda: torch(device), repair="torch"),
        check("torchvision", torchvision, repair="torch"),
        check("onnxruntime", lambda: onnxruntime(device), repair="onnxruntime"),
    ]
    for name, module, attribute, distribution in PACKAGES:
        rows.append(check(name, functools.partial(package, module, attribute, distribution), repair=distribution))
    return [
        *rows,
        check("ffmpeg encoders", ffmpeg_encodes, repair="imageio-ffmpeg"),
        check("PyAV round trip", pyav_round_trip, repair="av"),
        check("deliveries", deliveries, repair="av"),
        check("data folder", lambda: folder(data_dir)),
        check("models folder", lambda: models_folder(models_dir)),
        check("built-in models", lambda: built_in_models(root)),
    ]


def check(name: str, look: Callable[[], str], repair: str = "") -> Check:
    """Run one check and word what it raised."""
    try:
        return Check(name, True, look())
    except Broken as broken:
        return Check(name, False, broken.finding, broken.remedy, broken.repair)
    except Exception as error:
        finding = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason'}"
        return Check(name, False, finding, "python app.py doctor --fix" if repair else "See the README.", repair)


def python() -> str:
    """This interpreter, which must be a version the packages exist for."""
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] not in SUPPORTED:
        raise Broken(found, "Use Python 3.10, 3.11 or 3.12.")
    return found


def torch(device: str | None) -> str:
    """torch multiplies on the device it will be used on, in the format it will be used in."""
    import torch

    from diffscaler.models.device import pick_device

    chosen = pick_device(device)
    left = torch.arange(64, dtype=torch.float32).reshape(8, 8) / 64
    right = left.to(chosen.torch_name, chosen.torch_dtype)
    if not torch.allclose((right @ right).float().cpu(), left @ left, atol=0.1):
        raise Broken(f"{torch.__version__} multiplies wrongly on {chosen.name}", "Set DIFFSCALER_DEVICE=cpu.")
    if chosen.kind != "cuda" and device in (None, "", "auto") and installer.torch_build() == "cuda":
        if torch.version.cuda is None:
            raise Broken(
                f"{torch.__version__} is a CPU build, and this machine has an NVIDIA card",
                "python app.py doctor --fix",
                "torch",
            )
        raise Broken(
            f"{torch.__version__} cannot use the NVIDIA card; it needs a driver for CUDA {torch.version.cuda}",
            "Update the NVIDIA driver, restart the machine, and look again. Until then everything runs on the CPU.",
        )
    return f"{torch.__version__} runs on {chosen.name} in {chosen.dtype}: {chosen.dtype_reason}"


def torchvision() -> str:
    """torchvision imports, resizes and suppresses overlapping boxes, with or without our mend."""
    import torch

    from diffscaler import compat

    mended = compat.install()
    torchvision: Any = importlib.import_module("torchvision")
    resize: Any = importlib.import_module("torchvision.transforms.functional").resize
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30.0]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.5).tolist()
    if kept != [1, 2] or resize(torch.zeros(3, 8, 8), [4, 4]).shape != (3, 4, 4):
        raise Broken(f"{torchvision.__version__} gives wrong results", "python app.py doctor --fix", "torch")
    compiled = "compiled operators run" if not any("non-maximum" in text for text in mended) else "mended in memory"
    return f"{torchvision.__version__}, {compiled}"


def onnxruntime(device: str | None) -> str:
    """onnxruntime computes, and on the device it should: its list of providers is only a promise."""
    from diffscaler.models.device import onnx_providers, pick_device

    chosen = pick_device(device)
    wanted = onnx_providers(chosen)
    version, provider = onnx_session(wanted)
    owner = installer.onnxruntime_owner(site_packages())
    if chosen.kind == "cuda" and provider != "CUDAExecutionProvider":
        finding = f"{version} computes on the CPU although torch uses {chosen.name}: "
        if owner != "onnxruntime-gpu":
            finding += "the CPU wheel lies over onnxruntime-gpu"
            raise Broken(finding, "python app.py doctor --fix", "onnxruntime")
        raise Broken(finding + "its CUDA part does not load", "Update the NVIDIA driver to one for CUDA 13.")
    if provider not in (wanted[0], wanted[0][0]):
        raise Broken(f"{version} computes with {provider} and not with {wanted[0]}", "Update the card's driver.")
    return f"{version} ({owner}) computes with {provider}"


def package(module: str, attribute: str, distribution: str) -> str:
    """A package imports and has what the studio takes from it."""
    from importlib import metadata

    from diffscaler import compat

    compat.install()
    getattr(importlib.import_module(module), attribute)
    return f"{metadata.version(distribution)}, {module}.{attribute} is there"


def folder(path: Path) -> str:
    """The data folder can be written to and has room."""
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
        file.write(b"x")
    free = shutil.disk_usage(path).free
    if free < LOW_DISK_BYTES:
        raise Broken(f"{path} has only {free / 1e9:.1f} GB free", "Make room, or set DIFFSCALER_DATA_DIR elsewhere.")
    return f"{path} can be written, {free / 1e9:.0f} GB free"


def models_folder(path: Path) -> str:
    """What a person has put into the models folder; an absent folder is an empty one."""
    files = [file for file in path.rglob("*") if file.suffix.lower() in (".safetensors", ".pth", ".onnx")]
    size = sum(file.stat().st_size for file in files)
    return f"{path}: {len(files)} model files, {size / 1e9:.1f} GB"


def built_in_models(root: Path) -> str:
    """The networks that come with the clone lie where presets/models says."""
    tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    rows = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in (root / "presets/models").glob("*.toml")}
    paths = {name: root / "assets" / row["path"] for name, row in rows.items() if row.get("built_in") and "path" in row}
    missing = sorted(name for name, path in paths.items() if not path.exists())
    if missing or not paths:
        raise Broken(
            f"missing: {', '.join(missing) or 'all'}", "Restore assets/: git checkout -- assets, or clone again."
        )
    return ", ".join(sorted(paths))


def site_packages() -> Path:
    """Where this interpreter's compiled packages lie."""
    return Path(sysconfig.get_paths()["platlib"])
