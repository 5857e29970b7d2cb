"""What a training run tells, as HTML: its figures, its warnings, and its samples over time."""

from __future__ import annotations

from html import escape

from diffscaler.wording import bytes_in_words, seconds_in_words
from ui import pieces
from ui.pictures import url_of
from ui.training_events import RunSoFar

SAMPLES_SHOWN = 12
WARNINGS_SHOWN = 3
#: A step that waits longer than this for its clips is worth a word.
SLOW_LOADING = 0.05


def figures(run: RunSoFar, running: bool) -> str:
    """One line: losses, learning rate, gradient norm, speed, memory and time left, as far as they are known."""
    known, parts = run.figures, []
    if run.points:
        step, loss, _ = run.points[-1]
        parts += [f"step {step} of {run.total}", f"loss {loss:.4g}"]
    if run.held_out:
        parts.append(f"held-out loss {run.held_out[-1][1]:.4g} at step {run.held_out[-1][0]}")
    if "lr" in known:
        parts.append(f"learning rate {known['lr']:.3g}")
    if "grad_norm" in known:
        parts.append(f"gradient norm {known['grad_norm']:.3g}")
    if speed := known.get("steps_per_second"):
        parts.append(f"{speed:.3g} steps a second" if speed >= 1 else f"{1 / speed:.3g} s a step")
    if known.get("loading_share", 0.0) > SLOW_LOADING:
        parts.append(f"{known['loading_share']:.0%} of it waiting for clips")
    if "peak_memory_bytes" in known:
        parts.append(f"{bytes_in_words(known['peak_memory_bytes'])} of memory at its peak")
    elif "memory_bytes" in known:
        parts.append(f"{bytes_in_words(known['memory_bytes'])} of memory")
    if running and "seconds_left" in known:
        parts.append(f"{seconds_in_words(known['seconds_left'])} left")
    if run.about.get("device"):
        parts.append(f"on {run.about['device']}")
    return f'<p class="facts">{"".join(f"<span>{escape(str(part))}</span>" for part in parts)}</p>' if parts else ""


def warnings(run: RunSoFar) -> str:
    """The latest things the trainer warned of, each once."""
    said = list(dict.fromkeys(sentence for _, sentence in run.warnings))
    shown = [pieces.message(sentence, kind="info") for sentence in said[-WARNINGS_SHOWN:]]
    more = len(said) - len(shown)
    return "".join(shown) + (f'<p class="quiet">{more} earlier ones are in its log.</p>' if more > 0 else "")


def samples(run: RunSoFar) -> str:
    """A grid: a row for each step that drew samples, the latest first; what a run drew again after it was resumed is
    shown once."""
    latest = {path: step for step, path in run.samples}
    rows = sorted(latest.items(), key=lambda row: row[1], reverse=True)[:SAMPLES_SHOWN]
    return "".join(
        f'<figure><figcaption>step {step}</figcaption><img src="{url_of(path)}" alt="Samples of step {step}"'
        ' loading="lazy"></figure>'
        for path, step in rows
    )
