"""A from-scratch checkpoint in the models folder is listed and draws, like any other model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffscaler.media import ClipMeta, TensorChunk
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.stages import Decode, DecodeParams, Denoise, DenoiseParams, EncodeText, EncodeTextParams
from tests.text2video.test_frugal import Context, Given, Plain
from tests.text2video.tiny_unet3d import save_tiny_unet3d


def test_a_pt_file_with_a_word_about_its_family_becomes_a_clip_and_says_that_it_reads_no_words(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    folder = settings.models_dir / "gifs"
    folder.mkdir(parents=True)
    save_tiny_unet3d(folder)
    assert not [spec for spec in Catalogue(settings).specs("text2video") if spec.path == folder]
    (folder / "model.toml").write_text('title = "My GIFs"\nfamily = "unet3d"\n', encoding="utf-8")
    spec = Catalogue(settings).spec("gifs", "text2video")
    assert spec.title == "My GIFs" and spec.family and spec.family.name == "unet3d" and spec.working_bytes > 300 * 2**20
    model, ref = load_pipeline(spec, Plain()), ModelRef(name="gifs", revision="1")
    context = Context(model)
    (text,) = EncodeText(EncodeTextParams(prompt="a dog"), (ref,)).run((), context)
    assert isinstance(text, TensorChunk) and any("without words" in note for note in context.notes)
    params = DenoiseParams(width=16, height=16, num_frames=4, num_inference_steps=2, guidance_scale=2.0, seed=1)
    stage = Denoise(params, (ref,))
    (latents,) = stage.run((Given(text, ClipMeta(kind="tensors", num_frames=1)),), context)
    (frames,) = Decode(DecodeParams(), (ref,)).run((Given(latents, stage.describe(())),), context)
    assert frames.frames.shape == (4, 16, 16, 3) and frames.frames.dtype == np.uint8
