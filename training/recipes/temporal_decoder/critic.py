"""A critic that tells real clips from decoded ones, patch by patch in space and time, and what it says as losses.

Isola et al. 2017, "PatchGAN", with 3-D convolutions as in Blattmann et al. 2023, "Align your Latents", section 3.1.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

WIDTH = 32

#: The most the critic may count against reconstruction (Esser et al. 2021, "VQGAN", the code of eq. 7).
MOST = 1e4


class PatchCritic(nn.Module):
    """(B, 3, F, H, W) in -1..1 -> a score for each patch, high for real; it sees some 5 frames of 22 pixels a side."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()

        def layer(before: int, after: int, stride: int) -> list[nn.Module]:
            conv = nn.Conv3d(before, after, (3, 4, 4), (1, stride, stride), (1, 1, 1))
            return [conv, nn.GroupNorm(4, after), nn.LeakyReLU(0.2)]

        self.layers = nn.Sequential(
            nn.Conv3d(3, width, (3, 4, 4), (1, 2, 2), (1, 1, 1)),
            nn.LeakyReLU(0.2),
            *layer(width, 2 * width, 2),
            nn.Conv3d(2 * width, 1, (1, 4, 4), 1, (0, 1, 1)),
        )

    def forward(self, clip: Tensor) -> Tensor:
        return self.layers(clip)


def critic_loss(critic: nn.Module, real: Tensor, decoded: Tensor) -> Tensor:
    """What the critic learns from: the hinge loss (Lim and Ye 2017, eq. 9). Nothing reaches the decoder."""
    return (F.relu(1 - critic(real)).mean() + F.relu(1 + critic(decoded.detach())).mean()) / 2


def decoder_loss(critic: nn.Module, decoded: Tensor) -> Tensor:
    """What the decoder learns from: scores as high as real ones'. Nothing reaches the critic, so that both losses can
    go through one backward pass and one optimizer."""
    fixed = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    return -functional_call(critic, fixed, (decoded,)).mean()


def balance(reconstruction: Tensor, adversarial: Tensor, last: Tensor) -> Tensor:
    """How many times the adversarial loss moves the decoder's last layer as much as the reconstruction does.

    Esser et al. 2021, "Taming Transformers for High-Resolution Image Synthesis", eq. 7. last: that layer's weight
    """
    of_pixels, of_critic = (
        torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (reconstruction, adversarial)
    )
    return (of_pixels / (of_critic + 1e-4)).clamp(0, MOST).detach()
