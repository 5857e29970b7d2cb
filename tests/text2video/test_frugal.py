"""Rungs of the memory ladder on real small networks: the clip stays the clip, and running out is survived."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler.errors import NotEnoughRoom
from diffscaler.media import ClipMeta, TensorChunk
from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.fit import LADDERS, Room, fit_model, needed_bytes
from diffscaler.stage import ModelRef
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.stages import Decode, DecodeParams, Denoise, DenoiseParams
from tests.text2video.tiny_families import FAMILIES, save_tiny

NAMES = ("wan", "ltx", "hunyuan15", "cogvideox", "modelscope", "animatediff-sdxl")


class Plain:
    torch_name, dtype, name = "cpu", "float32", "CPU"
    rungs: tuple[str, ...] = ()


def device(*rungs: str) -> Any:
    return type("Taken", (Plain,), {"rungs": rungs})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frugal")
    for name in NAMES:
        save_tiny(name, root / name)
    return root


def drawn(model: Any, name: str, **changes: Any) -> np.ndarray:
    width, height, frames = FAMILIES[name][1]
    sampling = Sampling(width, height, frames, 2, 3.0, 1, **changes)
    return model.denoise(model.encode_text("a dog", "rain"), sampling, lambda *step: None)


@pytest.mark.parametrize("name", NAMES)
def test_rungs_that_only_move_things_change_nothing(home: Path, name: str) -> None:
    spec = text2video_folder(home / name)
    plain = load_pipeline(spec, Plain())
    frugal = load_pipeline(spec, device("encoders aside", "tiled decoding", "group offload"))
    latents = drawn(plain, name)
    assert np.array_equal(latents, drawn(frugal, name))
    assert np.array_equal(plain.decode(latents), frugal.decode(latents))
    assert plain.frugal.words == "" and "one by one" in frugal.frugal.words
    # Text encoders that wait elsewhere are back when the next prompt is read.
    assert np.array_equal(latents, drawn(frugal, name))


@pytest.mark.parametrize("name", ["wan", "animatediff-sdxl"])
def test_weights_in_8_bits_draw_nearly_the_same(home: Path, name: str) -> None:
    spec = text2video_folder(home / name)
    latents = drawn(load_pipeline(spec, Plain()), name)
    small = load_pipeline(spec, device("fp8 weights"))
    parts = [part for part in (getattr(small.pipeline, n, None) for n in ("transformer", "unet")) if part is not None]
    assert any(p.dtype == torch.float8_e4m3fn for part in parts for p in part.parameters())
    other = drawn(small, name)
    assert np.isfinite(other).all() and not np.array_equal(latents, other)
    assert np.corrcoef(latents.ravel(), other.ravel())[0, 1] > 0.9


def test_windows_are_the_last_rung_where_clips_can_be_drawn_in_them(home: Path) -> None:
    motion = load_pipeline(text2video_folder(home / "animatediff-sdxl"), Plain())
    whole = load_pipeline(text2video_folder(home / "wan"), Plain())
    assert motion.frugal.ladder == LADDERS["cpu"] and "short windows" not in whole.frugal.ladder
    motion.frugal.take("short windows")
    lengths = []
    hook = motion.pipeline.unet.register_forward_pre_hook(
        lambda _, args, named: lengths.append(args[0].shape[2]), with_kwargs=True
    )
    drawn(motion, "animatediff-sdxl")
    hook.remove()
    assert set(lengths) == {2}


class Context:
    """What a stage is given, in a test: one model and a notebook."""

    def __init__(self, model: Any) -> None:
        self.model, self.notes, self.start = model, [], 0
        self.folder = TemporaryDirectory()  # gone with this
        self.unfinished = Path(self.folder.name) / "unfinished"

    def acquire(self, ref: ModelRef) -> Any:
        from contextlib import nullcontext

        return nullcontext(self.model)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, *_: Any) -> None:
        pass

    def preview(self, *_: Any) -> None:
        pass


class Given:
    """A finished input stream of one chunk."""

    def __init__(self, chunk: Any, meta: ClipMeta) -> None:
        self.chunk, self.meta = chunk, meta

    def __iter__(self) -> Any:
        return iter([self.chunk])


def run(model: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Denoise and Decode as the engine runs them -> (frames, notes)."""
    width, height, frames = FAMILIES[name][1]
    ref, context = ModelRef(name=name, revision="1"), Context(model)
    text = Given(TensorChunk(model.encode_text("a dog", "")), ClipMeta(kind="tensors", num_frames=1))
    params = DenoiseParams(
        width=width, height=height, num_frames=frames, num_inference_steps=2, guidance_scale=3.0, seed=1
    )
    stage = Denoise(params, (ref,))
    meta = stage.describe(())
    (latents,) = stage.run((text,), context)
    chunks = Decode(DecodeParams(), (ref,)).run((Given(latents, meta),), context)
    return np.concatenate([chunk.frames for chunk in chunks]), context.notes


def fail_first(module: torch.nn.Module, times: int, error: Exception) -> list[int]:
    """Let a network run out of memory the first `times` times it is called."""
    calls = [0]

    def hook(*_: Any) -> None:
        calls[0] += 1
        if calls[0] <= times:
            raise error

    module.register_forward_pre_hook(hook)
    return calls


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 64000000000"),
        MemoryError(),
    ],
)
def test_running_out_is_survived_one_rung_down_and_told(home: Path, error: Exception) -> None:
    spec = text2video_folder(home / "animatediff-sdxl")
    expected, notes = run(load_pipeline(spec, Plain()), "animatediff-sdxl")
    assert notes == []
    model = load_pipeline(spec, Plain())
    fail_first(model.pipeline.unet, 1, error)
    frames, notes = run(model, "animatediff-sdxl")
    assert np.array_equal(frames, expected)
    assert notes == ["Memory ran out; from then on pictures are decoded in tiles."]
    _, notes = run(model, "animatediff-sdxl")
    assert notes == ["To fit the memory, pictures are decoded in tiles."]


def test_a_decoder_that_runs_out_is_met_in_the_same_way(home: Path) -> None:
    model = load_pipeline(text2video_folder(home / "wan"), Plain())
    fail_first(model.pipeline.vae.decoder, 1, torch.OutOfMemoryError("CUDA out of memory"))
    frames, notes = run(model, "wan")
    assert frames.shape == (9, 32, 32, 3) and notes == ["Memory ran out; from then on pictures are decoded in tiles."]


def test_when_nothing_helps_it_is_said_and_other_errors_are_not_taken_for_it(home: Path) -> None:
    spec = text2video_folder(home / "wan")
    model = load_pipeline(spec, Plain())
    calls = fail_first(model.pipeline.transformer, 99, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(NotEnoughRoom) as caught:
        run(model, "wan")
    assert caught.value.hint and calls[0] == 1 + len(model.frugal.ladder)
    model = load_pipeline(spec, Plain())
    calls = fail_first(model.pipeline.transformer, 99, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        run(model, "wan")
    assert calls[0] == 1


def test_a_clip_that_will_not_fit_is_met_before_it_is_drawn(home: Path) -> None:
    spec = text2video_folder(home / "animatediff-sdxl")
    width, height, frames = FAMILIES["animatediff-sdxl"][1]
    expected, _ = run(load_pipeline(spec, Plain()), "animatediff-sdxl")
    roomy = load_pipeline(spec, type("Roomy", (Plain,), {"budget_bytes": 10**12})())
    frames_drawn, notes = run(roomy, "animatediff-sdxl")
    assert notes == [] and np.array_equal(frames_drawn, expected)
    counts = roomy.frugal.counts
    assert counts["unet"] == sum(p.numel() for p in roomy.pipeline.unet.parameters())
    # Just too little for the clip as it is, enough with tiles.
    whole = needed_bytes(counts, (), (width, height, frames), 4)
    tight = load_pipeline(spec, type("Tight", (Plain,), {"budget_bytes": whole - 1})())
    _, notes = run(tight, "animatediff-sdxl")
    assert notes[0].startswith("To fit the memory, pictures are decoded in tiles")
    assert tight.frugal.taken[0] == "tiled decoding"


def test_what_is_said_before_is_what_is_done(home: Path) -> None:
    """The page's forecast, from the heads of the files, and the loaded pipeline take the same rungs."""
    spec = text2video_folder(home / "animatediff-sdxl")
    size = (512, 512, 64)
    # The table's figure may be far above or below the formula's.
    for budget, table in itertools.product((10**6, 4 * 10**8, 2 * 10**9, 6 * 10**9, 10**12), (1, 10**9, 10**13)):
        spec = spec.model_copy(update={"working_bytes": table})
        given = {"budget_bytes": budget, "rungs": fit_model(spec, Room("cpu", "float32", budget), budget).rungs}
        model = load_pipeline(spec, type("Given", (Plain,), given)())
        model.frugal.ahead(size)
        assert tuple(model.frugal.taken) == fit_model(spec, Room("cpu", "float32", budget), budget, size).rungs, budget
