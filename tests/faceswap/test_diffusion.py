"""The diffusion engine on tiny random checkpoints: what it draws, where it puts it, and that it is always the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffscaler.errors import InvalidRequest, JobCancelled  # noqa: E402
from diffscaler.faceswap.casting import CastParams, Role  # noqa: E402
from diffscaler.faceswap.crops import FFHQ, cut, paste  # noqa: E402
from diffscaler.faceswap.detections import gather  # noqa: E402
from diffscaler.faceswap.diffusion_swapper import DiffusionSwapper, mask_in_crop  # noqa: E402
from diffscaler.faceswap.engines import places_in  # noqa: E402
from diffscaler.faceswap.redraw_stage import RedrawFaces, RedrawFacesParams, stretches  # noqa: E402
from diffscaler.faceswap.stage import SwapFace  # noqa: E402
from diffscaler.media import Stream, TensorChunk  # noqa: E402
from diffscaler.models.catalogue import image_encoder_folder, ip_adapter_file, text2video_folder  # noqa: E402
from diffscaler.stage import ModelRef  # noqa: E402
from diffscaler.text2video.load import load_pipeline  # noqa: E402
from tests.faceswap.moving import DETECTOR, FPS, Surroundings, chunked, frames_of, meta_of  # noqa: E402
from tests.text2video.test_frugal import Plain  # noqa: E402
from tests.text2video.tiny import save_tiny_animatediff  # noqa: E402
from tests.text2video.tiny_families import save_hotshot, save_tiny  # noqa: E402
from tests.text2video.tiny_ip_adapter import save_ip_adapter  # noqa: E402

SIDES = {"animatediff": 32, "animatediff-sdxl": 64, "hotshot": 64}
MODEL, ADAPTER, ENCODER = (ModelRef(name=name, revision="1") for name in ("motion", "look", "look-image_encoder"))
WORDS = "a face"


def folder_of(name: str, path: Path) -> Path:
    writers: dict[str, Callable[[Path], Path]] = {"animatediff": save_tiny_animatediff, "hotshot": save_hotshot}
    return writers[name](path) if name in writers else save_tiny(name, path)


@dataclass
class Scene:
    """A moving clip of two people, what was found in it, and everything that draws faces onto it."""

    name: str
    folder: Path
    around: Surroundings
    frames: np.ndarray
    found: list[TensorChunk]
    unfinished: Path

    @property
    def model(self) -> Any:
        return self.around.models["motion"]

    @property
    def tracks(self) -> list[Any]:
        return gather(self.found).tracks(FPS)

    def params(self, **changes: Any) -> RedrawFacesParams:
        usual = {
            "cast": (Role(photos=("face",)),), "side": SIDES[self.name], "window": 3, "overlap": 1,
            "num_inference_steps": 4, "guidance_scale": 3.0, "seed": 3, "strength": 0.5, "reference_scale": 0.7,
        }  # fmt: skip
        return RedrawFacesParams.model_validate(usual | changes)

    def redraw(
        self, size: int = 8, start: int = 0, step: Callable[..., None] = lambda *_: None, **changes: Any
    ) -> list[TensorChunk]:
        stage = RedrawFaces(self.params(**changes), (DETECTOR, MODEL, ADAPTER, ENCODER))
        words = TensorChunk(self.model.encode_text(WORDS, ""))
        meta = meta_of(self.frames)
        tensors = meta.change(kind="tensors")
        streams = (
            Stream(meta, chunked(self.frames, size, start)),
            Stream(tensors, iter(self.found)),
            Stream(tensors.change(num_frames=1), iter([words])),
        )
        ctx = replace(self.around.context(start), step=step, unfinished=self.unfinished)
        return list(stage.run(streams, ctx))

    def swap(self, drawn: list[TensorChunk], size: int = 8, **changes: Any) -> np.ndarray:
        roles = (Role(photos=("face",)),)
        params = CastParams(cast=roles, engine="diffusion", redrawn_by="motion", **changes)
        stage = SwapFace(params, (DETECTOR, MODEL))
        meta = meta_of(self.frames)
        tensors = meta.change(kind="tensors")
        clip = Stream(meta, chunked(self.frames, size))
        others = Stream(tensors, iter(self.found)), Stream(tensors, iter(drawn))
        return frames_of(stage.run((clip, *others), self.around.context()))

    def crops(self, track: Any) -> np.ndarray:
        frames = self.frames[track.start : track.stop]
        pairs = zip(frames, track.landmarks, strict=True)
        return np.stack([cut(frame, FFHQ, at, SIDES[self.name])[0] for frame, at in pairs])


@pytest.fixture(scope="module", params=sorted(SIDES))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The family's name, its folder, and what draws with it."""
    root = tmp_path_factory.mktemp("diffusion")
    folder = folder_of(request.param, root / request.param)
    model = load_pipeline(text2video_folder(folder), Plain())
    file = save_ip_adapter(root / "adapters", model.pipeline.unet, "look", "plus")
    encoder = image_encoder_folder(root / "adapters" / "image_encoder").load(Plain())
    return request.param, folder, {"motion": model, "look": ip_adapter_file(file).load(Plain()), ENCODER.name: encoder}


@pytest.fixture
def scene(loaded: Any, detector: Any, photo: Path, two_people: np.ndarray, tmp_path: Path) -> Scene:
    name, folder, models = loaded
    around = Surroundings({"centerface": detector, **models}, photo)
    frames = np.stack([np.roll(two_people, 2 * i, axis=1) for i in range(4)])
    return Scene(name, folder, around, frames, around.detect(frames), tmp_path / "unfinished")


def latents_of(chunks: list[TensorChunk]) -> dict[str, np.ndarray]:
    return {name: part for chunk in chunks for name, part in chunk.tensors.items()}


def test_at_strength_0_faces_are_their_crops_as_the_model_stores_them(scene: Scene) -> None:
    drawn = scene.redraw(strength=0.0)
    stored = {str(track.id): scene.model.encode(scene.crops(track)) for track in scene.tracks}
    assert len(stored) == 2 and list(latents_of(drawn)) == list(stored)
    for name, latents in stored.items():
        assert np.array_equal(latents_of(drawn)[name], latents)
    assert "Faces redrawn at strength 0: 0 of 4 steps. IP-Adapter: look at 0.7" in scene.around.notes

    swapped = scene.swap(drawn, colour=0.0)
    swapper = DiffusionSwapper(scene.model.decode, {}, gather(scene.found), scene.tracks, FPS)
    expected, side = scene.frames.copy(), SIDES[scene.name]
    for place in places_in(scene.tracks, 0, len(expected)):
        track, index, landmarks = place.track, place.index, place.track.landmarks[place.index]
        pictures = scene.model.decode(stored[str(track.id)])
        mask = mask_in_crop(landmarks, side, swapper.allowed[track.id][index]) * np.float32(track.weights[index])
        paste(expected[place.offset], pictures[index], FFHQ.matrix(landmarks, side), mask)
    assert np.array_equal(swapped, expected) and not np.array_equal(swapped, scene.frames)


def test_beside_the_faces_no_pixel_changes(scene: Scene) -> None:
    swapped = scene.swap(scene.redraw())
    reached, side = np.zeros_like(scene.frames), SIDES[scene.name]
    for place in places_in(scene.tracks, 0, len(reached)):
        landmarks = place.track.landmarks[place.index]
        mask = mask_in_crop(landmarks, side, np.ones((32, 32), np.float32))
        white = np.full((side, side, 3), 255, np.uint8)
        paste(reached[place.offset], white, FFHQ.matrix(landmarks, side), (mask > 0).astype(np.float32))
    assert 0.02 < (reached > 0).mean() < 0.3
    assert np.array_equal(swapped[reached == 0], scene.frames[reached == 0])
    assert np.abs(swapped[reached > 0].astype(int) - scene.frames[reached > 0]).mean() > 3


def test_what_is_drawn_depends_neither_on_chance_nor_on_chunks(scene: Scene) -> None:
    drawn = scene.redraw()
    (one, *_), (other, *_) = drawn, scene.redraw(1)
    assert list(one.tensors) == list(other.tensors) == ["0", "1"]
    assert all(np.array_equal(part, other.tensors[name]) for name, part in one.tensors.items())
    assert np.array_equal(scene.swap(drawn, 8), scene.swap(drawn, 1))


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_more_strength_leaves_less_of_the_face_and_seed_and_likeness_count(scene: Scene) -> None:
    source, near, far = (latents_of(scene.redraw(strength=strength)) for strength in (0.0, 0.25, 0.75))
    for name, stored in source.items():
        assert 0 < np.abs(near[name] - stored).mean() < np.abs(far[name] - stored).mean()
    for change in ({"seed": 4}, {"reference_scale": 0.0}):
        other = latents_of(scene.redraw(strength=0.75, **change))
        assert all(not np.array_equal(far[name], other[name]) for name in far), change


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)  # the library redraws with no other family
def test_a_track_equals_the_librarys_own_call_on_its_crops(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers
    import torch
    from diffusers.pipelines.animatediff import pipeline_animatediff_video2video as module
    from PIL import Image

    from diffscaler.faceswap.photo import main_face
    from diffscaler.text2video.family import Sampling

    track = scene.tracks[0]
    side, frames = SIDES[scene.name], len(track.scores)
    ours = latents_of(scene.redraw(window=frames, overlap=0, strength=0.6, num_inference_steps=5))[str(track.id)]
    theirs = diffusers.AnimateDiffVideoToVideoPipeline.from_pretrained(scene.folder, local_files_only=True)
    adapters = scene.folder.parent / "adapters"
    theirs.load_ip_adapter(str(adapters), subfolder="", weight_name="look.safetensors", local_files_only=True)
    theirs.set_ip_adapter_scale(0.7)
    for part in theirs.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    noise = scene.model.noise(Sampling(side, side, frames, 5, 3.0, 3), torch.Generator("cpu").manual_seed(3))
    monkeypatch.setattr(module, "retrieve_latents", lambda output, *_, **__: output.latent_dist.mode())
    monkeypatch.setattr(module, "randn_tensor", lambda shape, **_: noise.transpose(1, 2).reshape(shape))
    face = main_face(scene.around.photo, scene.around.models["centerface"])
    shown = Image.fromarray(cut(face.photo, FFHQ, face.landmarks, 512)[0])
    clip = theirs(
        prompt=WORDS, video=[Image.fromarray(crop) for crop in scene.crops(track)], strength=0.6, width=side,
        height=side, num_inference_steps=5, guidance_scale=3.0, ip_adapter_image=shown, output_type="latent",
        return_dict=False,
    )[0][0]  # fmt: skip
    assert np.abs(clip.numpy() - ours).max() < 2e-4 * max(1.0, float(np.abs(ours).max()))


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_several_photos_are_their_mean(scene: Scene) -> None:
    from diffscaler.faceswap.photo import main_face
    from diffscaler.faceswap.redrawing import seen_in

    encoder, detector = scene.around.models[ENCODER.name], scene.around.models["centerface"]
    one = main_face(scene.around.photo, detector)
    other = replace(one, photo=255 - one.photo)
    seen = [seen_in(encoder, [face]) for face in (one, other)]
    both = seen_in(encoder, [one, other])
    for name, value in both.items():
        assert value.dtype == np.float32 and np.allclose(value, (seen[0][name] + seen[1][name]) / 2, atol=1e-6)
    assert not np.allclose(seen[0]["image_embeds"], seen[1]["image_embeds"])


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_a_stopped_run_goes_on_where_it_was_and_keeps_nothing_afterwards(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = latents_of(scene.redraw())
    assert not any(scene.unfinished.glob("*/*"))
    calls = counted(scene.model.pipeline.unet, monkeypatch)
    scene.redraw()
    usual = calls.count
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int, what: str) -> None:
        told.append((done, total))
        if calls.count == usual * 2 - 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        scene.redraw(step=stop)
    assert told[-1][1] == 4 and [done for done, _ in told[1:]] == sorted(done for done, _ in told[1:])
    before = calls.count
    assert all(np.array_equal(part, whole[name]) for name, part in latents_of(scene.redraw()).items())
    assert calls.count - before == 2
    assert not any(scene.unfinished.glob("*/*"))


class Count:
    count = 0


def counted(unet: Any, monkeypatch: pytest.MonkeyPatch) -> Count:
    """How often a network is really run."""
    calls, forward = Count(), unet.forward

    def run(*args: Any, **named: Any) -> Any:
        calls.count += 1
        return forward(*args, **named)

    monkeypatch.setattr(unet, "forward", run)
    return calls


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_what_was_drawn_before_a_cut_is_not_drawn_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shots, and a start after the first."""
    mirrored = scene.frames[:, :, ::-1]
    scene.frames = np.concatenate([scene.frames, mirrored])
    scene.found = scene.around.detect(scene.frames)
    chunks = scene.redraw()
    assert [(chunk.start, chunk.count, sorted(chunk.tensors)) for chunk in chunks] == [
        (0, 4, ["0", "1"]), (4, 4, ["2", "3"]),
    ]  # fmt: skip
    calls = counted(scene.model.pipeline.unet, monkeypatch)
    rest = scene.redraw(start=4)
    assert calls.count > 0 and len(rest) == 1
    assert all(np.array_equal(part, chunks[1].tensors[name]) for name, part in rest[0].tensors.items())


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_a_clip_without_faces_passes_as_it_is(scene: Scene) -> None:
    scene.frames = np.full((5, 60, 80, 3), 90, np.uint8)
    scene.found = scene.around.detect(scene.frames)
    (drawn,) = scene.redraw()
    assert (drawn.count, drawn.tensors) == (5, {})
    assert np.array_equal(scene.swap([drawn]), scene.frames)


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_memory_that_runs_out_takes_a_rung_and_the_face_is_drawn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    whole = latents_of(scene.redraw())
    unet, forward = scene.model.pipeline.unet, scene.model.pipeline.unet.forward
    failed: list[bool] = []

    def run(*args: Any, **named: Any) -> Any:
        if not failed:
            failed.append(True)
            raise torch.OutOfMemoryError("out of memory")
        return forward(*args, **named)

    monkeypatch.setattr(unet, "forward", run)
    monkeypatch.setattr(scene.model.frugal, "taken", [])
    again = latents_of(scene.redraw())
    assert failed and all(np.array_equal(part, whole[name]) for name, part in again.items())
    assert any(note.startswith("Memory ran out; from then on ") for note in scene.around.notes)


@pytest.mark.parametrize("loaded", ["animatediff"], indirect=True)
def test_an_adapter_of_another_family_is_refused_in_one_sentence(scene: Scene, tmp_path: Path) -> None:
    other = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "sdxl")), Plain())
    file = save_ip_adapter(tmp_path / "adapters", other.pipeline.unet, "other", "plus")
    scene.around.models["look"] = ip_adapter_file(file).load(Plain())
    with pytest.raises(InvalidRequest, match="other does not fit") as caught:
        scene.redraw()
    assert caught.value.hint


def test_what_is_in_front_of_a_face_is_kept() -> None:
    landmarks = np.array([[140, 100], [180, 100], [160, 122], [145, 142], [175, 142]], np.float32)
    free, half = np.ones((32, 32), np.float32), np.ones((32, 32), np.float32)
    half[16:] = 0  # a hand before the chin
    mask, covered = mask_in_crop(landmarks, 512, free), mask_in_crop(landmarks, 512, half)
    assert mask.max() > 0.95 and (covered <= mask).all() and mask_in_crop(landmarks, 512, free * 0).max() == 0
    assert covered[:20].sum() == pytest.approx(mask[:20].sum()) and covered[48:].sum() < 0.1 * mask[48:].sum()


@dataclass
class Span:
    id: int
    start: int
    stop: int


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=8)


@given(SPANS, st.integers(39, 50))
def test_stretches_are_the_whole_clip_and_no_track_crosses_their_borders(spans: Any, num_frames: int) -> None:
    tracks: list[Any] = [Span(i, start, start + length) for i, (start, length) in enumerate(spans)]
    parts = stretches(tracks, num_frames)
    assert [start for start, *_ in parts] == [0, *(stop for _, stop, _ in parts[:-1])] and parts[-1][1] == num_frames
    assert sorted(track.id for *_, own in parts for track in own) == sorted(track.id for track in tracks)
    assert all(start <= track.start and track.stop <= stop for start, stop, own in parts for track in own)
    if len(tracks) > 1 and all(track.stop <= other.start for track, other in pairwise(tracks)):
        assert len(parts) == len(tracks)
