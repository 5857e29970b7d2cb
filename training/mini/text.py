"""Words to vectors: a tokenizer learnt from the captions and a small CLIP text encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"

#: Tokens per prompt; longer prompts are cut.
MAX_TOKENS = 32


def build_tokenizer(captions: Iterable[str], vocab_size: int = 800) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges come from `captions`, so that the words of the world are single tokens."""
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    learner.train_from_iterator(
        captions,
        trainers.BpeTrainer(vocab_size=vocab_size, end_of_word_suffix="</w>", special_tokens=[], show_progress=False),
    )
    model = json.loads(learner.to_str())["model"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    # Without every single byte symbol an unknown word would become the end-of-text token and cut the prompt short.
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in merges)]
    vocab = {token: i for i, token in enumerate(dict.fromkeys([*tokens, START, END]))}
    return CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def build_text_encoder(tokenizer: CLIPTokenizer, width: int = 160, layers: int = 3) -> CLIPTextModel:
    """A text encoder that learns together with the U-Net."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=width * 4,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=width,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """int64 (N, MAX_TOKENS), padded and cut the way AnimateDiffPipeline does it."""
    return tokenizer(
        captions, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids


class CaptionTokens:
    """All captions of a clip set, tokenised once."""

    def __init__(self, tokenizer: CLIPTokenizer, captions: list[list[str]]) -> None:
        self.starts = np.cumsum([0, *(len(c) for c in captions)])
        self.ids = token_ids(tokenizer, [c for group in captions for c in group])
        self.empty = token_ids(tokenizer, [""])[0]

    def draw(self, clips: np.ndarray, rng: np.random.Generator, empty_share: float = 0.1) -> torch.Tensor:
        """A wording for each clip, some of them empty, which is what guidance needs. int64 (len(clips), MAX_TOKENS)"""
        rows = []
        for clip in clips:
            start, stop = self.starts[clip], self.starts[clip + 1]
            row = int(rng.integers(start, stop))
            rows.append(self.empty if rng.random() < empty_share else self.ids[row])
        return torch.stack(rows)
