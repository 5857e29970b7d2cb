"""The text vector of a from-scratch network: of an encoder that is given, or of one that learns along with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from diffscaler.text2video.unet3d.family import TextEncoder, mean_after_first
from training.recipes.clip_data import words_in

#: Of an encoder made here. Longer captions are cut.
MAX_TOKENS, WIDTH = 48, 64


def caption_encoder(captions: Iterable[str], seed: int) -> TextEncoder:
    """A BERT of one layer and random weights that knows the words of these captions and no others."""
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words_in(captions)]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=MAX_TOKENS)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=MAX_TOKENS,
        # Words must differ from the first step on: after a layer norm of 0.02 alone they nearly do not.
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = BertModel(config, add_pooling_layer=False)
    return TextEncoder(tokenizer, model, "mean")


class TrainedWords(nn.Module):
    """Token ids -> text vectors, by an encoder that trains. Ids are padded with the tokenizer's pad token."""

    def __init__(self, encoder: TextEncoder, pooling: Literal["mean", "cls"]) -> None:
        super().__init__()
        self.model: Any = encoder.model
        self.pad = int(encoder.tokenizer.pad_token_id)
        self.pooling = pooling

    def forward(self, ids: Tensor) -> Tensor:
        """int64 (B, tokens) -> (B, width)"""
        mask = (ids != self.pad).long()
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states[:, 0] if self.pooling == "cls" else mean_after_first(states, mask)


def token_ids(encoder: TextEncoder, caption: str) -> Tensor:
    """int64 (max_tokens,), padded."""
    found = encoder.tokenizer(
        [caption], truncation=True, padding="max_length", max_length=encoder.max_tokens, return_tensors="pt"
    )
    return found["input_ids"][0]
