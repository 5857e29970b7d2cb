"""A reference picture through tiny IP-Adapters: the library's own clips, by its scale, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffscaler.errors import DiffScalerError, InvalidRequest, ModelNotFound  # noqa: E402
from diffscaler.models.catalogue import Catalogue, image_encoder_folder, ip_adapter_file, text2video_folder  # noqa: E402
from diffscaler.models.traits import read_families  # noqa: E402
from diffscaler.plan import nodes  # noqa: E402
from diffscaler.recipes import Recipes  # noqa: E402
from diffscaler.requests import Text2VideoRequest  # noqa: E402
from diffscaler.settings import Settings  # noqa: E402
from diffscaler.studio import Studio  # noqa: E402
from diffscaler.text2video.family import Reference, Sampling  # noqa: E402
from diffscaler.text2video.load import load_pipeline  # noqa: E402
from tests.jobs.test_worker import finish  # noqa: E402
from tests.text2video.test_frugal import Plain  # noqa: E402
from tests.text2video.test_lora import save_lora  # noqa: E402
from tests.text2video.tiny import save_tiny_animatediff  # noqa: E402
from tests.text2video.tiny_families import save_hotshot, save_tiny  # noqa: E402
from tests.text2video.tiny_ip_adapter import as_pickle, save_ip_adapter  # noqa: E402

SIZES = {"animatediff": (32, 32, 4), "animatediff-sdxl": (64, 64, 4), "hotshot": (64, 64, 4)}
PIPELINES = {"animatediff": "AnimateDiffPipeline", "animatediff-sdxl": "AnimateDiffSDXLPipeline"}
PICTURE = np.random.default_rng(2).integers(0, 255, (40, 56, 3), dtype=np.uint8)


def folder_of(name: str, path: Path) -> Path:
    writers = {"animatediff": save_tiny_animatediff, "hotshot": save_hotshot}
    return writers[name](path) if name in writers else save_tiny(name, path)


@pytest.fixture(scope="module", params=sorted(SIZES))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Path, Path]:
    root = tmp_path_factory.mktemp("reference")
    folder = folder_of(request.param, root / request.param)
    model = load_pipeline(text2video_folder(folder), Plain())
    for kind in ("plain", "plus", "full"):
        save_ip_adapter(root / "adapters", model.pipeline.unet, kind, kind)
    return request.param, model, folder, root / "adapters"


def reference(adapters: Path, kind: str, scale: float, picture: np.ndarray = PICTURE) -> Reference:
    encoder = image_encoder_folder(adapters / "image_encoder").load(Plain())
    return Reference(ip_adapter_file(adapters / f"{kind}.safetensors").load(Plain()), encoder.read(picture), scale)


def draw(model: Any, name: str, given: Reference | None, guidance: float = 3.0, **changes: Any) -> np.ndarray:
    sampling = Sampling(*SIZES[name], 2, guidance, 1, reference=given, **changes)
    return model.denoise(model.encode_text("a dog", "rain"), sampling, lambda *step: None)


@pytest.mark.parametrize("loaded", sorted(PIPELINES), indirect=True)  # the library cannot read Hotshot-XL's folder
@pytest.mark.parametrize("kind", ["plain", "plus", "full"])
def test_the_clip_equals_the_librarys_own_call(loaded: Any, kind: str) -> None:
    import diffusers
    import torch

    name, model, folder, adapters = loaded
    ours = draw(model, name, reference(adapters, kind, 0.6))
    theirs = getattr(diffusers, PIPELINES[name]).from_pretrained(folder, local_files_only=True)
    theirs.load_ip_adapter(str(adapters), subfolder="", weight_name=f"{kind}.safetensors", local_files_only=True)
    theirs.set_ip_adapter_scale(0.6)
    for part in theirs.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    width, height, frames = SIZES[name]
    noise = model.noise(Sampling(width, height, frames, 2, 3.0, 1), torch.Generator("cpu").manual_seed(1))
    clip = theirs(
        "a dog", negative_prompt="rain", width=width, height=height, num_frames=frames, num_inference_steps=2,
        guidance_scale=3.0, latents=noise, ip_adapter_image=Image.fromarray(PICTURE), output_type="latent",
    ).frames[0]  # fmt: skip
    assert np.abs(clip.numpy() - ours).max() < 2e-4 * max(1.0, float(np.abs(ours).max()))


def test_the_scale_says_how_much_and_nothing_is_left_behind(loaded: Any) -> None:
    name, model, _, adapters = loaded
    plain = draw(model, name, None)
    weights = {key: value.clone() for key, value in model.pipeline.unet.state_dict().items()}
    far = [float(np.abs(draw(model, name, reference(adapters, "plain", s)) - plain).mean()) for s in (0.0, 0.1, 1.0)]
    assert far[0] == 0 < far[1] < far[2]
    other = draw(model, name, reference(adapters, "plain", 1.0, 255 - PICTURE))
    assert not np.allclose(other, draw(model, name, reference(adapters, "plain", 1.0)))
    assert np.isfinite(draw(model, name, reference(adapters, "plain", 1.0), guidance=1.0)).all()
    assert np.array_equal(plain, draw(model, name, None))
    after = model.pipeline.unet.state_dict()
    assert list(after) == list(weights) and all((after[key] == value).all() for key, value in weights.items())


def test_the_librarys_attention_at_scale_0_is_attention_without_a_picture(loaded: Any) -> None:
    """What the shortcut at scale 0 stands for."""
    from diffscaler.text2video import ip_adapter

    name, model, _, adapters = loaded
    plain, almost = draw(model, name, None), reference(adapters, "plain", 1e-30)
    assert np.abs(draw(model, name, almost) - plain).max() < 1e-6
    with ip_adapter.picture_attention(model.pipeline.unet, almost, True, model.device, model.dtype):
        reading = [at for at in model.pipeline.unet.attn_processors.values() if isinstance(at, ip_adapter.WithPicture)]
        assert len(reading) == sum(key.endswith(".to_k_ip.weight") for key in almost.adapter.layers)
        for processor in reading:
            processor.attention.scale = [0]
        assert np.array_equal(plain, draw(model, name, None))


def test_a_stopped_run_leaves_nothing_behind(loaded: Any) -> None:
    name, model, _, adapters = loaded
    plain = draw(model, name, None)

    def stop(*step: Any) -> None:
        raise KeyboardInterrupt

    sampling = Sampling(*SIZES[name], 2, 3.0, 1, reference=reference(adapters, "plus", 1.0))
    with pytest.raises(KeyboardInterrupt):
        model.denoise(model.encode_text("a dog", "rain"), sampling, stop)
    assert np.array_equal(plain, draw(model, name, None))


def test_a_picture_goes_with_windows_a_lora_and_a_clip_to_redraw(loaded: Any, tmp_path: Path) -> None:
    from diffscaler.text2video.lora import Lora, adapted

    name, model, _, adapters = loaded
    plain, given = draw(model, name, None), reference(adapters, "plain", 0.7)
    width, height, _ = SIZES[name]
    sampling = Sampling(width, height, 6, 2, 3.0, 1, window=4, overlap=1, reference=given)
    text = model.encode_text("a dog", "rain")
    assert np.isfinite(model.denoise(text, sampling, lambda *step: None)).all()
    source = model.encode(np.zeros((4, height, width, 3), np.uint8))
    assert np.isfinite(draw(model, name, given, source=source, strength=0.5)).all()
    lora = save_lora(model, tmp_path / "lora")
    with adapted(model.pipeline, [Lora("one", lora)]):
        both = draw(model, name, given)
    assert not np.allclose(both, draw(model, name, given))
    assert np.array_equal(plain, draw(model, name, None))


def test_half_precision_and_weights_in_8_bits_run_through(tmp_path: Path) -> None:
    folder = save_tiny("animatediff-sdxl", tmp_path / "motion")
    reads = load_pipeline(text2video_folder(folder), Plain()).pipeline.unet
    given = reference(save_ip_adapter(tmp_path / "adapters", reads, "plain").parent, "plain", 0.7)
    for change in ({"dtype": "bfloat16"}, {"rungs": ("fp8 weights",)}, {"rungs": ("group offload",)}):
        model = load_pipeline(text2video_folder(folder), type("Device", (Plain,), change))
        plain = draw(model, "animatediff-sdxl", None)
        assert not np.allclose(plain, draw(model, "animatediff-sdxl", given))
        assert np.array_equal(plain, draw(model, "animatediff-sdxl", None)), change


def test_a_pickle_is_read_for_its_tensors_alone(loaded: Any, tmp_path: Path) -> None:
    import pickle

    name, model, _, adapters = loaded
    path = as_pickle(Path(shutil.copy(adapters / "plain.safetensors", tmp_path)))
    given = reference(adapters, "plain", 0.6)
    pickled = Reference(ip_adapter_file(path).load(Plain()), given.embeddings, 0.6)
    assert np.array_equal(draw(model, name, given), draw(model, name, pickled))

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    path.write_bytes(pickle.dumps({"image_proj": Trap()}))
    with pytest.raises(ModelNotFound) as caught:
        ip_adapter_file(path).load(Plain())
    assert caught.value.hint and not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_said_in_one_sentence(loaded: Any, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    name, model, _, adapters = loaded
    plain, state = draw(model, name, None), load_file(adapters / "plain.safetensors")
    layers = {key: value for key, value in state.items() if key.startswith("ip_adapter.")}
    wrong: dict[str, dict[str, torch.Tensor]] = {
        "fewer": {key: value for key, value in state.items() if not key.startswith("ip_adapter.1.")},
        "more": state | {"ip_adapter.999.to_k_ip.weight": next(iter(layers.values())).clone()},
        "shapes": state | {key: torch.zeros(3, 5) for key in layers},
        "stranger": {**layers, "image_proj.what.weight": torch.zeros(3)},
        "face": {**layers, "image_proj.proj.0.weight": torch.zeros(3), "image_proj.norm.weight": torch.zeros(3)},
        "lora": {"lora.up": torch.zeros(3)},
        "encoder": state | {"image_proj.proj.weight": torch.zeros(len(state["image_proj.proj.weight"]), 7)},
    }
    encoder = image_encoder_folder(adapters / "image_encoder").load(Plain())
    for kind, tensors in wrong.items():
        save_file(tensors, tmp_path / f"{kind}.safetensors")
        with pytest.raises((InvalidRequest, ModelNotFound)) as caught:
            adapter = ip_adapter_file(tmp_path / f"{kind}.safetensors").load(Plain())
            draw(model, name, Reference(adapter, encoder.read(PICTURE), 0.5))
        assert caught.value.hint and "\n" not in str(caught.value), kind
        assert np.array_equal(plain, draw(model, name, None)), kind


def test_adapters_are_found_with_the_image_encoder_beside_them(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    root = settings.models_dir / "ip_adapters"
    for path in (root / "one.safetensors", root / "sd15/two.bin", root / "sd15/two.safetensors", root / "sd15/x.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for folder in (root / "image_encoder", root / "sd15" / "image_encoder"):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"x")
    catalogue = Catalogue(settings)
    found = {spec.name: spec for spec in catalogue.specs("ip_adapter")}
    assert {name: spec.path.name for name, spec in found.items() if spec.path} == {
        "one": "one.safetensors", "two": "two.safetensors",
    }  # fmt: skip
    assert catalogue.image_encoder(found["two"]).path == root / "sd15" / "image_encoder"
    assert catalogue.image_encoder(found["one"]).path == root / "image_encoder"
    shutil.rmtree(root / "image_encoder")
    with pytest.raises(ModelNotFound, match="no image encoder") as caught:
        catalogue.image_encoder(found["one"])
    assert caught.value.hint


def test_families_that_take_no_picture_say_so() -> None:
    assert {card.name for card in read_families() if card.traits.references} == {"animatediff", "sdxl_motion"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    model = load_pipeline(text2video_folder(save_tiny("animatediff-sdxl", tmp_path / "models" / "motion")), Plain())
    save_ip_adapter(tmp_path / "models" / "ip_adapters", model.pipeline.unet, "look", "plus")
    Image.fromarray(PICTURE).save(tmp_path / "anna.png")
    return tmp_path


def test_a_reference_picture_goes_through_the_queue_and_its_story_into_the_file(home: Path) -> None:
    studio = Studio(Settings(data_dir=home, worker_idle_s=2, device="cpu", threads=1))
    picture = studio.add_file(home / "anna.png").key
    ask = {"prompt": "a dog", "model": "motion", "seed": 1, "reference": picture, "ip_adapter": "look"}
    job = finish(studio, studio.submit(Text2VideoRequest(**ask)))
    assert job.state == "done", (job.sentence, job.trace)
    made = studio.library.clip(job.result or "")
    assert [at.stage for at in nodes(made.node)] == [
        "encode_text", "import", "encode_reference", "denoise", "decode", "encode",
    ]  # fmt: skip
    manifest = studio_manifest(studio, made.key)
    assert "IP-Adapter: look at 0.6" in manifest["notes"]
    assert "anna.png" in str(manifest["sources"])
    recipes = Recipes(studio.library, Catalogue(studio.settings))
    plain = Text2VideoRequest(prompt="a dog", model="motion", seed=1)
    keys = {recipes.of(Text2VideoRequest(**ask, reference_scale=scale)).root.key for scale in (0.0, 0.6, 1.0)}
    assert len(keys | {recipes.of(plain).root.key}) == 4
    for wrong, said in (
        ({"ip_adapter": ""}, "needs an IP-Adapter"),
        ({"ip_adapter": "other"}, "no model called 'other'"),
        ({"model": "mini"}, "takes no reference picture"),
    ):
        with pytest.raises(DiffScalerError, match=said) as caught:
            studio.submit(Text2VideoRequest(**(ask | wrong)))
        assert caught.value.hint


def studio_manifest(studio: Studio, key: str) -> dict[str, Any]:
    from diffscaler.video.probe import probe

    return probe(studio.library.path(key)).manifest or {}
