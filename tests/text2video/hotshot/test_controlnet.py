"""ControlNets lead a clip frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import ControlNetModel  # noqa: E402

from diffscaler.errors import InvalidRequest  # noqa: E402
from diffscaler.text2video.hotshot.controlnet import canny, residuals, scales_at  # noqa: E402
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, draw, far, refused  # noqa: E402


def tiny_controlnet(seed: int) -> Unet:
    net: Unet = ControlNetModel.from_unet(tiny.tiny_unet2d(seed), conditioning_embedding_out_channels=(4, 4, 4, 4))
    torch.manual_seed(seed)
    for name, parameter in net.named_parameters():  # they begin at zero, and would say nothing
        if name.startswith("controlnet_"):
            torch.nn.init.normal_(parameter, std=0.1)
    return net.double().eval()


@torch.inference_mode()
def lead(nets: list[Unet], scales: list[float], images: list[torch.Tensor] | None = None, **changes: Any) -> Any:
    inputs = {**tiny.inputs(), **changes}
    return residuals(
        nets,
        inputs["sample"],
        inputs["timestep"],
        inputs["encoder_hidden_states"][::5],
        inputs["added_cond_kwargs"],
        images or [tiny.random(50 + i, 5, 3, 64, 96).sigmoid() for i in range(len(nets))],
        scales,
    )


@pytest.fixture(scope="module")
def nets() -> list[Unet]:
    return [tiny_controlnet(11), tiny_controlnet(12)]


def test_each_frame_is_led_by_its_own_picture(nets: list[Unet]) -> None:
    image, inputs = tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.inputs()
    skips, middle = lead(nets[:1], [0.7])
    assert [tuple(skip.shape[:2]) for skip in skips] == [(10, 32)] * 4 + [(10, 64)] * 5
    for clip, frame in ((0, 3), (1, 1)):
        with torch.inference_mode():
            down, mid = nets[0](
                inputs["sample"][clip : clip + 1, :, frame],
                inputs["timestep"][clip],
                inputs["encoder_hidden_states"][clip * 5 : clip * 5 + 1],
                image[frame : frame + 1],
                0.7,
                added_cond_kwargs={k: v[clip : clip + 1] for k, v in inputs["added_cond_kwargs"].items()},
                return_dict=False,
            )
        row = clip * 5 + frame
        assert far(middle[row], mid[0]) < 1e-12
        assert max(far(a[row], b[0]) for a, b in zip(skips, down, strict=True)) < 1e-12


def test_clips_may_have_pictures_of_their_own(nets: list[Unet]) -> None:
    mine, yours = tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.random(60, 5, 3, 64, 96).sigmoid()
    both = lead(nets[:1], [1.0], [torch.stack([mine, yours])])[1]
    assert torch.equal(both[:5], lead(nets[:1], [1.0], [mine])[1][:5])
    assert torch.equal(both[5:], lead(nets[:1], [1.0], [yours])[1][5:])


def test_two_controlnets_add_up(nets: list[Unet]) -> None:
    images = [tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.random(51, 5, 3, 64, 96).sigmoid()]
    first, second = lead(nets[:1], [0.7], images[:1]), lead(nets[1:], [0.4], images[1:])
    skips, middle = lead(nets, [0.7, 0.4], images)
    assert torch.equal(middle, first[1] + second[1]) and far(middle, first[1]) > 1e-3
    assert all(torch.equal(c, a + b) for a, b, c in zip(first[0], second[0], skips, strict=True))
    assert torch.equal(lead(nets, [0.7, 0.0], images)[1], first[1])


def test_a_scale_of_zero_is_no_controlnet(nets: list[Unet], loaded: Unet) -> None:
    assert lead(nets, [0.0, 0.0]) == (None, None)
    plain = draw(loaded)
    for scale in (0.0, 0.7):
        skips, middle = lead(nets[:1], [scale])
        drawn = draw(loaded, down_block_additional_residuals=skips, mid_block_additional_residual=middle)
        assert torch.equal(drawn, plain) if scale == 0 else far(drawn, plain) > 1e-2


def test_a_controlnet_leads_its_part_of_the_steps() -> None:
    at = [scales_at(step, 4, [0.7, 0.5], [0.25, 0.0], [0.75, 1.0]) for step in range(4)]
    assert at == [[0.0, 0.5], [0.7, 0.5], [0.7, 0.5], [0.0, 0.5]]
    # A step that only begins inside, or only ends inside, does not count.
    assert [scales_at(step, 4, [1.0], [0.1], [0.6])[0] for step in range(4)] == [0.0, 1.0, 0.0, 0.0]


def test_a_controlnet_of_another_family_or_length_is_refused(nets: list[Unet]) -> None:
    other = ControlNetModel.from_unet(tiny.tiny_unet2d(1, cross_attention_dim=32)).double()
    refused(lambda: lead([other], [1.0]), "not made for SDXL", InvalidRequest)
    with pytest.raises(ValueError, match="4 control images for 5 frames"):
        lead(nets[:1], [1.0], [torch.zeros(4, 3, 64, 96, dtype=torch.float64)])


def test_canny_draws_edges_in_white_frame_by_frame() -> None:
    frames = np.zeros((2, 24, 32, 3), np.uint8)
    frames[0, :, 16:] = 255
    frames[1, :, 16:, 0] = 30  # too faint for the thresholds
    edges = canny(frames)
    assert edges.dtype == np.uint8 and edges.shape == frames.shape
    assert set(np.flatnonzero(edges[0].any(axis=(0, 2)))) <= {15, 16} and (edges[0, 12] == 255).any()
    assert np.array_equal(edges[..., 0], edges[..., 1]) and np.array_equal(edges[..., 0], edges[..., 2])
    assert not edges[1].any() and canny(frames, low=5, high=10)[1].any()
