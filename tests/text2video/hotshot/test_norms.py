"""Which frames a norm counts over: Hotshot-XL's way, the library's, and back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from diffscaler import compat

compat.install()  # before the first import of diffusers


from diffscaler.text2video.bypass import bypass_temporal  # noqa: E402
from diffscaler.text2video.hotshot.keys import is_temporal  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    FrameGroupNorm,
    JointGroupNorm,
    norm_mode,
    set_norm_mode,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, draw, far, load_stock  # noqa: E402


def test_norms_come_off_again_with_the_same_parameters(unet: Unet) -> None:
    stock = load_stock(unet)
    before = dict(unet.named_parameters())
    set_norm_mode(unet, "per-frame")
    assert not any(isinstance(module, JointGroupNorm | FrameGroupNorm) for module in unet.modules())
    assert not unet._forward_pre_hooks
    assert torch.equal(draw(unet), draw(stock))
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())
    set_norm_mode(unet, "hotshot")
    set_norm_mode(unet, "hotshot")
    assert len(unet._forward_pre_hooks) == 1
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())


def test_norms_survive_a_change_of_precision(unet: Unet) -> None:
    inputs, doubled = tiny.inputs(), draw(unet)
    single = {
        "sample": inputs["sample"].float(),
        "encoder_hidden_states": inputs["encoder_hidden_states"].float(),
        "added_cond_kwargs": {name: value.float() for name, value in inputs["added_cond_kwargs"].items()},
    }
    drawn = draw(unet.to(torch.float32), **single)
    assert drawn.dtype == torch.float32 and norm_mode(unet) == "hotshot"
    assert 0 < far(drawn.double(), doubled) < 1e-4


def test_a_copy_counts_its_own_frames(loaded: Unet) -> None:
    mine, yours = copy.deepcopy(loaded), copy.deepcopy(loaded)
    clip = draw(mine)
    draw(yours, **tiny.inputs(num_frames=2))
    # The hook of a copy must not have told the first network's norms about two frames.
    assert {m.clip.num_frames for m in mine.modules() if isinstance(m, JointGroupNorm)} == {5}
    assert torch.equal(draw(mine), clip)


def test_clips_of_a_batch_do_not_mix(loaded: Unet) -> None:
    inputs = tiny.inputs()
    changed = inputs["sample"].clone()
    changed[1] += 1
    before, after = draw(loaded), draw(loaded, sample=changed)
    assert torch.equal(before[0], after[0])
    assert far(before[1], after[1]) > 1e-2


@pytest.mark.parametrize("mode", ["per-frame", "hotshot"])
def test_frames_know_of_each_other_through_joint_norms_alone(unet: Unet, mode: Any) -> None:
    set_norm_mode(unet, mode)
    changed = tiny.inputs()["sample"].clone()
    changed[:, :, 3] += 1
    others = [0, 1, 2, 4]
    with bypass_temporal(unet):
        before, after = draw(unet)[:, :, others], draw(unet, sample=changed)[:, :, others]
    if mode == "per-frame":
        assert torch.equal(before, after)
    else:
        assert far(before, after) > 1e-2


def test_order_matters_only_by_the_positional_code(unet: Unet) -> None:
    order = [3, 0, 4, 1, 2]
    shuffled = tiny.inputs()["sample"][:, :, order]
    assert far(draw(unet)[:, :, order], draw(unet, sample=shuffled)) > 1e-2
    for name, code in unet.named_buffers():
        assert name.endswith("pos_embed.pe")
        code.zero_()
    assert far(draw(unet)[:, :, order], draw(unet, sample=shuffled)) < 1e-5


def test_an_unknown_mode_is_an_error(unet: Unet) -> None:
    with pytest.raises(ValueError, match="sometimes"):
        set_norm_mode(unet, "sometimes")  # type: ignore[arg-type]


def test_gradients_reach_the_temporal_layers_alone_with_or_without_checkpointing(unet: Unet) -> None:
    unet.freeze_unet2d_params()
    unet(**tiny.inputs()).sample.square().mean().backward()
    plain = {name: p.grad.clone() for name, p in unet.named_parameters() if p.grad is not None}
    assert plain.keys() == {name for name, _ in unet.named_parameters() if is_temporal(name)}
    unet.zero_grad()
    unet.enable_gradient_checkpointing()
    unet(**tiny.inputs()).sample.square().mean().backward()
    assert max(far(p.grad, plain[name]) for name, p in unet.named_parameters() if p.grad is not None) < 1e-15
