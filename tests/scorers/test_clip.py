"""CLIP scores equal the library's own logits on the same frames and words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffscaler.errors import ModelNotFound
from diffscaler.models.annotators import annotator_folder
from diffscaler.models.device import pick_device
from diffscaler.scorers.clip import Clip, clip_score
from tests.scorers.tiny import clip_folder

TEXTS = ["a dog runs", "red", "two cats and a bird sit on a very long wall by the sea"]


def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for height, width in ((50, 80), (90, 40), (32, 32))
    ]


def loaded(folder: Path) -> Clip:
    spec = annotator_folder(folder)
    assert spec is not None and spec.kind == "caption_scorer"
    return spec.load(pick_device("cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("models") / "tiny")


def test_scores_are_the_logits_of_the_librarys_own_model_and_processor(folder):
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)
    pictures = [Image.fromarray(frame) for frame in frames()]
    given = processor(text=TEXTS, images=pictures, return_tensors="pt", padding=True, truncation=True)
    assert given["input_ids"].shape[1] == 16, "the longest text is cut where the model reads no further"
    with torch.no_grad():
        logits = model(**given).logits_per_image.numpy()  # its scale is 100, as in every published CLIP
    clip = loaded(folder)
    seen, read = clip.see(clip.pixels(frames())), clip.read(TEXTS)
    assert seen.shape == (3, clip.width) and seen.dtype == np.float32
    ours = np.array([[clip_score(picture, words) for words in read] for picture in seen])
    assert logits.min() < -1 and logits.max() > 1
    assert np.abs(ours - np.maximum(logits, 0)).max() < 1e-5 * np.abs(logits).max()


def test_the_mean_of_vectors_scores_the_mean_of_all_cosines(folder):
    clip = loaded(folder)
    seen, read = clip.see(clip.pixels(frames())), clip.read(TEXTS)
    each = 100 * float((seen.astype(np.float64) @ read.T.astype(np.float64)).mean())
    assert clip_score(seen.mean(0), read.mean(0)) == pytest.approx(max(0.0, each), abs=1e-4)
    assert clip_score(seen[0], seen[0]) == pytest.approx(100, abs=1e-4) and clip_score(seen[0], -seen[0]) == 0


def test_what_stands_beside_a_picture_or_a_text_changes_nothing(folder):
    clip = loaded(folder)
    together = clip.see(clip.pixels(frames()))
    alone = np.concatenate([clip.see(clip.pixels([frame])) for frame in frames()])
    assert np.abs(together - alone).max() < 1e-6
    assert np.abs(clip.read(TEXTS) - np.concatenate([clip.read([text]) for text in TEXTS])).max() < 1e-6


@pytest.mark.parametrize("damage", ["weights", "half", "tokenizer", "processor", "config"])
def test_a_damaged_folder_is_a_sentence(tmp_path, damage):
    folder = clip_folder(tmp_path / "tiny")
    spec = annotator_folder(folder)
    assert spec is not None
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"no weights")
    elif damage == "half":
        from safetensors.torch import load_file, save_file

        state = load_file(folder / "model.safetensors")
        del state["text_projection.weight"]
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    elif damage == "tokenizer":
        (folder / "tokenizer.json").write_text("{")
    elif damage == "processor":
        (folder / "processor_config.json").unlink()
    else:
        (folder / "config.json").write_text("{")
    with pytest.raises(ModelNotFound) as caught:
        spec.load(pick_device("cpu"))
    assert "tiny" in caught.value.message and caught.value.hint


def test_a_folder_in_the_files_that_are_published_gives_the_same(tmp_path, folder):
    published, own = loaded(clip_folder(tmp_path / "openai", published=True)), loaded(folder)
    assert {"vocab.json", "merges.txt", "preprocessor_config.json"} <= {
        file.name for file in (tmp_path / "openai").iterdir()
    }
    assert torch.equal(published.pixels(frames()), own.pixels(frames()))
    assert np.array_equal(published.read(TEXTS), own.read(TEXTS))


def test_a_pickle_is_read_for_its_tensors(tmp_path, folder):
    from safetensors.torch import load_file

    other = clip_folder(tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), other / "pytorch_model.bin")
    (other / "model.safetensors").unlink()
    ours, theirs = loaded(other), loaded(folder)
    assert np.array_equal(ours.read(TEXTS), theirs.read(TEXTS))
