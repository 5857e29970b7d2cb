"""The grid of a prepared data set: a card a shot, with its pictures, its measures, and what is said of it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from diffscaler.datasets.manifest import PICTURES, Manifest
from diffscaler.datasets.selection import Thresholds, reasons
from diffscaler.datasets.shot import Clip, Shot
from diffscaler.datasets.unscored import not_applied
from ui import pieces
from ui.pictures import url_of

PAGE = 24
FAULTS_SHOWN = 50

#: Per cent of the picture's longer side a second -> a word.
PACES = ((0.1, "still"), (2.0, "slow"), (15.0, "moving"), (float("inf"), "fast"))


def head(name: str, made: Manifest, at: Thresholds, lacking: str = "") -> str:
    """What the data set is and how much of it is kept. lacking: scores it has not, see models.scorers.lacking"""
    shots = list(made.shots())
    kept = [(clip, shot) for clip, shot in shots if not reasons(shot, at)]
    bare = sum(not clip.captions_of(shot) for clip, shot in kept)
    seconds = sum(shot.seconds for _, shot in kept)
    facts = [f"{len(kept)} of {len(shots)} shots kept, {seconds:.0f} s", f"from {len(made.clips)} clips: {made.layout}"]
    facts += [f"{bare} without a caption: write what they show"] if bare else []
    fresh = sum(bool(clip.captions_of(shot)) and shot.scores.clip is None for clip, shot in shots)
    if "clip" in made.scorers and fresh and made.complete:
        facts.append(f"{fresh} caption{'s' * (fresh > 1)} without a CLIP score: Prepare reads them")
    facts += [f"scored by {', '.join(made.scorers.values())}"] if made.scorers else []
    facts += ([lacking] if lacking else []) if made.complete else ["not finished yet"]
    facts += not_applied(made, at)
    line = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    use = pieces.do("use", "Use this data", title="The next run learns from the shots that are kept", disabled=not kept)
    return f'<h2>{escape(name)}</h2><p class="facts">{line}</p><div class="verbs">{use}</div>'


def cards(folder: Path, made: Manifest, at: Thresholds, page: int) -> str:
    """One page of the grid. folder: of the data set; at: the limits as the sliders stand"""
    shots = list(made.shots())
    start = page * PAGE
    inside = "".join(card(folder, clip, shot, at) for clip, shot in shots[start : start + PAGE])
    return f'<div class="shots">{inside}</div>{pager(page, len(shots))}{faults(made)}'


def card(folder: Path, clip: Clip, shot: Shot, at: Thresholds) -> str:
    """A shot, greyed where it is left out, with the reasons."""
    why = reasons(shot, at)
    marks = "".join(f'<span class="why">{escape(reason)}</span>' for reason in why)
    caption = escape("\n".join(clip.captions_of(shot)))
    toggle = pieces.do(
        "in" if shot.left_out else "out", "Let in" if shot.left_out else "Leave out", key=shot.key, cls="link"
    )
    return (
        f'<figure class="shot{" out" if why else ""}" data-shot="{escape(shot.key)}">'
        f'<img src="{url_of(folder / PICTURES / shot.thumbnail)}" alt="" loading="lazy">'
        f"<figcaption><b>{escape(Path(clip.path).name)}</b> {escape(measures(clip, shot))}{marks}</figcaption>"
        f'<textarea rows="2" data-change="caption" data-key="{escape(shot.key)}" aria-label="Caption"'
        f' placeholder="What does it show?">{caption}</textarea>{toggle}</figure>'
    )


def measures(clip: Clip, shot: Shot) -> str:
    """ "0:03, 2.1 s, 854 × 480, slow (0.5 % a second), sharpness 245, writing 3 %, CLIP 27.1, aesthetics 5.4" """
    scores = shot.scores
    parts = [f"{clip.width} × {clip.height}"]
    if shot.num_frames > 1:
        minutes, seconds = divmod(int(shot.start_s), 60)
        parts = [f"{minutes}:{seconds:02d}", f"{shot.seconds:.1f} s", *parts]
    if scores.motion is not None and scores.motion_peak is not None:
        word = next(word for limit, word in PACES if max(scores.motion, scores.motion_peak / 10) < limit)
        parts.append(f"{word} ({scores.motion:.1f} % a second)")
    parts.append(f"sharpness {scores.sharpness:.0f}")
    parts += [f"writing {100 * scores.text:.0f} %"] if scores.text >= 0.005 else []
    parts += [f"CLIP {scores.clip:.1f}"] if scores.clip is not None else []
    parts += [f"aesthetics {scores.aesthetics:.1f}"] if scores.aesthetics is not None else []
    return ", ".join(parts)


def pager(page: int, shots: int) -> str:
    """Where one is in a long grid, with the ways on and to its ends."""
    last = max(0, (shots - 1) // PAGE)
    if not last:
        return ""
    first = pieces.do("page", "First", to="0", disabled=page == 0)
    back = pieces.do("page", "Before", to=str(page - 1), disabled=page == 0)
    on = pieces.do("page", "Next", to=str(page + 1), disabled=page == last)
    end = pieces.do("page", "Last", to=str(last), disabled=page == last)
    where = f"{page * PAGE + 1} to {min(shots, (page + 1) * PAGE)} of {shots}"
    return f'<div class="verbs pager">{first}{back}<span class="quiet">{where}</span>{on}{end}</div>'


def faults(made: Manifest) -> str:
    """What could not be used, and why."""
    if not made.faults:
        return ""
    rows = "".join(
        f"<li><b>{escape(fault.where)}</b> {escape(fault.sentence)}</li>" for fault in made.faults[:FAULTS_SHOWN]
    )
    count = len(made.faults) + made.more_faults
    more = f"<li>and {count - FAULTS_SHOWN} more</li>" if count > FAULTS_SHOWN else ""
    return f'<details class="faults"><summary>{count} could not be used</summary><ul>{rows}{more}</ul></details>'
