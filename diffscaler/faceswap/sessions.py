"""ONNX models opened with our own threads and providers, so that they neither take every core nor guess at a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.privacy import tell_nobody

CPU_THREADS = 2
ALONE = 1  # threads of a session whose runs go on beside each other (at_once.py)


def open_session(
    model: Path | bytes,
    device: Any = "cpu",
    threads: int = CPU_THREADS,
    weights: Mapping[str, Any] | None = None,
    name: str = "",
) -> Any:
    """An onnxruntime InferenceSession.

    model: a file, or a serialised ONNX graph; device: a models.device.Device or its name, "cpu" or "cuda"
    threads: intra-op threads on the CPU; weights: arrays for those that the graph only names
    name: of the file that a serialised graph was read from, for errors
    Raises ModelNotFound when the file is missing or is not an ONNX model.
    """
    tell_nobody()
    import onnxruntime

    from diffscaler.models.device import onnx_providers

    if isinstance(model, Path) and not model.is_file():
        raise ModelNotFound(f"The model file {model} is missing.", "Put it there again, or pick another engine.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the core from whoever works: two runs at once of two threads each spent 0.88 s
    # of processor time on what takes 0.73 s without it, and 0.64 s with one thread a run.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # the face models of the field warn about unused initialisers by design
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), values)
    providers = onnx_providers(device)
    if providers[0] == "DmlExecutionProvider":
        options.enable_mem_pattern = False  # DirectML's own condition
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # onnxruntime has a dozen unrelated exception types for a bad file
        called = model.name if isinstance(model, Path) else name or "The model"
        raise ModelNotFound(f"{called} cannot be read as an ONNX model.", "Download the file again.") from error


def is_shaped(value: Any, *wanted: int) -> bool:
    """Whether an input or output of a session can have these sides after its first; those a file leaves open fit."""
    sides = list(value.shape)[1:]
    return len(sides) == len(wanted) and all(
        side == want or not isinstance(side, int) for side, want in zip(sides, wanted, strict=True)
    )
