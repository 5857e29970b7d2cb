"""An image decoder's weights in the library's temporal decoder, which begins by decoding each frame alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.events import RunError

#: What the temporal form takes over of an image VAE's configuration.
KEPT = (
    "in_channels", "out_channels", "down_block_types", "block_out_channels", "layers_per_block", "latent_channels",
    "sample_size", "scaling_factor", "force_upcast",
)  # fmt: skip

HINT = "Use the VAE of Stable Diffusion 1 or 2, or one built like it."

#: The library's class norms over that many groups, and has two residual blocks in its middle as image decoders have
#: only for that many layers a block.
GROUPS, LAYERS = 32, 2


class Decoding(nn.Module):
    """The part of a VAE that trains. vae: `AutoencoderKLTemporalDecoder`; before: what an image VAE does to latents
    before its decoder (`post_quant_conv`), which the library's temporal form lacks; None where it did nothing."""

    def __init__(self, vae: Any, before: nn.Module | None) -> None:
        super().__init__()
        self.decoder: Any = vae.decoder
        self.before = before

    def forward(self, latents: Tensor) -> Tensor:
        """Latents as the encoder gives them, (B, C, F, h, w), to pixels in -1..1, (B, 3, F, H, W)."""
        batch, _, frames = latents.shape[:3]
        flat = latents.transpose(1, 2).flatten(0, 1)
        flat = flat if self.before is None else self.before(flat)
        alone = torch.zeros(batch, frames, dtype=flat.dtype, device=flat.device)
        made = self.decoder(flat, image_only_indicator=alone, num_frames=frames)
        return made.unflatten(0, (batch, frames)).transpose(1, 2)


def temporal_decoder(image: Any) -> tuple[Any, nn.Module | None]:
    """(`AutoencoderKLTemporalDecoder`, what goes before its decoder) that decodes as `image`, an `AutoencoderKL`, does:
    to the bit.

    Each residual block becomes the spatial half of a spatio-temporal one, whose other half ends in zeros; the
    convolution along time at the end passes frames through (a Dirac kernel). Raises RunError for a VAE whose layers
    have no place in the library's class.
    """
    from diffusers import AutoencoderKLTemporalDecoder

    config = image.config
    if config.norm_num_groups != GROUPS or config.layers_per_block != LAYERS or not config.mid_block_add_attention:
        raise RunError("This VAE has other layers than the temporal decoder can take over.", HINT)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        vae = AutoencoderKLTemporalDecoder(**{name: config[name] for name in KEPT})
    own = vae.decoder.state_dict()
    state = {spatial(name): value for name, value in image.decoder.state_dict().items()}
    if odd := sorted(set(state) - set(own)) or [name for name in state if state[name].shape != own[name].shape]:
        raise RunError(f"This VAE has a layer that the temporal decoder has no place for: {odd[0]}.", HINT)
    vae.decoder.load_state_dict(own | state)
    begin_in_space(vae.decoder)
    vae.encoder.load_state_dict(image.encoder.state_dict())
    if config.use_quant_conv:
        vae.quant_conv.load_state_dict(image.quant_conv.state_dict())
    else:
        pass_through(vae.quant_conv)
    return vae.float(), image.post_quant_conv.float() if config.use_post_quant_conv else None


def spatial(name: str) -> str:
    """The name of an image decoder's weight in the temporal form: "mid_block.resnets.0.conv1.weight" is that of
    "mid_block.resnets.0.spatial_res_block.conv1.weight"."""
    parts = name.split(".")
    if "resnets" in parts:
        parts.insert(parts.index("resnets") + 2, "spatial_res_block")
    return ".".join(parts)


def is_temporal(name: str) -> bool:
    """Whether a weight of the temporal decoder is one that the image decoder lacks."""
    return any(part in name for part in ("temporal_res_block", "time_mixer", "time_conv_out"))


@torch.no_grad()
def begin_in_space(decoder: nn.Module) -> None:
    """Make the temporal layers of a `TemporalDecoder` do nothing, to the bit."""
    for name, module in decoder.named_modules():
        if name.endswith("temporal_res_block.conv2"):
            for parameter in module.parameters():
                parameter.zero_()
    last: Any = decoder.time_conv_out
    last.weight.zero_()
    last.bias.zero_()
    for channel in range(last.weight.shape[0]):
        last.weight[channel, channel, last.weight.shape[2] // 2] = 1


@torch.no_grad()
def pass_through(layer: nn.Conv2d) -> None:
    """Make a 1 x 1 convolution the identity."""
    layer.weight.copy_(torch.eye(layer.weight.shape[0])[:, :, None, None])
    assert layer.bias is not None
    layer.bias.zero_()


@torch.no_grad()
def folded(vae: Any, before: nn.Module | None) -> Any:
    """The VAE with `before`, a 1 x 1 convolution, made part of the decoder's first layer, where it is not yet.

    A padded convolution of a biased one differs from both in one at the border, where padding has no bias: there the
    folded decoder is the image decoder but for that. Exactly the same where the bias is 0.
    """
    if before is None:
        return vae
    first, kernel, bias = vae.decoder.conv_in, before.weight[:, :, 0, 0], before.bias
    first.bias.add_(torch.einsum("oikl,i->o", first.weight, bias))
    first.weight.copy_(torch.einsum("oikl,ij->ojkl", first.weight, kernel))
    return vae
