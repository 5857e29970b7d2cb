"""Reads the checkpoints of video-diffusion-pytorch and text2video-from-scratch, which have one format, and ours.

Both trainers save {"step", "model", "ema", "scaler"}, where `model` and `ema` are a network under "denoise_fn." next to
the noise schedule it was trained on. A network's shape is not in the file: it is read off its weights.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffscaler.errors import ModelNotFound
from diffscaler.text2video.unet3d.diffusion import PredictionType, SamplerName, cosine_alphas_cumprod
from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUFFIXES = (".pt", ".pth", ".safetensors")
PREFIX = "denoise_fn."
AGAIN = "Copy it again from where it was trained."

# What DataParallel and torch.compile put between the parts of a name.
WRAPPERS = {"module", "_orig_mod"}

#: The noise schedule in its many forms; all follow from the first.
BUFFERS = frozenset(
    "betas alphas_cumprod alphas_cumprod_prev sqrt_alphas_cumprod sqrt_one_minus_alphas_cumprod "
    "log_one_minus_alphas_cumprod sqrt_recip_alphas_cumprod sqrt_recipm1_alphas_cumprod posterior_variance "
    "posterior_log_variance_clipped posterior_mean_coef1 posterior_mean_coef2".split()
)

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """state: the network's weights under its own names; num_train_timesteps, step: None where the file is silent."""

    state: State
    num_train_timesteps: int | None = None
    step: int | None = None


class Unet3DSettings(BaseModel):
    """What a checkpoint was trained for, where its file cannot say. The defaults are the published trainers'.

    num_train_timesteps: noise levels; a file that holds its schedule goes before this
    dynamic_thresholding_ratio: None clips; the published value is 0.9
    text_pooling: the text vector is the mean of the tokens after the first, or the first one
    weights: the averaged ones or those of the last step
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_type: PredictionType = "epsilon"
    num_train_timesteps: Annotated[int | None, Field(ge=1, le=100_000)] = None
    sampler: SamplerName = "ancestral"
    dynamic_thresholding_ratio: Annotated[float | None, Field(gt=0, le=1)] = None
    text_pooling: Literal["mean", "cls"] = "mean"
    weights: Literal["ema", "model"] = "ema"


def weights_file(path: Path) -> Path:
    """The one weights file in a folder, or `path` itself when it is a file. Raises ModelNotFound."""
    if path.is_file():
        return path
    found = sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if len(found) != 1:
        what = f"{len(found)} weight files" if found else "no weight file"
        raise ModelNotFound(f"{path.name} holds {what}.", "It needs exactly one .pt or .safetensors file.")
    return found[0]


def read_checkpoint(file: Path, weights: Literal["ema", "model"] = "ema") -> Checkpoint:
    """The network's weights, float32 on the CPU.

    weights: the averaged ones or those of the last step; a file that holds one kind gives that one
    Raises ModelNotFound for a file that is damaged, holds more than weights, or is no such checkpoint.
    """
    data = grouped(read_file(file))
    chosen = data.get(weights, data.get("ema", data.get("model", data)))
    if not isinstance(chosen, Mapping) or not all(isinstance(key, str) for key in chosen):
        raise not_a_unet3d(file)
    tensors = {
        ".".join(part for part in key.split(".") if part not in WRAPPERS): value for key, value in chosen.items()
    }
    inside = any(key.startswith(PREFIX) for key in tensors)
    state = {key.removeprefix(PREFIX): value for key, value in tensors.items() if not inside or key not in BUFFERS}
    if not all(is_weight(value) for value in state.values()):
        raise not_a_unet3d(file)
    step = data.get("step")
    return Checkpoint(
        {key: value.float() for key, value in state.items()},
        timesteps_of(tensors["betas"], file) if inside and "betas" in tensors else None,
        step if isinstance(step, int) else None,
    )


def is_weight(value: Any) -> bool:
    dense = isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_meta
    return dense and value.is_floating_point()


def read_file(file: Path) -> dict[Any, Any]:
    """Whatever dictionary a file holds. Raises ModelNotFound."""
    try:
        if file.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        data = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and struct each raise their own for a file they cannot read
        # torch writes GLOBAL for a class or function that a pickle names, and gives it no type of its own.
        if "GLOBAL" in str(error):
            raise ModelNotFound(
                f"{file.name} was refused: it holds code, not only weights.",
                "Save its state_dict, or a safetensors file, from the program that trained it.",
            ) from error
        raise ModelNotFound(f"{file.name} is damaged or not a file of weights.", AGAIN) from error
    if not isinstance(data, dict):
        raise not_a_unet3d(file)
    return data


def grouped(data: dict[Any, Any]) -> dict[str, Any]:
    """safetensors has no nesting: "ema.denoise_fn.x" is what a trainer's {"ema": {"denoise_fn.x"}} becomes in it."""
    if not all(isinstance(key, str) for key in data):
        return {}
    nested: dict[str, Any] = {}
    for key, value in data.items():
        group, _, name = key.partition(".")
        if group in ("ema", "model") and name:
            nested.setdefault(group, {})[name] = value
    return {**data, **nested}


def timesteps_of(betas: Any, file: Path) -> int:
    """How many noise levels a file's schedule has. Raises ModelNotFound when it is not the cosine schedule."""
    if isinstance(betas, torch.Tensor) and betas.ndim == 1 and len(betas):
        kept = (1 - betas.double()).cumprod(0)
        # Loosely: a file in half precision holds it in half precision. Other schedules are off by a tenth and more.
        if torch.allclose(kept, cosine_alphas_cumprod(len(betas)), rtol=0, atol=1e-3):
            return len(betas)
    raise ModelNotFound(
        f"{file.name} was trained on another noise schedule than the cosine one.", "Only that schedule is supported."
    )


def config_of(state: State) -> Unet3DConfig:
    """The shape of the network that has these weights.

    Raises KeyError, IndexError or ValueError when no network has them.
    """
    dim = state["time_mlp.1.weight"].shape[1]
    levels = 0
    while f"downs.{levels}.0.block1.proj.weight" in state:
        levels += 1
    widths = [state[f"downs.{level}.0.block1.proj.weight"].shape[0] for level in range(levels)]
    if dim == 0 or any(width % dim for width in widths):
        raise ValueError("the levels' widths are no multiples of the first")
    heads = state["time_rel_pos_bias.relative_attention_bias.weight"].shape[1]
    channels, out_dim = state["init_conv.weight"].shape[1], state["final_conv.1.weight"].shape[0]
    return Unet3DConfig(
        dim=dim,
        dim_mults=tuple(width // dim for width in widths),
        channels=channels,
        cond_dim=state["null_cond_emb"].shape[1] if "null_cond_emb" in state else None,
        attn_heads=heads,
        attn_dim_head=state["init_temporal_attn.fn.fn.fn.to_qkv.weight"].shape[0] // (3 * max(1, heads)),
        init_kernel_size=state["init_conv.weight"].shape[-1],
        use_sparse_linear_attn="downs.0.2.fn.fn.to_qkv.weight" in state,
        out_dim=None if out_dim == channels else out_dim,
    )


def build_network(state: State, file: Path) -> Unet3D:
    """The network of a checkpoint's weights, which it keeps without a copy; float32, on the CPU, for inference.

    file: for the wording. Raises ModelNotFound when weights are missing, too many, or not numbers.
    """
    if "init_conv.weight" not in state or "time_rel_pos_bias.relative_attention_bias.weight" not in state:
        raise not_a_unet3d(file)
    if "downs.0.0.block1.proj.weight" not in state or "downs.0.0.block1.norm.weight" in state:
        raise ModelNotFound(
            f"{file.name} is of an early version of this network, with other layers, or lacks most of it.",
            "Train it again, or use a later checkpoint.",
        )
    try:
        # On "meta" the network takes no memory and no random numbers before it gets its weights.
        with torch.device("meta"):
            network = Unet3D(config_of(state))
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise ModelNotFound(f"{file.name} is not complete: its weights do not make a network.", AGAIN) from error
    expected = {key: value.shape for key, value in network.state_dict().items()}
    state = with_every_rotary(state, list(expected))
    wrong = sorted(
        key
        for key in {*expected, *state}
        if key not in state or key not in expected or state[key].shape != expected[key]
    )
    if wrong:
        raise ModelNotFound(
            f"{file.name} is not complete: {len(wrong)} of {len(expected)} weights do not fit, first {wrong[0][:80]}.",
            AGAIN,
        )
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise ModelNotFound(f"{file.name} holds weights that are not numbers.", "Take a checkpoint from before that.")
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def with_every_rotary(state: State, names: list[str]) -> State:
    """`state` with the frequencies all temporal layers share under each layer's name: safetensors keeps one copy."""
    rotary = [name for name in names if name.endswith("rotary_emb.freqs")]
    kept = next((state[name] for name in rotary if name in state), None)
    return state if kept is None else {**dict.fromkeys(rotary, kept), **state}


def not_a_unet3d(file: Path) -> ModelNotFound:
    return ModelNotFound(
        f"{file.name} is not a checkpoint of this family.",
        "It must come from video-diffusion-pytorch, text2video-from-scratch or this studio.",
    )


def read_settings(file: Path) -> Unet3DSettings:
    """The table [unet3d] of a model.toml; the defaults where there is none. Raises ModelNotFound for a damaged one."""
    try:
        return Unet3DSettings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")).get("unet3d", {}))
    except FileNotFoundError:
        return Unet3DSettings()
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelNotFound(
            f"{file.name} is wrong about {where or 'unet3d'}: {fault['msg'][:120]}.", "Correct it, or leave it out."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelNotFound(f"{file.name} cannot be read.", "Correct it, or remove it.") from error
