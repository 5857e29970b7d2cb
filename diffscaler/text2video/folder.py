"""Opens a diffusers folder, or says in one sentence what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from diffscaler.errors import ModelNotFound, NotEnoughRoom
from diffscaler.text2video.frugal import ran_out_of_memory

Made = TypeVar("Made")


def open_pipeline(
    path: Path,
    class_name: str,
    dtype: str,
    make: Callable[[Any], Made],
    float32_parts: tuple[str, ...] = (),
    **parts: Any,
) -> Made:
    """make(pipeline) for the pipeline in a folder.

    dtype: number format of its weights, but for `float32_parts`; parts: components given instead of loaded
    Only safetensors are read: a pickle runs whatever its author wrote into it.
    Raises ModelNotFound when a part is missing or damaged, NotEnoughRoom when memory runs out.
    """
    import diffusers

    with said_what_is_wrong(path):
        pipeline = getattr(diffusers, class_name).from_pretrained(
            str(path),
            local_files_only=True,
            dtype={"default": getattr(torch, dtype), **dict.fromkeys(float32_parts, torch.float32)},
            use_safetensors=True,
            low_cpu_mem_usage=True,
            **parts,
        )
        pipeline.set_progress_bar_config(disable=True)
        return make(pipeline)


@contextmanager
def said_what_is_wrong(path: Path) -> Generator[None, None, None]:
    """Turns what goes wrong while a folder is loaded into ModelNotFound with the first line of the reason."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        if ran_out_of_memory(error):
            raise NotEnoughRoom(
                f"The memory is not enough to load {path.name}.", "Close other programs, or use a smaller model."
            ) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelNotFound(f"The model in {path.name} cannot be loaded: {reason}", "Add it again.") from error
