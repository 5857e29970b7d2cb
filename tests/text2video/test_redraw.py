"""A clip redrawn: what strength means, the same clips as the library's own pipelines make, through the whole studio."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.engine import missing
from diffscaler.errors import InvalidRequest
from diffscaler.media import ClipMeta, FrameChunk
from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.spec import ModelSpec
from diffscaler.models.traits import read_families
from diffscaler.plan import node, nodes
from diffscaler.requests import Text2VideoRequest
from diffscaler.sampling_choices import with_native
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.source_stage import EncodeSource, EncodeSourceParams
from diffscaler.text2video.stages import Denoise, DenoiseParams
from diffscaler.text2video.strength import first_step
from diffscaler.video.probe import probe
from tests.jobs.test_worker import finish, save_clip
from tests.text2video.test_frugal import Context, Plain
from tests.text2video.tiny import save_tiny_animatediff
from tests.text2video.tiny_families import FAMILIES, save_tiny

#: name -> the library's own pipeline, None where it has none for this family
ORACLES = {
    "animatediff": "AnimateDiffVideoToVideoPipeline",
    "animatediff-sdxl": None,
    "cogvideox": "CogVideoXVideoToVideoPipeline",
    "modelscope": "VideoToVideoSDPipeline",
    "wan": "WanVideoToVideoPipeline",
}
SIZES = {name: size for name, (_, size) in FAMILIES.items()} | {"animatediff": (32, 32, 4)}


def folder_of(name: str, path: Path) -> Path:
    return save_tiny_animatediff(path) if name == "animatediff" else save_tiny(name, path)


@pytest.fixture(scope="module", params=sorted(ORACLES))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any, Path]]:
    folder = folder_of(request.param, tmp_path_factory.mktemp("redraw") / request.param)
    yield request.param, load_pipeline(text2video_folder(folder), Plain()), folder


def frames_for(name: str) -> np.ndarray:
    """A smooth moving picture, uint8 RGB (F, H, W, 3)."""
    width, height, count = SIZES[name]
    x, y, t = np.meshgrid(np.arange(width), np.arange(height), np.arange(count))
    colours = [np.sin((x + 3 * t) / 7), np.cos((y - 2 * t) / 9), np.sin((x + y + t) / 11)]
    return np.ascontiguousarray((np.stack(colours, -1) * 127 + 128).transpose(2, 0, 1, 3).astype(np.uint8))


def redrawn(loaded: tuple[str, Any, Path], strength: float, steps: int = 5, **changes: Any) -> np.ndarray:
    name, model, _ = loaded
    width, height, frames = SIZES[name]
    given = {"source": model.encode(frames_for(name)), "strength": strength, "seed": 3} | changes
    sampling = Sampling(width, height, frames, steps, 3.0, **given)
    return model.denoise(model.encode_text("a dog", "rain"), sampling, changes_seen(sampling))


def changes_seen(sampling: Sampling) -> Any:
    """Every step taken is told, and no other."""
    seen: list[int] = []

    def on_step(done: int, total: int, clean: np.ndarray) -> None:
        seen.append(done)
        assert total == sampling.steps_taken and seen == list(range(1, done + 1)) and np.isfinite(clean).all()

    return on_step


def test_at_strength_0_the_clip_stays_and_at_1_nothing_of_it_is_left(loaded: Any) -> None:
    name, model, _ = loaded
    source = model.encode(frames_for(name))
    assert source.dtype == np.float32 and np.array_equal(source, model.encode(frames_for(name)))
    assert np.array_equal(redrawn(loaded, 0.0), source)
    assert model.decode(source).shape == frames_for(name).shape
    from_words = redrawn(loaded, 1.0, source=None)
    assert np.array_equal(redrawn(loaded, 1.0), from_words)
    assert np.array_equal(redrawn(loaded, 1.0, source=np.zeros_like(source)), from_words)


def test_more_strength_leaves_less_of_the_clip_and_a_seed_is_a_clip(loaded: Any) -> None:
    source, plain = loaded[1].encode(frames_for(loaded[0])), redrawn(loaded, 1.0, source=None)
    far = [float(np.abs(redrawn(loaded, strength) - source).mean()) for strength in (0.0, 0.2, 0.8)]
    assert far[0] == 0 < far[1] < far[2]
    assert np.array_equal(redrawn(loaded, 0.6), redrawn(loaded, 0.6))
    assert not np.allclose(redrawn(loaded, 0.6), redrawn(loaded, 0.6, seed=4))
    # What was redrawn leaves nothing behind in the model.
    assert np.array_equal(plain, redrawn(loaded, 1.0, source=None))


@pytest.mark.parametrize("loaded", sorted(name for name, kind in ORACLES.items() if kind), indirect=True)
def test_the_clip_equals_the_librarys_own_call(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers
    import torch
    from PIL import Image

    name, model, folder = loaded
    ours = redrawn(loaded, 0.6)
    theirs = getattr(diffusers, ORACLES[name] or "").from_pretrained(folder, local_files_only=True)
    for part in theirs.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    # What chance decides in the library's call is decided as here: the middle of the encoder's answer, the same noise.
    module = import_module(type(theirs).__module__)
    noise = model.noise(Sampling(*SIZES[name], 5, 3.0, 3), torch.Generator("cpu").manual_seed(3))
    # Image models are redrawn by the library with frames before channels, or with frames as a batch.
    layout = {"animatediff": noise.transpose(1, 2), "modelscope": noise[0].transpose(0, 1)}.get(name, noise)
    monkeypatch.setattr(module, "retrieve_latents", lambda output, *_, **__: output.latent_dist.mode())
    monkeypatch.setattr(module, "randn_tensor", lambda shape, **_: layout.reshape(shape))
    width, height, _ = SIZES[name]
    size = {} if name == "modelscope" else {"width": width, "height": height}
    clip = [Image.fromarray(frame) for frame in frames_for(name)]
    theirs = theirs(
        prompt="a dog", negative_prompt="rain", video=clip, strength=0.6, num_inference_steps=5, guidance_scale=3.0,
        output_type="latent", return_dict=False, **size,
    )[0][0]  # fmt: skip
    theirs = theirs.transpose(0, 1) if name == "cogvideox" else theirs
    assert np.abs(theirs.numpy() - ours).max() < 2e-4 * max(1.0, float(np.abs(ours).max()))


def test_every_sampler_of_the_menu_redraws(loaded: Any) -> None:
    name, _, folder = loaded
    source = loaded[1].encode(frames_for(name))
    for scheduler in text2video_folder(folder).traits.samplers:
        near, far = (np.abs(redrawn(loaded, s, 10, scheduler=scheduler) - source).mean() for s in (0.1, 0.9))
        assert 0 < near < far, scheduler


def test_a_frames_latents_do_not_depend_on_how_its_clip_was_cut(loaded: Any) -> None:
    name, model, _ = loaded
    frames = frames_for(name)
    width, height, count = SIZES[name]
    meta = ClipMeta(kind="frames", width=width, height=height, num_frames=count)
    found = []
    for size in (1, 3, 8):
        chunks = [FrameChunk(frames[i : i + size], i, np.arange(i, min(i + size, count)) / 8)
                  for i in range(0, count, size)]  # fmt: skip
        stage = EncodeSource(EncodeSourceParams(), (ModelRef(name=name, revision="1"),))
        (chunk,) = stage.run((Cut(meta, chunks),), Context(model))
        assert chunk.count == count == stage.describe((meta,)).num_frames
        found.append(chunk.tensors["latents"])
    assert all(np.array_equal(found[0], other) for other in found)


class Cut:
    """A finished clip in given chunks."""

    def __init__(self, meta: ClipMeta, chunks: list[FrameChunk]) -> None:
        self.meta, self.chunks = meta, chunks

    def __iter__(self) -> Any:
        return iter(self.chunks)


def test_long_clips_are_redrawn_in_windows(tmp_path: Path) -> None:
    model = load_pipeline(text2video_folder(save_tiny_animatediff(tmp_path / "motion")), Plain())
    source = model.encode(np.repeat(frames_for("animatediff"), 3, axis=0))
    sampling = Sampling(32, 32, 12, 4, 3.0, 1, window=4, overlap=1, source=source, strength=0.5)
    latents = model.denoise(model.encode_text("a dog", ""), sampling, changes_seen(sampling))
    assert latents.shape == source.shape and np.isfinite(latents).all()


def test_a_wan_of_two_networks_and_step_caching_are_refused(tmp_path: Path) -> None:
    model = load_pipeline(text2video_folder(save_tiny("wan", tmp_path / "wan")), Plain())
    for change in ({"reuse": "some"}, {}):
        if not change:
            model.pipeline.register_modules(transformer_2=model.pipeline.transformer)
        with pytest.raises(InvalidRequest) as caught:
            redrawn(("wan", model, tmp_path), 0.6, **change)
        assert caught.value.hint


def test_a_wan_of_two_networks_is_refused_before_anything_runs(tmp_path: Path) -> None:
    import json

    folder = save_tiny("wan", tmp_path / "wan")
    assert text2video_folder(folder).traits.redraws
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer_2"] = index["transformer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    spec = text2video_folder(folder)
    assert spec.traits.loras and not spec.traits.redraws
    with pytest.raises(InvalidRequest, match="cannot redraw a clip") as caught:
        with_native(Text2VideoRequest(prompt="a dog", source_clip="0" * 12), spec)
    assert caught.value.hint


def test_tokens_of_several_frames_are_filled_up_in_front(tmp_path: Path) -> None:
    """CogVideoX 1.5: two latent frames are one token, and a clip of 9 frames has three."""
    import torch
    from diffusers import CogVideoXTransformer3DModel

    model = load_pipeline(text2video_folder(save_tiny("cogvideox", tmp_path / "cog")), Plain())
    config = dict(model.pipeline.transformer.config) | {"patch_size_t": 2, "use_rotary_positional_embeddings": True}
    torch.manual_seed(0)
    model.pipeline.transformer = CogVideoXTransformer3DModel.from_config(config).eval()
    latents = redrawn(("cogvideox", model, tmp_path), 0.6)
    assert latents.shape == model.encode(frames_for("cogvideox")).shape and np.isfinite(latents).all()


@given(st.integers(1, 200), st.floats(0, 1))
def test_strength_counts_steps_from_none_to_all(steps: int, strength: float) -> None:
    first = first_step(steps, strength)
    assert 0 <= first <= steps and first_step(steps, 0) == steps and first_step(steps, 1) == 0
    assert abs((steps - first) - steps * strength) <= 1


def test_a_plan_without_a_clip_to_redraw_has_the_key_it_always_had() -> None:
    params = {"width": 32, "height": 32, "num_frames": 4, "num_inference_steps": 2, "guidance_scale": 3.0, "seed": 1}
    model = (ModelRef(name="mini", revision="1"),)
    plain = node(Denoise(DenoiseParams(**params), model))
    assert plain.key == "6dd719e8b7be6574d7f229aec881908c40540f22"
    assert node(Denoise(DenoiseParams(**params, strength=0.5), model)).key != plain.key
    assert plain.build().params == DenoiseParams(**params)


def test_families_that_cannot_redraw_say_so() -> None:
    able = {card.name for card in read_families() if card.traits.redraws}
    assert able == {"animatediff", "sdxl_motion", "cogvideox", "modelscope", "wan"}
    request = Text2VideoRequest(prompt="a dog", source_clip="0" * 12)
    for card in read_families():
        if card.name in able or card.traits.image == "needed":
            continue
        spec = ModelSpec(name="x", title="The model", kind="text2video", loader="x:y", traits=card.traits)
        with pytest.raises(InvalidRequest, match="cannot redraw a clip") as caught:
            with_native(request, spec)
        assert caught.value.hint


def test_a_clip_from_the_library_is_redrawn_through_the_queue(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path, worker_idle_s=2, device="cpu", threads=1))
    save_tiny("animatediff-sdxl", studio.settings.models_dir / "motion")
    clip = studio.add_file(save_clip(tmp_path / "clip.mp4", 12)).key
    request = Text2VideoRequest(prompt="a dog", model="motion", seed=1, source_clip=clip, strength=0.5)
    job = finish(studio, studio.submit(request))
    delivered = studio.library.path(job.result or "")
    # 12 frames at 30 a second have 0.4 s of sound; the clip is longer.
    (track,) = probe(delivered).audio
    assert track.duration_s == pytest.approx(0.4, abs=0.05) and abs(track.start_s) < 0.05
    assert job.state == "done", (job.sentence, job.trace)
    made = studio.library.clip(job.result or "")
    stages = [at.stage for at in nodes(made.node)]
    assert stages == ["encode_text", "import", "source_frames", "encode_source", "denoise", "decode", "encode"]
    drawn = studio.library.clip(made.node.inputs[0].inputs[0].key)
    assert "A clip was redrawn at strength 0.5: 1 of 2 steps." in drawn.notes
    # Another strength begins with drawing.
    again = studio.recipe(request.model_copy(update={"strength": 1.0}))
    assert [at.stage for at in missing(studio.library, again.root)] == ["denoise", "decode", "encode"]


def test_the_agreement_about_a_face_goes_with_the_clip_it_is_in(tmp_path: Path) -> None:
    from diffscaler.library.clips import ClipLibrary
    from diffscaler.models.catalogue import Catalogue
    from diffscaler.recipes import Recipes
    from diffscaler.video.stage import Encode, EncodeParams
    from tests.fakes import FakeClip, FakeClipParams

    settings = Settings(data_dir=tmp_path)
    save_tiny("animatediff-sdxl", settings.models_dir / "motion")
    library = ClipLibrary(settings.library_dir)
    frames = node(FakeClip(FakeClipParams(frames=4)))
    swapped = node(Encode(EncodeParams(about={"consent": "Ada, 2 May"}), ()), frames)
    library.open(swapped, ClipMeta(kind="file", width=24, height=18, num_frames=4))
    request = Text2VideoRequest(prompt="a dog", model="motion", seed=1, source_clip=swapped.key)
    about = Recipes(library, Catalogue(settings)).of(request).root.params["about"]
    assert about["consent"] == "Ada, 2 May"
