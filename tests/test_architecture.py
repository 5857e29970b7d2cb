"""The rules that keep the parts apart: who imports whom, where heavy libraries load, what is never written."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Loading one of these takes seconds and hundreds of megabytes: the page must open, and plans be made, without them.
HEAVY = {"torch", "torchvision", "diffusers", "transformers", "accelerate", "peft", "onnxruntime", "insightface", "cv2"}

FORBIDDEN_IMPORTS = {
    "diffscaler": {"ui", "training", "gradio"},
    "training": {"ui", "gradio"},
    "ui": {"training", *HEAVY},
}

# Without torch, all of them, whatever they import in turn.
LIGHT = [
    "ui/*.py",
    "diffscaler/*.py",
    "diffscaler/datasets/*.py",
    "diffscaler/doctor/*.py",
    "diffscaler/film/*.py",
    "diffscaler/film/boards/*.py",
    "diffscaler/library/*.py",
    "diffscaler/video/*.py",
    "diffscaler/jobs/*.py",
    "diffscaler/models/*.py",
    "diffscaler/screenplay/*.py",
    "diffscaler/screenplay/export/*.py",
    "diffscaler/*/stage.py",
    "diffscaler/*/stages.py",
]

DEVICE_QUESTIONS = {
    "torch.cuda.is_available",
    "torch.cuda.device_count",
    "torch.cuda.get_device_properties",
    "torch.cuda.mem_get_info",
    "torch.backends.mps.is_available",
    "onnxruntime.get_available_providers",
}


@cache
def sources(*folders: str) -> dict[Path, ast.Module]:
    """The syntax trees of the repository's own files in `folders`; app.py goes with the default, everything."""
    files = [path for folder in folders or ("diffscaler", "ui", "training") for path in (ROOT / folder).rglob("*.py")]
    if not folders and (ROOT / "app.py").exists():
        files.append(ROOT / "app.py")
    return {path: ast.parse(path.read_text("utf-8"), str(path)) for path in sorted(files)}


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level package names imported anywhere in a file, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0], node.lineno


def dotted(node: ast.AST) -> str:
    """`torch.cuda.is_available` for the node that reads so; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the repository's own files: what is called, the call, where."""
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield dotted(node.func), node, f"{path.relative_to(ROOT)}:{node.lineno}"


def keyword(call: ast.Call, name: str) -> object:
    """The constant given for a keyword argument; None when it is absent or no constant."""
    values = [argument.value for argument in call.keywords if argument.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


@pytest.mark.parametrize("package", FORBIDDEN_IMPORTS)
def test_imports_point_one_way(package):
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path, tree in sources(package).items()
        for name, line in imported(tree)
        if name in FORBIDDEN_IMPORTS[package]
    ]
    assert found == []


def test_the_page_plans_and_the_command_line_load_no_network_library():
    modules = sorted(
        {
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for pattern in LIGHT
            for path in ROOT.glob(pattern)
            if path.name != "__main__.py"
        }
    )
    script = f"""
import importlib, sys
heavy = {sorted(HEAVY)!r}
for name in {modules!r}:
    importlib.import_module(name)
    loaded = [module for module in heavy if module in sys.modules]
    if loaded:
        sys.exit(name + " loads " + ", ".join(loaded))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_only_the_models_package_asks_about_devices():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {dotted(node)}"
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node) in DEVICE_QUESTIONS
        if ROOT / "diffscaler" / "models" not in path.parents
    ]
    assert found == []


def test_no_command_goes_through_a_shell():
    found = [
        where for name, call, where in calls() if keyword(call, "shell") is True or name in ("os.system", "os.popen")
    ]
    assert found == []


def test_no_file_can_run_code_when_it_is_read():
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path, tree in sources().items()
        for name, line in imported(tree)
        if name in ("cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
    ]
    for name, call, where in calls():
        if name == "torch.load" and keyword(call, "weights_only") is not True:
            found.append(f"{where} torch.load without weights_only=True")
        if name in ("np.load", "numpy.load") and keyword(call, "allow_pickle"):
            found.append(f"{where} numpy.load with allow_pickle")
        if name.startswith("pickle.") or name in ("eval", "exec", "yaml.load", "yaml.unsafe_load"):
            found.append(f"{where} {name}")
    assert found == []
