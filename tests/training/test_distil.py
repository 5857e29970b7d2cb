import pytest
import torch

from training.mini.diffusion import build_scheduler
from training.mini.distil import ddim_step, distillation_loss, grid, signal_and_noise, target

ALPHA_BAR = build_scheduler().alphas_cumprod.double()


@pytest.mark.parametrize("steps", [4, 8, 20])
def test_the_grid_is_the_samplers(steps):
    scheduler = build_scheduler()
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.tolist() == grid(steps).tolist()


def test_a_grid_that_does_not_divide_the_times_is_refused():
    with pytest.raises(ValueError, match="evenly"):
        grid(7)


def test_a_step_is_the_schedulers_step():
    scheduler, generator = build_scheduler(), torch.Generator().manual_seed(3)
    scheduler.set_timesteps(8)
    z, v = (torch.randn(1, 4, 3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    for t in scheduler.timesteps:
        theirs = scheduler.step(v, int(t), z).prev_sample
        ours = ddim_step(z, v, scheduler.alphas_cumprod.double(), t[None], t[None] - 125)
        assert (ours - theirs).abs().max() < 1e-5  # the scheduler holds its alphas in float32


@pytest.mark.parametrize("steps", [4, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_step_of_a_perfect_student_lands_where_two_of_the_teacher_do(steps, seed):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(6, 6, generator=generator, dtype=torch.float64)

    def teacher(z, t):
        return torch.tanh(z @ mix) + t[:, None] * 1e-3

    t, stride = grid(steps), 1000 // steps
    z = torch.randn(steps, 6, generator=generator, dtype=torch.float64)
    wanted = target(z, teacher, ALPHA_BAR, t, stride)
    alpha, sigma = signal_and_noise(ALPHA_BAR, t, 2)
    v = (alpha * z - wanted) / sigma
    half = ddim_step(z, teacher(z, t), ALPHA_BAR, t, t - stride // 2)
    two = ddim_step(half, teacher(half, t - stride // 2), ALPHA_BAR, t - stride // 2, t - stride)
    one = ddim_step(z, v, ALPHA_BAR, t, t - stride)
    assert (one - two).abs().max() < 1e-12
    assert distillation_loss(v, z, wanted, ALPHA_BAR, t, torch.ones_like(z)) < 1e-20
    assert distillation_loss(v + 0.1, z, wanted, ALPHA_BAR, t, torch.ones_like(z)) > 1e-3
