"""Muon for matrices and convolutions, AdamW for the rest, as one optimiser.

Jordan et al. 2024 (Muon); scale of the update after Liu et al. 2025, "Muon is Scalable for LLM Training".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from training.mini.split import ADAM_NAMES, is_for_adam

#: Quintic Newton-Schulz coefficients of the original implementation.
NS_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NS_STEPS = 4


def orthogonalise(G: Tensor, steps: int = NS_STEPS) -> Tensor:
    """Approximately U V^T of each matrix G = U S V^T. G: float32 (batch, rows, columns).

    The iteration runs on the small Gram matrix: with rows << columns (a convolution) that is two large
    products instead of eight, and on a CPU without bfloat16 they would cost as much as the network itself.
    """
    a, b, c = NS_COEFFICIENTS
    turned = G.shape[-2] > G.shape[-1]
    X = G.mT if turned else G
    X = X / (X.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    A = X @ X.mT
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    Q = eye.expand_as(A)
    for _ in range(steps):
        P = a * eye + b * A + c * (A @ A)
        Q = P @ Q
        A = P @ A @ P
    X = Q @ X
    return X.mT if turned else X


class Muon(torch.optim.Optimizer):
    """Groups carry "kind": "muon" (tensors of two or more dimensions) or "adam"."""

    def __init__(
        self,
        groups: Iterable[dict],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(
            list(groups), {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay, "kind": "adam"}
        )

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            (self._muon if group["kind"] == "muon" else self._adam)(group, params)

    def _muon(self, group: dict, params: list[Tensor]) -> None:
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for p in params:
            state = self.state[p]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(p, memory_format=torch.contiguous_format)
            buffer = state["momentum"]
            buffer.lerp_(p.grad, 1 - group["momentum"])
            update = torch.lerp(p.grad, buffer, group["momentum"])
            matrix = update.reshape(update.shape[0], -1)
            by_shape[tuple(matrix.shape)].append((p, matrix))
        for (rows, columns), members in by_shape.items():
            directions = orthogonalise(torch.stack([m for _, m in members]))
            scale = 0.2 * max(rows, columns) ** 0.5
            for (p, _), direction in zip(members, directions, strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(direction.reshape(p.shape), alpha=-group["lr"] * scale)

    def _adam(self, group: dict, params: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state[p]
            if "step" not in state:
                state.update(step=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
            state["step"] += 1
            state["mean"].lerp_(p.grad, 1 - beta1)
            state["square"].lerp_(p.grad * p.grad, 1 - beta2)
            mean = state["mean"] / (1 - beta1 ** state["step"])
            square = state["square"] / (1 - beta2 ** state["step"])
            if p.ndim > 1:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            p.addcdiv_(mean, square.sqrt().add_(1e-8), value=-group["lr"])


def muon_groups(
    named: Iterable[tuple[str, Tensor]],
    factor: float = 1.0,
    adam_names: tuple[str, ...] = ADAM_NAMES,
) -> list[dict]:
    """Split parameters by what suits them. "factor" multiplies the schedule's rate for these groups."""
    groups: dict[str, list[Tensor]] = {"muon": [], "adam": []}
    for name, p in named:
        if p.requires_grad:
            groups["adam" if is_for_adam(name, p.ndim, adam_names) else "muon"].append(p)
    return [{"params": params, "kind": kind, "factor": factor} for kind, params in groups.items() if params]


def adam_groups(named: Iterable[tuple[str, Tensor]], factor: float = 1.0) -> list[dict]:
    """One AdamW group."""
    return [{"params": [p for _, p in named if p.requires_grad], "kind": "adam", "factor": factor}]


def descend(optimizer: Muon, loss: Tensor, lr: float, largest_norm: float = 1.0) -> tuple[float, float]:
    """One step down a loss, its gradient no longer than `largest_norm`. Returns (loss, lr) as a stage's step does."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], largest_norm)
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    optimizer.step()
    return loss.item(), lr


def scheduled_lr(step: int, total: int, peak: float, warmup: int = 30, decay_from: float = 0.5) -> float:
    """Warm up, hold, then a cosine down to 2 %: the learning rate of step `step` (0-based) of `total`."""
    warm = min((step + 1) / max(min(warmup, total // 4), 1), 1.0)
    start = decay_from * total
    if step < start:
        return peak * warm
    u = (step - start) / max(total - start, 1)
    return peak * warm * (0.02 + 0.98 * (0.5 + 0.5 * torch.cos(torch.tensor(u * torch.pi)).item()))
