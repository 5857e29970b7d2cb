"""Resuming in the middle of sampling: what the network said at every call so far is kept on disk.

A sampler's state is its latents, a scheduler's memory of earlier steps and the state of its noise, and every family and
every scheduler has another. None of that need be stored: the loop runs again from its beginning, and the network, which
takes nearly all the time, is not asked again what it has answered before. What comes out is what an undisturbed run
gives.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diffscaler.text2video.bypass import replaced_forward

#: Parts of a pipeline that are asked at every step; a pipeline with two networks asks one after the other.
NETWORKS = ("unet", "transformer", "transformer_2")

#: Free disk below which nothing is kept: the clip itself matters more.
SPARE_BYTES = 2 * 2**30


class Tape:
    """The answers of one run's network, a file for each call, in `folder`.

    Questions are told apart by the shape, number format and kind of device of the noisy latents, and by the time step:
    another clip never has this folder, but the same clip may be drawn in another way, in shorter windows for example.
    From the first question that was not asked before, all later answers are forgotten.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replayed = self.asked = 0
        self.recording = True

    @property
    def replaying(self) -> bool:
        """Whether the next answer is there."""
        return self._file().exists()

    @property
    def share_asked(self) -> float:
        """Share of the answers that had to be computed, 0..1."""
        return self.asked / max(1, self.asked + self.replayed)

    def answer(self, question: str, device: torch.device | str) -> Any:
        """What the network said to this question when it came here before; None if it did not, or not to this one."""
        path = self._file()
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = [file.get_tensor(str(i)).to(device) for i in range(len(file.keys()))]
            known = about.get("question") == question
        except (SafetensorError, OSError):
            known = False  # torn by a power loss
        if not known:
            self._forget()
            return None
        self.replayed += 1
        return packed(tensors, about.get("kind", "tensor"))

    def keep(self, question: str, given: Any) -> None:
        """Remember an answer. A full disk is no error: the run only cannot be resumed from here."""
        tensors, kind = unpacked(given)
        path = self._file()
        self.asked += 1
        if not self.recording:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < SPARE_BYTES:
                raise OSError("too little disk is left")
            part = path.with_suffix(".part")
            stored = {str(i): tensor.detach().cpu().contiguous() for i, tensor in enumerate(tensors)}
            save_file(stored, part, {"question": question, "kind": kind})
            os.replace(part, path)
        except (OSError, SafetensorError):
            self.recording = False

    def _file(self) -> Path:
        return self.folder / f"{self.replayed + self.asked:06d}.safetensors"

    def _forget(self) -> None:
        number = self.replayed + self.asked
        while (path := self.folder / f"{number:06d}.safetensors").exists():
            path.unlink()
            number += 1


@contextmanager
def taped(tape: Tape, model: Any, controlnet: Any = None) -> Generator[None, None, None]:
    """Inside, a family's networks answer from the tape as far as it goes, and from then on onto it.

    controlnet: what only prepares questions, and is not run for those that are answered already
    """
    with replaced_forward(networks(model), lambda index, forward: _Recorded(tape, index, forward)):
        helpers = [controlnet] if isinstance(controlnet, torch.nn.Module) else []
        with replaced_forward(helpers, lambda index, forward: _Unneeded(tape, forward)):
            yield


def networks(model: Any) -> list[torch.nn.Module]:
    """The parts of a family that are asked at every step."""
    if (pipeline := getattr(model, "pipeline", None)) is None:
        found = [getattr(model, "network", None)]
    else:
        found = [getattr(pipeline, name, None) for name in NETWORKS]
    return [part for part in found if isinstance(part, torch.nn.Module)]


@dataclass(frozen=True)
class _Recorded:
    """A network's forward, by way of the tape."""

    tape: Tape
    index: int
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **named: Any) -> Any:
        given = [*args, *named.values()]
        asked = next(value for value in given if isinstance(value, torch.Tensor))
        question = question_of(self.index, asked, named.get("timestep", args[1] if len(args) > 1 else None))
        found = self.tape.answer(question, asked.device)
        if found is None:
            found = self.forward(*args, **named)
            self.tape.keep(question, found)
        return found


@dataclass(frozen=True)
class _Unneeded:
    """A ControlNet's forward, skipped where nobody will read what it says."""

    tape: Tape
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **named: Any) -> Any:
        return ((), torch.zeros(())) if self.tape.replaying else self.forward(*args, **named)


def question_of(index: int, asked: torch.Tensor, time: Any) -> str:
    """What tells one call of the `index`th network from another. asked: the noisy latents; time: the time step"""
    if isinstance(time, torch.Tensor):
        time = [round(float(value), 3) for value in time.flatten()[:1]]
    return json.dumps([index, list(asked.shape), str(asked.dtype), asked.device.type, time])


def unpacked(given: Any) -> tuple[list[torch.Tensor], str]:
    """What networks return as tensors, and how they were packed. Raises TypeError for anything unheard of."""
    if isinstance(given, torch.Tensor):
        return [given], "tensor"
    if isinstance(given, dict) and list(given) == ["sample"]:
        return [given["sample"]], "output"
    if isinstance(given, tuple) and all(isinstance(value, torch.Tensor) for value in given):
        return list(given), "tuple"
    raise TypeError(f"a network returned {type(given).__name__}")


def packed(tensors: list[torch.Tensor], kind: str) -> Any:
    """The way back of `unpacked`."""
    if kind == "tensor":
        return tensors[0]
    if kind == "tuple":
        return tuple(tensors)
    from diffusers.models.unets.unet_3d_condition import UNet3DConditionOutput

    return UNet3DConditionOutput(sample=tensors[0])
