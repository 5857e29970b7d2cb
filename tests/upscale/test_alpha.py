"""Transparency is read from every kind of file that has some, kept through upscaling, and told where it is lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from diffscaler.engine import Engine
from diffscaler.jobs.lender import CatalogueLender
from diffscaler.models.device import pick_device
from diffscaler.models.residency import Residency
from diffscaler.plan import nodes
from diffscaler.requests import DeliverRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video.alpha import grey, straight, with_alpha
from diffscaler.video.colour import over_black
from diffscaler.video.probe import probe
from diffscaler.video.reader import read_frames
from diffscaler.video.sequence import unpack
from tests.fakes import FakeWatcher
from tests.video.make import in_chunks


def shape(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A red square that moves over nothing, soft on its right side: uint8 RGBA, straight."""
    frames = np.zeros((count, height, width, 4), np.uint8)
    frames[..., 0], frames[..., 1] = 220, 40
    for index, frame in enumerate(frames):
        left = 8 + 4 * index
        frame[12:36, left : left + 16, 3] = 255
        frame[12:36, left + 16 : left + 24, 3] = 128
    return frames


def film(path: Path, frames: np.ndarray, codec: str, pix_fmt: str, **options: str) -> Path:
    with av.open(str(path), "w") as output:
        height, width = frames.shape[1:3]
        stream: Any = output.add_stream(codec, rate=Fraction(12), options=options, width=width, height=height)
        stream.pix_fmt = pix_fmt
        if codec == "libvpx-vp9":
            stream.metadata["alpha_mode"] = "1"
        for frame in frames:
            for packet in stream.encode(VideoFrame.from_ndarray(frame, format="rgba")):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return path


def gif(path: Path, frames: np.ndarray) -> Path:
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=80, disposal=2, loop=0)
    return path


def made(kind: str, folder: Path, count: int = 4) -> Path:
    frames = shape(count)
    if kind == "prores":
        return film(folder / "clip.mov", frames, "prores_ks", "yuva444p10le", profile="4")
    if kind == "webm":
        return film(folder / "clip.webm", frames, "libvpx-vp9", "yuva420p", **{"auto-alt-ref": "0", "crf": "10"})
    if kind == "gif":
        return gif(folder / "clip.gif", frames)
    Image.fromarray(frames[0]).save(folder / "still.png")
    return folder / "still.png"


def alpha_in(path: Path) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in read_frames(path, alpha=True)])[..., 0]


def colours_in(path: Path) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in read_frames(path)])


@pytest.mark.parametrize(("kind", "off"), [("prores", 3), ("webm", 25), ("gif", 128), ("png", 0)])
def test_it_is_read_from_every_kind_of_file(tmp_path: Path, kind: str, off: int) -> None:
    path = made(kind, tmp_path)
    expected = shape(1 if kind == "png" else 4)
    assert probe(path).alpha
    assert np.abs(alpha_in(path).astype(int) - expected[..., 3]).max() <= off
    hard = (expected[..., 3] == 255) | (expected[..., 3] == 0)
    black = np.stack([over_black(frame) for frame in expected])
    assert np.abs(colours_in(path).astype(int) - black)[hard].mean() < 4
    late = np.concatenate([chunk.frames for chunk in read_frames(path, len(expected) - 1, alpha=True)])
    assert np.array_equal(late[..., 0], alpha_in(path)[-1:])


def test_files_without_it_have_none(tmp_path: Path) -> None:
    opaque = shape(3)
    opaque[..., 3] = 255
    Image.fromarray(opaque[0]).save(tmp_path / "still.png")
    paths = [
        film(tmp_path / "clip.mov", opaque, "prores_ks", "yuv444p10le", profile="4"),
        gif(tmp_path / "clip.gif", opaque), tmp_path / "still.png",
    ]  # fmt: skip
    assert not any(probe(path).alpha for path in paths)
    assert (alpha_in(paths[0]) == 255).all()


def test_straight_colours_are_as_bright_as_they_were_and_chunks_need_not_agree() -> None:
    frames = shape(5)
    colours = np.stack([over_black(frame) for frame in frames])
    alphas = np.stack([grey(frame[..., 3]) for frame in frames])
    joined = np.concatenate([c.frames for c in with_alpha(in_chunks(colours, 3), in_chunks(alphas, 2))])
    assert np.array_equal(joined[..., 3], frames[..., 3])
    seen = frames[..., 3] > 0
    assert np.abs(joined.astype(int) - frames)[seen].max() <= 1
    assert np.array_equal(straight(colours[0], frames[0, ..., 3]), joined[0])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(Settings(data_dir=tmp_path_factory.mktemp("alpha"), device="cpu", threads=1))


def carried_out(studio: Studio, request: Any) -> tuple[Path, Any]:
    recipe = studio.recipe(request)
    residency = Residency(pick_device("cpu"), 2**34)
    Engine(studio.library, CatalogueLender(studio.catalogue, residency)).run(recipe.root, FakeWatcher())
    clip = studio.library.clip(recipe.root.key)
    path = studio.library.path(clip.key)
    if path.suffix == ".zip":
        unpack(path, folder := path.parent / f"{clip.key}-pictures")
        for other in (folder / "manifest.json", folder / "frames.json"):
            other.unlink()
        path = folder
    return path, clip


@pytest.mark.parametrize(
    ("kind", "encoding", "off"),
    [
        ("png", "auto", 3),
        ("prores", "prores4444", 3),
        ("webm", "webm", 5),
        ("gif", "gif", 30),
        ("prores", "pictures", 3),
    ],
)
def test_upscaling_keeps_it_where_the_file_can(
    studio: Studio, tmp_path: Path, kind: str, encoding: str, off: float
) -> None:
    source = made(kind, tmp_path, 2)
    key = studio.add_file(source).key
    path, _ = carried_out(studio, UpscaleRequest(clip=key, scale=2, encoding=encoding))
    assert probe(path).alpha
    larger, before = alpha_in(path), alpha_in(source)
    assert larger.shape == (len(before), 96, 128)
    assert np.abs(larger.reshape(len(before), 48, 2, 64, 2).mean((2, 4)) - before).mean() <= off
    colours = colours_in(path)
    assert not colours[:, :16].any() or colours[:, :16].mean() < 3  # nothing shines through
    assert colours[:, 40:56, 40:44, 0].mean() > 180


def test_a_higher_rate_a_trial_and_a_delivery_take_it_along(studio: Studio, tmp_path: Path) -> None:
    key = studio.add_file(made("prores", tmp_path, 3)).key
    request = UpscaleRequest(clip=key, scale=1, fps_times=2, start_s=0, length_s=0.16, encoding="prores4444")
    path, clip = carried_out(studio, request)
    assert alpha_in(path).shape[0] == 4 and probe(path).fps == 24
    again, _ = carried_out(studio, DeliverRequest(clip=clip.key, encoding="gif"))
    assert probe(again).alpha


def test_a_file_that_holds_none_says_so(studio: Studio, tmp_path: Path) -> None:
    key = studio.add_file(made("prores", tmp_path, 2)).key
    path, clip = carried_out(studio, DeliverRequest(clip=key, encoding="h264"))
    assert not probe(path).alpha and any("holds no transparency" in note for note in clip.notes)
    manifest = probe(path).manifest or {}
    assert manifest


def test_a_clip_without_it_has_the_plan_it_always_had(studio: Studio, tmp_path: Path) -> None:
    from tests.video.make import numbered, video

    key = studio.add_file(video(tmp_path / "clip.mp4", numbered(2))).key
    root = studio.recipe(UpscaleRequest(clip=key, scale=2)).root
    assert len(root.inputs) == 1 and "alpha" not in {at.stage for at in nodes(root)}
