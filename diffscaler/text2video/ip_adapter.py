"""IP-Adapters: a picture beside the words, by cross-attention of its own in every layer. Ye et al. 2023, eq. 5."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Reference
from diffscaler.text2video.frugal import ran_out_of_memory
from diffscaler.text2video.hotshot.files import read_weights

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class IpAdapter:
    """What is in an adapter's file, on the CPU, by the names it was published with.

    image_proj: makes tokens of what the image encoder saw; layers: keys and values for those tokens, by number of layer
    """

    name: str
    image_proj: State
    layers: State

    @property
    def reads_patches(self) -> bool:
        """Whether it is shown a picture's patches ("plus", "full face"), or the picture as a whole."""
        return "proj.weight" not in self.image_proj


class WithPicture:
    """An attention processor: the library's for IP-Adapters, given tokens that are the same at every step.

    attention: IPAdapterAttnProcessor2_0 with its weights; tokens: (halves of guidance, 1, T, D)
    """

    def __init__(self, attention: Any, tokens: torch.Tensor) -> None:
        self.attention, self.tokens = attention, tokens

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        # The batch holds all frames of one half of guidance, then those of the other.
        tokens = self.tokens.repeat_interleave(len(encoder_hidden_states) // len(self.tokens), dim=0)
        return self.attention(attn, hidden_states, (encoder_hidden_states, [tokens]), attention_mask, temb)


def load_ip_adapter(spec: ModelSpec, device: Any) -> IpAdapter:
    """An adapter's file: safetensors, or a pickle that is read for its tensors alone. Raises ModelNotFound."""
    assert spec.path is not None
    state = read_weights(spec.path).state
    parts = {
        part: {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
        for part in ("image_proj", "ip_adapter")
    }
    image_proj, layers = parts["image_proj"], parts["ip_adapter"]
    if not image_proj or not any(key.endswith(".to_k_ip.weight") for key in layers):
        raise ModelNotFound(f"{spec.title} is no IP-Adapter.", "Its file holds image_proj and ip_adapter tensors.")
    if ("norm.weight" in image_proj and "proj.weight" not in image_proj) or any("_lora." in key for key in layers):
        raise ModelNotFound(
            f"{spec.title} reads the measures of a face, not a picture.", "Use an IP-Adapter that is no FaceID."
        )
    return IpAdapter(spec.name, image_proj, layers)


@contextmanager
def picture_attention(
    unet: Any, reference: Reference | None, guidance: bool, device: torch.device, dtype: torch.dtype
) -> Generator[None, None, None]:
    """Inside, a UNetMotionModel's cross-attention also reads a reference picture; afterwards it is what it was.

    guidance: whether batches hold "nothing" first, then the words
    At scale 0 nothing is changed. Raises InvalidRequest for an adapter made for another model or image encoder.
    """
    if reference is None or not reference.scale:
        yield
        return
    own = unet.attn_processors
    try:
        tokens = picture_tokens(unet, reference, guidance, device, dtype)
        processors = {
            name: WithPicture(attention.to(device, dtype).eval(), tokens)
            for name, attention in attentions(unet, reference).items()
        }
    except (ValueError, KeyError, RuntimeError) as error:
        if ran_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InvalidRequest(
            f"The IP-Adapter {reference.adapter.name} does not fit: {reason}.",
            "Use one made for this base model, with its own image encoder.",
        ) from error
    unet.set_attn_processor({**own, **processors})
    try:
        yield
    finally:
        unet.set_attn_processor({**own})


def picture_tokens(
    unet: Any, reference: Reference, guidance: bool, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """What stands for the picture beside the words: (1 or 2, 1, T, D), with guidance "nothing" first."""
    adapter, seen = reference.adapter, reference.embeddings
    given = torch.from_numpy(seen["hidden_states" if adapter.reads_patches else "image_embeds"])
    nothing = torch.from_numpy(seen["negative_hidden_states"]) if adapter.reads_patches else torch.zeros_like(given)
    projection = unet._convert_ip_adapter_image_proj_to_diffusers(adapter.image_proj, low_cpu_mem_usage=False)
    both = torch.cat([nothing, given]) if guidance else given
    return projection.to(device, dtype).eval()(both.to(device, dtype))[:, None]


def attentions(unet: Any, reference: Reference) -> dict[str, Any]:
    """The library's processor for each layer that reads words, by its name in `attn_processors`."""
    state = {"image_proj": reference.adapter.image_proj, "ip_adapter": reference.adapter.layers}
    every = unet._convert_ip_adapter_attn_to_diffusers([state])
    found = {name: processor for name, processor in every.items() if hasattr(processor, "to_k_ip")}
    layers = sum(key.endswith(".to_k_ip.weight") for key in reference.adapter.layers)
    if len(found) != layers:
        raise ValueError(f"it is made for {layers} layers, and the model has {len(found)}")
    for processor in found.values():
        processor.scale = [reference.scale]
    return found
