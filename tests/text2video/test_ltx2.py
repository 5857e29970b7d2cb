"""LTX-2: what it keeps of the words, how it is guided, its sound, and the layout of the published weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffscaler import compat
from diffscaler.models.catalogue import text2video_folder
from diffscaler.requests import Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from tests.text2video.here import made_here
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny_families import save_tiny

SAMPLING = Sampling(64, 64, 9, 2, 3.0, 3, fps=24.0)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = save_tiny("ltx2", tmp_path_factory.mktemp("ltx2") / "tiny")
    return folder, load_pipeline(text2video_folder(folder), Plain())


def ignore(*step: Any) -> None:
    return None


def test_sound_and_pictures_are_the_librarys_own_and_so_is_no_guidance(loaded: tuple[Path, Any]) -> None:
    import torch
    from diffusers import LTX2Pipeline

    folder, model = loaded
    pipeline = LTX2Pipeline.from_pretrained(folder, local_files_only=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    text = model.encode_text("a dog", "rain")
    clips = []
    for sampling in (SAMPLING, replace(SAMPLING, guidance_scale=1.0)):
        latents, sound = model.denoise_with_sound(text, sampling, ignore)
        asked = {"width": 64, "height": 64, "num_frames": 9, "num_inference_steps": 2, **model.arguments(sampling)}
        theirs, heard = pipeline(
            "a dog", negative_prompt="rain", generator=torch.Generator().manual_seed(3), output_type="np",
            return_dict=False, **asked,
        )  # fmt: skip
        clips.append(latents)
        assert np.array_equal(latents, model.denoise(text, sampling, ignore))
        assert np.abs(model.decode(latents) / 255 - theirs[0]).max() < 1.01 / 255
        ours = model.decode_sound(sound)
        assert ours.rate == 24000 and ours.samples.dtype == np.float32 and ours.samples.std() > 0
        assert np.abs(ours.samples - heard[0].numpy()).max() < 1e-4
    assert not np.allclose(*clips)
    # Nothing of guidance is left at 1: another prompt to keep out changes nothing.
    other = model.denoise(model.encode_text("a dog", "snow"), replace(SAMPLING, guidance_scale=1.0), ignore)
    assert np.allclose(other, clips[1])


def test_no_more_is_kept_of_the_words_than_is_read(loaded: tuple[Path, Any]) -> None:
    _, model = loaded
    text = model.encode_text("a dog", "rain")
    width = model.pipeline.connectors.config.caption_channels
    assert {array.shape for name, array in text.items() if name.endswith("embeds")} == {(1, 1024, 2 * width)}


def test_encoders_and_connectors_wait_elsewhere_while_it_draws(loaded: tuple[Path, Any]) -> None:
    folder, _ = loaded
    model = load_pipeline(text2video_folder(folder), Plain())
    text = model.encode_text("a dog", "rain")
    plain = model.denoise(text, SAMPLING, ignore)
    model.frugal.take("encoders aside")
    seen = []

    def look(*step: Any) -> None:
        seen.append((model.pipeline.text_encoder, model.pipeline.connectors))

    for sampling in (SAMPLING, replace(SAMPLING, picture=np.zeros((64, 64, 3), np.uint8))):
        clip = model.denoise(text, sampling, look)
    assert set(seen) == {(None, None)} and model.pipeline.connectors is not None
    assert np.array_equal(plain, model.denoise(text, SAMPLING, ignore)) and not np.allclose(clip, plain)


def test_the_sound_goes_with_the_clip_and_with_what_is_made_of_it(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path))
    save_tiny("ltx2", studio.settings.models_dir / "talkie")
    ask = Text2VideoRequest(prompt="a dog", model="talkie", seed=1, encoding="prores")
    clip = made_here(studio, ask)
    larger = made_here(studio, UpscaleRequest(clip=clip.key, scale=2, encoding="prores"))
    tracks = [samples_of(studio.library.path(made.key)) for made in (clip, larger)]
    (kept,) = (chunk.tensors for chunk in studio.library.read(clip.node.inputs[1].key, 0))
    assert [rate for _, rate in tracks] == [24000, 24000] and np.array_equal(tracks[0][0], tracks[1][0])
    whole = kept["samples"][:, : tracks[0][0].shape[1]]
    assert 0.3 < whole.shape[1] / 24000 <= 9 / 24
    assert np.abs(tracks[0][0] / 32767 - whole).max() < 1 / 32767
    # A single frame is a picture, and has none.
    assert len(studio.recipe(ask.model_copy(update={"num_frames": 1, "encoding": "auto"})).root.inputs) == 1


def samples_of(path: Path) -> tuple[np.ndarray, int]:
    """The sound of a file, as its integers, (channels, N), and its rate."""
    import av

    with av.open(str(path)) as file:
        (track,) = file.streams.audio
        parts = [frame.to_ndarray().reshape(-1, track.channels).T for frame in file.decode(track)]
        return np.concatenate(parts, axis=1), track.rate


def test_the_layout_of_the_published_weights() -> None:
    """Lightricks/LTX-2 (19B): its config.json say these are the library's defaults, but for rope_type."""
    compat.install()
    import torch
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    counts = {
        (LTX2VideoTransformer3DModel, "split"): (3510, 18_876_174_592),
        (LTX2TextConnectors, "split"): (59, 1_431_475_200),
        (AutoencoderKLLTX2Video, None): (184, 1_222_479_857),
        (AutoencoderKLLTX2Audio, None): (102, 53_248_402),
        (LTX2Vocoder, None): (194, 55_592_802),
    }
    with torch.device("meta"):
        for (kind, rope), expected in counts.items():
            state = kind(**({"rope_type": rope} if rope else {})).state_dict()
            assert (len(state), sum(tensor.numel() for tensor in state.values())) == expected, kind
    # The published file of the vocoder has 111 204 124 bytes: 2 for each weight, and a head that names them.
    assert 0 < 111_204_124 - 2 * counts[LTX2Vocoder, None][1] < 194 * 128
