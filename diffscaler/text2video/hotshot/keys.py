"""The names of a Hotshot-XL U-Net's tensors, and diffusers' names for the same tensors: one table, read both ways.

Hotshot-XL keeps the positional code of a block once per attention, twice in all; diffusers' UNetMotionModel once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

State = dict[str, torch.Tensor]

#: What an SDXL U-Net's own keys begin with; they are the same in both worlds.
_SPATIAL = ("conv_in.", "conv_norm_out.", "conv_out.", "time_embedding.", "add_embedding.")
_SPATIAL_BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.")

# One module is `{down,up}_blocks.i.<list>.j`; the mid block of an SDXL network has none.
_HOTSHOT = re.compile(r"((?:down|up)_blocks\.\d+)\.temporal_attentions\.(\d+)\.(.+)", re.ASCII)
_LIBRARY = re.compile(r"((?:down|up)_blocks\.\d+)\.motion_modules\.(\d+)\.(.+)", re.ASCII)
_IN_BLOCK = re.compile(r"(transformer_blocks\.\d+)\.(.+)", re.ASCII)

_WEIGHT_AND_BIAS = ("weight", "bias")

#: Hotshot-XL's TransformerTemporal and the library's AnimateDiffTransformer3D agree on these.
_IN_MODULE = frozenset(f"{layer}.{kind}" for layer in ("norm", "proj_in", "proj_out") for kind in _WEIGHT_AND_BIAS)

#: Inside a block: Hotshot-XL's TransformerBlock -> the library's BasicTransformerBlock.
_TO_LIBRARY = {
    **{f"attention_blocks.{i}.to_{x}.weight": f"attn{i + 1}.to_{x}.weight" for i in (0, 1) for x in "qkv"},
    **{
        f"attention_blocks.{i}.to_out.0.{kind}": f"attn{i + 1}.to_out.0.{kind}"
        for i in (0, 1)
        for kind in _WEIGHT_AND_BIAS
    },
    **{f"norms.{i}.{kind}": f"norm{i + 1}.{kind}" for i in (0, 1) for kind in _WEIGHT_AND_BIAS},
    **{f"ff_norm.{kind}": f"norm3.{kind}" for kind in _WEIGHT_AND_BIAS},
    **{f"ff.net.{layer}.{kind}": f"ff.net.{layer}.{kind}" for layer in ("0.proj", "2") for kind in _WEIGHT_AND_BIAS},
}
_TO_HOTSHOT = {library: hotshot for hotshot, library in _TO_LIBRARY.items()}

_HOTSHOT_POSITIONS = tuple(f"attention_blocks.{i}.pos_encoder.positional_encoding" for i in (0, 1))
_LIBRARY_POSITIONS = "pos_embed.pe"


def is_hotshot(keys: Mapping[str, object]) -> bool:
    """Whether a state carries Hotshot-XL's temporal layers, by their names."""
    return any(".temporal_attentions." in key for key in keys)


def is_temporal(key: str) -> bool:
    """Whether a tensor of a UNetMotionModel belongs to its temporal layers."""
    return ".motion_modules." in key


def to_library(state: Mapping[str, torch.Tensor]) -> State:
    """Hotshot-XL's names -> diffusers' UNetMotionModel's.

    state: a whole U-Net, or its temporal tensors alone (the files called hsxl_temporal_layers)
    Tensors are passed on, not copied. Raises ValueError naming a key that is in no such network, or a positional code
    that has no equal copy where Hotshot-XL keeps one.
    """
    renamed: State = {}
    for key, tensor in state.items():
        module = _HOTSHOT.fullmatch(key)
        if module is None:
            _require_spatial(key)
            renamed[key] = tensor
            continue
        block, index, rest = module.groups()
        place = f"{block}.motion_modules.{index}."
        inside = _IN_BLOCK.fullmatch(rest)
        if rest in _IN_MODULE:
            renamed[place + rest] = tensor
        elif inside and inside[2] in _TO_LIBRARY:
            renamed[f"{place}{inside[1]}.{_TO_LIBRARY[inside[2]]}"] = tensor
        elif inside and inside[2] in _HOTSHOT_POSITIONS:
            stem = key.removesuffix(inside[2])
            _require_equal(state, *(stem + name for name in _HOTSHOT_POSITIONS))
            renamed[f"{place}{inside[1]}.{_LIBRARY_POSITIONS}"] = tensor
        else:
            raise ValueError(f"no Hotshot-XL network has a tensor called {key[:200]!r}")
    return renamed


def to_hotshot(state: Mapping[str, torch.Tensor]) -> State:
    """diffusers' UNetMotionModel's names -> Hotshot-XL's; the inverse of `to_library`.

    The second copy of a positional code is a tensor of its own, as files need it; all others are passed on.
    Raises ValueError naming a key that has no place in a Hotshot-XL network.
    """
    renamed: State = {}
    for key, tensor in state.items():
        module = _LIBRARY.fullmatch(key)
        if module is None:
            _require_spatial(key)
            renamed[key] = tensor
            continue
        block, index, rest = module.groups()
        place = f"{block}.temporal_attentions.{index}."
        inside = _IN_BLOCK.fullmatch(rest)
        if rest in _IN_MODULE:
            renamed[place + rest] = tensor
        elif inside and inside[2] in _TO_HOTSHOT:
            renamed[f"{place}{inside[1]}.{_TO_HOTSHOT[inside[2]]}"] = tensor
        elif inside and inside[2] == _LIBRARY_POSITIONS:
            first, second = (f"{place}{inside[1]}.{name}" for name in _HOTSHOT_POSITIONS)
            renamed[first], renamed[second] = tensor, tensor.clone()
        else:
            raise ValueError(f"Hotshot-XL has no place for a tensor called {key[:200]!r}")
    return renamed


def _require_spatial(key: str) -> None:
    """Raise ValueError for a key that is neither a temporal tensor of the table nor an image network's."""
    plain = key.startswith(_SPATIAL) or (
        key.startswith(_SPATIAL_BLOCKS) and "temporal" not in key and "motion_modules" not in key
    )
    if not plain:
        raise ValueError(f"no SDXL U-Net has a tensor called {key[:200]!r}")


def _require_equal(state: Mapping[str, torch.Tensor], first: str, second: str) -> None:
    """Raise ValueError unless both positional codes are there and the same: one of them is about to be dropped."""
    pair = [state.get(first), state.get(second)]
    if pair[0] is None or pair[1] is None:
        raise ValueError(f"{(first if pair[0] is None else second)[:200]!r} is missing")
    # A layout without values (the meta device) has nothing to compare.
    if pair[0].shape != pair[1].shape or not (pair[0].is_meta or torch.equal(pair[0], pair[1])):
        raise ValueError(f"{first[:200]!r} and its copy differ")
