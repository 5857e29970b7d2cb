"""Which weights Muon suits. Loads no torch: a forecast asks it too."""

from __future__ import annotations

#: The first and last layers and embeddings do not behave like hidden matrices.
ADAM_NAMES = ("conv_in", "conv_out", "time_embedding", "quant_conv")


def is_for_adam(name: str, ndim: int, adam_names: tuple[str, ...] = ADAM_NAMES) -> bool:
    """Whether AdamW takes a parameter, which keeps two numbers for each; Muon keeps one."""
    return ndim < 2 or any(part in name for part in adam_names)
