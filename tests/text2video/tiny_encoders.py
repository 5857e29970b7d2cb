"""Tiny random encoders of words and pictures, with their tokenizers, by the names pipelines give them."""

from __future__ import annotations

from typing import Any


def t5(umt5: bool = False) -> dict[str, Any]:
    """A T5 (or UMT5) encoder of 32 channels with a tokenizer of single letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    pieces = ["<pad>", "</s>", "<unk>", *" abcdefghijklmnopqrstuvwxyz▁"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=16
    )
    kind, encoder = (UMT5Config, UMT5EncoderModel) if umt5 else (T5Config, T5EncoderModel)
    config = kind(vocab_size=len(pieces), d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2, pad_token_id=0)
    return {"tokenizer": fast, "text_encoder": encoder(config)}


def clip() -> dict[str, Any]:
    """A CLIP text encoder of 32 channels."""
    import string

    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = string.ascii_lowercase
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=16)
    return {"tokenizer": tokenizer, "text_encoder": CLIPTextModel(config)}


def image_encoder(size: int = 32) -> dict[str, Any]:
    """A CLIP vision tower of 32 channels with its preprocessing, for pictures of `size` pixels a side."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=32, projection_dim=32, num_hidden_layers=2, num_attention_heads=4, image_size=size,
        intermediate_size=37, patch_size=size // 4,
    )  # fmt: skip
    processor = CLIPImageProcessor(crop_size=size, size=size)
    return {"image_encoder": CLIPVisionModelWithProjection(config), "feature_extractor": processor}


def gemma() -> dict[str, Any]:
    """A Gemma 3 of 16 channels and two layers with a tokenizer of single letters."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GemmaTokenizer

    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    text = {
        "vocab_size": 48, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 8, "sliding_window": 16, "query_pre_attn_scalar": 8,
    }  # fmt: skip
    vision = {
        "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 16,
        "patch_size": 8,
    }  # fmt: skip
    config = Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=1, boi_token_index=40, eoi_token_index=41,
        image_token_index=42,
    )  # fmt: skip
    tokenizer = GemmaTokenizer(vocab={letter: i for i, letter in enumerate(letters)}, merges=[])
    return {"text_encoder": Gemma3ForConditionalGeneration(config), "tokenizer": tokenizer}


def sdxl_text() -> dict[str, Any]:
    """SDXL's two text encoders, 8 and 16 channels, the second with a projection to 16."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    base = clip()["tokenizer"]

    def config(width: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(base), hidden_size=width, intermediate_size=37, num_hidden_layers=3, num_attention_heads=2,
            max_position_embeddings=16, bos_token_id=0, eos_token_id=1, pad_token_id=1, projection_dim=16,
        )  # fmt: skip

    return {
        "text_encoder": CLIPTextModel(config(8)),
        "text_encoder_2": CLIPTextModelWithProjection(config(16)),
        "tokenizer": base,
        "tokenizer_2": clip()["tokenizer"],
    }
