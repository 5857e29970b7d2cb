"""A prompt becomes the vector the network was taught with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.text2video.unet3d.family import Unet3DFamily, mean_after_first
from tests.text2video.tiny_unet3d import (
    save_tiny_bert,
)
from tests.text2video.unet3d.common import load, refusal, said_by


def test_the_vector_is_the_mean_of_the_tokens_after_the_first(
    words: Unet3DFamily, words_folder: Path, tmp_path: Path
) -> None:
    from transformers import BertModel, BertTokenizer

    tokens = BertTokenizer.from_pretrained(str(words_folder / "tokenizer"))(["a dog"], return_tensors="pt")
    assert tokens["input_ids"].shape == (1, 6)  # [CLS] a d ##o ##g [SEP]
    with torch.inference_mode():
        bert = BertModel.from_pretrained(str(words_folder / "text_encoder"), add_pooling_layer=False).eval()
        states = bert(**tokens, output_hidden_states=True).hidden_states[-1][0].numpy()
    text = words.encode_text("a dog", "")
    assert text.keys() == {"prompt_embeds"} and text["prompt_embeds"].shape == (1, 16)
    assert np.abs(text["prompt_embeds"][0] - states[1:].mean(axis=0)).max() < 1e-6
    shutil.copytree(words_folder, tmp_path / "cls")
    (tmp_path / "cls" / "model.toml").write_text('[unet3d]\ntext_pooling = "cls"\n')
    by_first = load(tmp_path / "cls").encode_text("a dog", "rain")
    assert np.abs(by_first["prompt_embeds"][0] - states[0]).max() < 1e-6
    assert by_first["negative_prompt_embeds"].shape == (1, 16)


@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**31 - 1))
def test_padding_counts_for_nothing(tokens: int, padding: int, seed: int) -> None:
    states = torch.randn((2, tokens + padding, 4), generator=torch.Generator().manual_seed(seed))
    mask = torch.cat((torch.ones(2, tokens), torch.zeros(2, padding)), dim=1).long()
    found = mean_after_first(states, mask)
    expected = states[:, 1:tokens].mean(dim=1) if tokens > 1 else torch.zeros(2, 4)
    assert (found - expected).abs().max() < 1e-6


def test_a_prompt_longer_than_the_encoder_is_cut(words: Unet3DFamily) -> None:
    long, longer = (words.encode_text("a " * count, "")["prompt_embeds"] for count in (30, 300))
    assert np.array_equal(long, longer) and np.isfinite(long).all()


def test_a_network_without_words_says_so(wordless: Unet3DFamily, words: Unet3DFamily) -> None:
    assert wordless.note == "wordless draws without words: it was trained on clips alone."
    assert words.note == "" and wordless.read("a dog") is None and words.read("a dog") is None
    text = wordless.encode_text("a dog", "rain")
    assert {name: value.shape for name, value in text.items()} == {"prompt_embeds": (1, 0)}


def test_a_network_with_words_needs_their_encoder(tmp_path: Path, words_folder: Path) -> None:
    shutil.copytree(words_folder, tmp_path / "alone")
    shutil.rmtree(tmp_path / "alone" / "text_encoder")
    assert "text encoder in alone cannot be loaded" in refusal(tmp_path / "alone")
    shutil.rmtree(tmp_path / "alone" / "tokenizer")
    model = load(tmp_path / "alone")
    assert "taught words" in said_by(lambda: model.encode_text("a dog", ""))


@pytest.mark.parametrize("damage", ["cut", "empty", "lacking", "narrow", "tokenizer"])
def test_a_damaged_encoder_is_said_in_one_sentence(tmp_path: Path, words_folder: Path, damage: str) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(words_folder, tmp_path / "broken"))
    weights = folder / "text_encoder" / "model.safetensors"
    if damage == "lacking":
        state = load_file(weights)
        del state["encoder.layer.0.output.dense.weight"]
        save_file(state, weights, metadata={"format": "pt"})
    elif damage == "narrow":
        save_tiny_bert(folder, 12)
    elif damage == "tokenizer":
        (folder / "tokenizer" / "tokenizer.json").write_text("{")
    else:
        weights.write_bytes(weights.read_bytes()[: 100 if damage == "cut" else 0])
    sentence = refusal(folder)
    assert "text encoder in broken" in sentence
    assert {"lacking": "lacks weights", "narrow": "gives 12 numbers, not 16"}.get(
        damage, "cannot be loaded"
    ) in sentence
