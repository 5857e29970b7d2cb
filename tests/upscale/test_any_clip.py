"""Clips of one frame and of two, of one colour, of odd size, and too large ones, by the stage that jobs run."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import Stream
from diffscaler.models.catalogue import upscaler_file
from diffscaler.models.device import pick_device
from diffscaler.plan import Node, node
from diffscaler.predict import check_room
from diffscaler.stage import ModelRef
from diffscaler.upscale.load import load_file
from diffscaler.upscale.stage import Upscale, UpscaleParams
from diffscaler.upscale.tile import Upscaler
from diffscaler.video.reader import read_frames
from tests.fakes import FakeClip, FakeClipParams
from tests.upscale.run import context
from tests.upscale.tiny import save_compact
from tests.video.make import ffmpeg, in_chunks, meta_for, numbered

REF = ModelRef(name="tiny", revision="1")


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    path = save_compact(tmp_path_factory.mktemp("up") / "tiny.pth", 2)
    return load_file(upscaler_file(path), pick_device("cpu"))


def upscaled(upscaler: Upscaler, frames: np.ndarray, chunk: int = 3, start: int = 0) -> np.ndarray:
    stage = Upscale(UpscaleParams(scale=2), (REF,))
    parts = [part.since(start) for part in in_chunks(frames, chunk) if part.stop > start]
    made = list(stage.run((Stream(meta_for(frames), parts),), context(start, acquire=lambda _: nullcontext(upscaler))))
    assert [m.start for m in made] == [start + sum(len(n.frames) for n in made[:i]) for i in range(len(made))]
    assert np.allclose(np.concatenate([m.times for m in made]), np.arange(start, len(frames)) / 30)
    return np.concatenate([m.frames for m in made])


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("size", [(18, 20), (17, 31)])
def test_every_frame_comes_out_whatever_the_chunks(upscaler: Upscaler, count: int, size: tuple[int, int]) -> None:
    frames = numbered(count, *size)
    whole = upscaled(upscaler, frames)
    assert whole.shape == (count, size[0] * 2, size[1] * 2, 3)
    for chunk in (1, 8):
        assert np.array_equal(upscaled(upscaler, frames, chunk), whole)


def test_going_on_in_the_middle_gives_the_same_bytes(upscaler: Upscaler) -> None:
    frames = numbered(40, 12, 14)
    whole = upscaled(upscaler, frames)
    for start in (1, 16, 39):
        assert np.array_equal(upscaled(upscaler, frames, start=start), whole[start:])


def test_a_still_clip_stays_still(upscaler: Upscaler) -> None:
    made = upscaled(upscaler, np.repeat(numbered(1), 5, axis=0))
    assert (made == made[:1]).all()


def test_greyscale_film_is_read_and_upscaled(upscaler: Upscaler, tmp_path: Path) -> None:
    path = tmp_path / "grey.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=50x38:rate=30", "-frames:v", "2", "-pix_fmt", "gray", "-c:v", "ffv1", path
    )
    frames = np.concatenate([chunk.frames for chunk in read_frames(path)])
    assert (frames[..., 0] == frames[..., 1]).all()
    assert upscaled(upscaler, frames).shape == (2, 76, 100, 3)


@pytest.mark.parametrize(("scale", "said"), [(4, "16384 a side is the limit"), (2, "GB of memory")])
def test_8k_is_refused_by_a_sentence(
    library: ClipLibrary, monkeypatch: pytest.MonkeyPatch, scale: int, said: str
) -> None:
    """Four times 8K is a size no file has; twice needs more memory than a small machine has free."""
    monkeypatch.setattr(FakeClip, "describe", lambda self, inputs: eight_k)
    monkeypatch.setattr("diffscaler.predict.free_main_memory", lambda: 4 * 2**30)
    eight_k = meta_for(numbered(2)).change(width=7680, height=4320, fps=Fraction(24))
    large: Node = node(Upscale(UpscaleParams(scale=scale), (REF,)), node(FakeClip(FakeClipParams(frames=2))))
    monkeypatch.setattr("diffscaler.predict.meta_of_plan", lambda _, at: at.build().describe((eight_k,)))
    with pytest.raises(DiffScalerError, match=said) as refused:
        check_room(library, [large])
    assert "smaller" in refused.value.hint
