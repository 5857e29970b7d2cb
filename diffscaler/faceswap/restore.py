"""Face restoration: CodeFormer (Zhou et al. 2022) and GFPGAN (Wang et al. 2021) on aligned 512 px crops, by file.

CodeFormer's code comes from codeformer-pip, without its `app` and `inference_codeformer` modules, which download files
when imported. Files are read as safetensors or with weights_only: a pickle that wants to run code is refused.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.crops import FFHQ, cut, paste

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]
Family = Literal["codeformer", "gfpgan"]

SIZE = 512
#: What the page and the file must say.
LICENCES: dict[Family, str] = {
    "codeformer": "Faces restored by CodeFormer, for non-commercial use only (S-Lab Licence 1.0).",
    "gfpgan": "Faces restored by GFPGAN (Apache-2.0).",
}


@dataclass(frozen=True)
class Restorer:
    """A loaded network: float (1, 3, 512, 512) RGB in -1..1 -> the same, restored.

    dtype: the number format of its products; its weights stay float32, as CodeFormer's codebook needs
    """

    network: Any
    family: Family
    device: torch.device
    dtype: torch.dtype

    @torch.inference_mode()
    def restore(self, crop: Frame, fidelity: float) -> Frame:
        """A crop, uint8 RGB (512, 512, 3), restored.

        fidelity: CodeFormer's w, 0 (best picture) .. 1 (closest to the face that was there); GFPGAN has none
        """
        values = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).to(self.device)
        picture = values[None].float() / 127.5 - 1
        lower = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if lower else nullcontext():
            if self.family == "codeformer":
                made = self.network(picture, w=fidelity, adain=True)[0]
            else:  # its decoder's noise as it was stored: drawn anew, it would differ from frame to frame
                made = self.network(picture, return_rgb=False, randomize_noise=False)[0]
        levels = ((made[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).cpu().numpy()


def restore_face(
    frame: Frame, restorer: Restorer, landmarks: Floats, mask: Floats, fidelity: float, blend: float
) -> None:
    """Restore one face of a frame, in place; only pixels of the face change.

    frame: uint8 RGB (H, W, 3), changed; landmarks: float32 (5, 2), frame pixels
    mask: where FFHQ's crop shows the face, float32 (M, M), 0..1
    blend: 0 leaves the frame bit-equal, 1 takes the restored face wholly
    """
    if blend <= 0:
        return
    crop, matrix = cut(frame, FFHQ, landmarks, SIZE)
    paste(frame, restorer.restore(crop, fidelity), matrix, mask * np.float32(blend))


def load_restorer(spec: Any, device: Any) -> Restorer:
    """Open `spec.path` (.pth or .safetensors); which family it is of is read from its keys.

    Raises ModelNotFound when it is missing, damaged, of another kind, or a pickle that asks for more than tensors.
    """
    from diffscaler import compat

    compat.install()
    state = read_weights(spec.path)
    family = family_of(state)
    if family is None:
        raise ModelNotFound(f"{spec.path.name} restores no faces.", "CodeFormer and GFPGAN (1.3, 1.4) files work.")
    try:
        network = codeformer(state) if family == "codeformer" else gfpgan(state)
    except Exception as error:  # torch and spandrel raise their own for weights that do not fit
        raise ModelNotFound(f"{spec.path.name} cannot be loaded.", "Download the file again.") from error
    where = torch.device(device.torch_name)
    # On a CPU float32, where output must not depend on the CPU's generation.
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    return Restorer(network.eval().requires_grad_(False).to(where), family, where, dtype)


def read_weights(path: Path | None) -> dict[str, torch.Tensor]:
    """The tensors of a file, those of `params_ema` or `params` when it has such. Raises ModelNotFound."""
    if path is None or not path.is_file():
        raise ModelNotFound("The file of the face restorer is missing.", "Put it into the models folder again.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(str(path))
        else:
            state = torch.load(str(path), map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, pickle, zipfile and torch each raise their own
        raise ModelNotFound(
            f"{path.name} is damaged, or holds more than weights.", "Get it again, if possible as safetensors."
        ) from error
    for name in ("params_ema", "params", "state_dict"):
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelNotFound(f"{path.name} holds no weights.", "CodeFormer and GFPGAN (1.3, 1.4) files work.")
    return state


def family_of(state: dict[str, torch.Tensor]) -> Family | None:
    """Whose weights these are."""
    if {"position_emb", "quantize.embedding.weight"} <= set(state):
        return "codeformer"
    if {"toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"} <= set(state):
        return "gfpgan"
    return None


def codeformer(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """CodeFormer, of the size its weights say. Raises what torch raises when they do not fit."""
    from codeformer.basicsr.archs.codeformer_arch import CodeFormer

    layers = {int(found[1]) for key in state if (found := re.match(r"ft_layers\.(\d+)\.", key))}
    levels = {found[1] for key in state if (found := re.match(r"fuse_convs_dict\.(\d+)\.", key))}
    network = CodeFormer(
        dim_embd=state["position_emb"].shape[1],
        codebook_size=state["quantize.embedding.weight"].shape[0],
        n_head=8,
        n_layers=len(layers),
        connect_list=sorted(levels, key=int),
    )
    network.load_state_dict(state)
    return network


def gfpgan(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """GFPGAN's clean architecture. Raises what spandrel raises when the weights do not fit."""
    from spandrel import ModelLoader

    return ModelLoader(device="cpu").load_from_state_dict(state).model
