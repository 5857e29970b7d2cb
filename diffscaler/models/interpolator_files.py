"""Files a person adds for the frames between: interpolators/<name>.pkl, .pth or .safetensors in the models folder."""

from __future__ import annotations

from pathlib import Path

from diffscaler.models.spec import ModelSpec

SUFFIXES = (".pkl", ".pth", ".safetensors")


def interpolator_file(path: Path, name: str) -> ModelSpec:
    """A RIFE file; which version it is, the shapes of its weights say when it is loaded."""
    return ModelSpec(
        name=name,
        title=path.stem,
        kind="interpolator",
        path=path,
        loader="diffscaler.upscale.rife_files:load_rife",
        licence="yours",
        working_bytes=path.stat().st_size * 2 + 2 * 2**30,
    )
