"""Mends two known faults in the libraries underneath, in memory, without touching an installed file.

1. A torchvision wheel built for CUDA next to a CPU build of torch cannot load its compiled operators, and then
   `import torchvision` itself fails. transformers and diffusers see an installed torchvision, try it, and fail with it.
2. basicsr (under Real-ESRGAN) imports `torchvision.transforms.functional_tensor`, which torchvision removed in 0.17.

`install()` must run before the first import of transformers, diffusers, basicsr, realesrgan, gfpgan or codeformer.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
import warnings
from types import ModuleType
from typing import Any

from diffscaler.privacy import tell_nobody

_LOCK = threading.Lock()

_FUNCTIONAL_TENSOR = "torchvision.transforms.functional_tensor"

# The two operators that torchvision describes to torch.compile without first asking whether they exist.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def install() -> list[str]:
    """Mend what is broken and return one sentence per mend; [] on a healthy installation or without torchvision.

    Imports torch and torchvision. Calling it again costs nothing and returns the same sentences.
    Raises ImportError when torchvision is broken in a way this module does not know.
    """
    tell_nobody()  # diffusers imports onnxruntime
    with _LOCK:
        return list(_install_once())


@functools.cache
def _install_once() -> tuple[str, ...]:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "torchvision")):
        return ()
    mended: list[str] = []
    if not _torchvision_imports():
        _replace_operators()
        mended.append(
            "torchvision was built for another torch: its non-maximum suppression now runs in plain torch; "
            "its other compiled operators are absent."
        )
    if _FUNCTIONAL_TENSOR not in sys.modules and importlib.util.find_spec(_FUNCTIONAL_TENSOR) is None:
        _add_functional_tensor()
        mended.append("torchvision.transforms.functional_tensor, which basicsr imports, was put back.")
    return tuple(mended)


def _torchvision_imports() -> bool:
    """Whether `import torchvision` succeeds; False only for the fault this module can mend."""
    importlib.import_module("torch")  # a broken torch must show its own error, not look like a broken torchvision

    try:
        with warnings.catch_warnings():
            # torchvision.io warns that its picture decoders did not load; nothing here reads pictures with them.
            warnings.filterwarnings("ignore", message="Failed to load image Python extension")
            importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise ImportError(f"torchvision cannot be imported: {error}") from error
        return False
    return True


def _replace_operators() -> None:
    """Define the operators torchvision insists on, and import it again."""
    import torch

    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]  # half imported
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CPU")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        torchvision: Any = importlib.import_module("torchvision")
    boxes: Any = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None  # nms exists now; an operator that does not fails by its own name
    torchvision._diffscaler_operators = library  # torch forgets the operators when this object is collected


def nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Non-maximum suppression, the same answer as torchvision's compiled one.

    dets: float (N, 4), x1 y1 x2 y2; scores: float (N,)
    Returns int64 (K,): the kept boxes' indices, best score first. A box goes when its intersection over union with a
    better kept one exceeds `iou_threshold`.
    """
    import torch

    areas = (dets[:, 2] - dets[:, 0]) * (dets[:, 3] - dets[:, 1])
    rest = scores.argsort(descending=True, stable=True)
    keep: list[Any] = []
    while rest.numel():
        best, rest = rest[0], rest[1:]
        keep.append(best)
        top_left = torch.maximum(dets[best, :2], dets[rest, :2])
        bottom_right = torch.minimum(dets[best, 2:], dets[rest, 2:])
        overlap = (bottom_right - top_left).clamp(min=0).prod(dim=1)
        iou = overlap / (areas[best] + areas[rest] - overlap)
        rest = rest[~(iou > iou_threshold)]  # not `<=`: two empty boxes give NaN, and both stay
    return torch.stack(keep) if keep else scores.new_empty(0, dtype=torch.int64)


def _add_functional_tensor() -> None:
    transforms: Any = importlib.import_module("torchvision.transforms")
    functional: Any = importlib.import_module("torchvision.transforms.functional")
    module: Any = ModuleType(_FUNCTIONAL_TENSOR, "Put back by diffscaler.compat for basicsr.")
    module.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules[_FUNCTIONAL_TENSOR] = module
    transforms.functional_tensor = module
