"""A clip redrawn: sampling begins late, from the clip with as much noise as is left at that step.

Meng et al. 2022, "SDEdit", section 3.2: the later it begins, the more of the clip stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def first_step(num_inference_steps: int, strength: float) -> int:
    """Index of the first step that is taken: 0 takes all of them, `num_inference_steps` none.

    strength: 0 (the clip stays) to 1 (nothing of it is left); rounded as the library's video-to-video pipelines do
    """
    return num_inference_steps - min(int(num_inference_steps * strength), num_inference_steps)


def begun(scheduler: Any, noise: torch.Tensor, source: torch.Tensor | None, step: int) -> torch.Tensor:
    """The latents a sampler is given at step `step`, before it scales them for the network.

    scheduler: with its timesteps set; noise: standard normal; source: clean latents of the same shape, needed for
    steps after the first. At the first step there is noise alone, also on schedules that do not end in pure noise.
    """
    if step == 0 or source is None:
        return noise * scheduler.init_noise_sigma
    timestep = scheduler.timesteps[step * scheduler.order][None]
    if hasattr(scheduler, "add_noise"):
        return scheduler.add_noise(source, noise, timestep)
    return scheduler.scale_noise(source, timestep, noise)  # flow matching has no other
