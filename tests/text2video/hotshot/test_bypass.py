"""The network with its temporal layers set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import UNet2DConditionModel  # noqa: E402
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D  # noqa: E402

from diffscaler.text2video.bypass import bypass_temporal  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    set_norm_mode,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, draw, far  # noqa: E402


@pytest.mark.parametrize("mode", ["per-frame", "hotshot"])
def test_one_frame_without_temporal_layers_is_the_image_network(unet: Unet, sdxl: Path, mode: Any) -> None:
    image: Unet = UNet2DConditionModel.from_pretrained(sdxl / "unet", torch_dtype=torch.float64).eval()
    set_norm_mode(unet, mode)
    inputs = tiny.inputs(num_frames=1)
    with torch.inference_mode():
        still = image(**{**inputs, "sample": inputs["sample"][:, :, 0]}).sample
    with bypass_temporal(unet):
        # Not bit for bit: on some processors another memory layout sums in another order.
        assert far(draw(unet, **inputs)[:, :, 0], still) < 1e-13
    assert far(draw(unet, **inputs)[:, :, 0], still) > 1e-2


def test_a_bypass_ends_whatever_happens_in_it(unet: Unet) -> None:
    before = draw(unet)
    layers = [module for module in unet.modules() if isinstance(module, AnimateDiffTransformer3D)]
    layer, seen = layers[0], []
    forward = layer.forward

    def wrapped(*args: Any, **kwargs: Any) -> torch.Tensor:  # as offloading does
        seen.append(1)
        return forward(*args, **kwargs)

    layer.forward = wrapped  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), bypass_temporal(unet), bypass_temporal(unet):
        without = draw(unet)
        raise KeyboardInterrupt
    assert seen == [] and far(without, before) > 1e-2
    assert torch.equal(draw(unet), before) and seen == [1]
    assert not any("forward" in vars(module) for module in layers[1:])
