"""A loss curve as SVG, drawn anew at every look: no chart library, no flicker."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import isfinite, log10

from ui.training_events import RunSoFar

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 30
SMOOTH = 0.85


def loss_curve(run: RunSoFar) -> str:
    """The loss over steps, on a logarithmic scale, with its running mean, the held-out loss as a line of its own, and
    marks where its stages begin when there are several."""
    if len(run.points) < 2:
        return '<p class="invite quiet">The curve begins with the first steps.</p>'
    losses = [max(1e-9, loss) for _, loss, _ in run.points]
    apart = [(step, max(1e-9, loss)) for step, loss in run.held_out if isfinite(loss)]
    low, high = (log10(pick([*losses, *(loss for _, loss in apart)])) for pick in (min, max))
    high = max(high, low + 0.05)
    last = max(run.total, run.points[-1][0])

    def at(step: int, loss: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, last)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - log10(max(1e-9, loss))) / (high - low)
        return f"{x:.1f},{y:.1f}"

    several = len({name for _, _, name in run.points}) > 1
    raw, mean, marks = [], [], []
    smooth, stage = losses[0], ""
    for (step, _, name), loss in zip(run.points, losses, strict=True):
        if name != stage:
            if several:
                x = at(step, loss).split(",")[0]
                marks.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="mark"/>'
                             f'<text x="{float(x) + 4:.1f}" y="{TOP + 10}">{escape(name)}</text>')  # fmt: skip
            stage, smooth = name, loss
        smooth = SMOOTH * smooth + (1 - SMOOTH) * loss
        raw.append(at(step, loss))
        mean.append(at(step, smooth))
    grid = "".join(
        f'<polyline class="grid" points="{at(0, value)} {at(last, value)}"/>'
        f'<text x="{LEFT - 6}" y="{float(at(0, value).split(",")[1]) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (10**low, 10 ** ((low + high) / 2), 10**high)
    )
    step, loss, _ = run.points[-1]
    x, y = at(step, smooth).split(",")
    label = f"Loss {loss:.4f} at step {step} of {last}"
    if apart:
        label += f", held-out loss {apart[-1][1]:.4f} at step {apart[-1][0]}"
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{grid}{''.join(marks)}"
        f'<polyline class="raw" points="{" ".join(raw)}"/><polyline class="mean" points="{" ".join(mean)}"/>'
        f'<circle cx="{x}" cy="{y}" r="4"/>{_held_out(apart, at)}'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">step 0</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{last}</text></svg>'
    )


def _held_out(points: list[tuple[int, float]], at: Callable[[int, float], str]) -> str:
    """Line and dots of the held-out losses, and what the two lines are."""
    if not points:
        return ""
    places = [at(step, loss) for step, loss in points]
    dots = "".join(f'<circle class="held" cx="{x}" cy="{y}" r="3"/>' for x, y in (at.split(",") for at in places))
    end = WIDTH - RIGHT
    return (
        f'<polyline class="held" points="{" ".join(places)}"/>{dots}'
        f'<text x="{end}" y="{TOP + 10}" text-anchor="end" class="key">loss</text>'
        f'<text x="{end}" y="{TOP + 26}" text-anchor="end" class="key held">held-out loss</text>'
    )
