"""How long a feature-length script takes: read, drafted as shots, and imported again after edits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Result, median_seconds
from diffscaler.screenplay.board import Board, reimport
from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.pages import pages_of
from diffscaler.screenplay.script import Script
from diffscaler.screenplay.shots import draft
from diffscaler.settings import ROOT

PAGES = 120
GOAL_S = 2.0
EDITS = 30
SAMPLE = ROOT / "assets" / "screenplays" / "the-last-bus-to-the-sea.fountain"
WORDS = "bus dog sea road umbrella time day late early thirty river mountain glass window letter".split()


def run(folder: Path) -> Iterator[Result]:
    paragraphs = feature(random.Random(1))
    text = "\n\n".join(paragraphs)
    script = read_fountain(text)
    goal = f"the goal, {pages_of(script.elements):.0f} pages, {len(script.scenes)} scenes"
    seconds = median_seconds(lambda: told(read_fountain(text)))
    yield Result("script read", seconds, "s", goal, GOAL_S, "lower")
    shots = draft(script)
    seconds = median_seconds(lambda: draft(read_fountain(text)))
    yield Result("and drafted", seconds, "s", f"the goal, {len(shots)} shots", GOAL_S, "lower")
    edited = draft(read_fountain("\n\n".join(with_edits(paragraphs, random.Random(2)))))
    board = Board(shots)
    seconds = median_seconds(lambda: reimport(board, edited))
    yield Result("again", seconds, "s", f"the goal, {EDITS} edits", GOAL_S, "lower")
    kept = {shot.id for shot in shots} & {shot.id for shot in reimport(board, edited).shots}
    yield Result("found again", len(kept), "shots", "on the board before", len(shots), "higher")


def told(script: Script) -> object:
    """What the page shows of a script."""
    return script.scenes, script.characters, pages_of(script.elements)


def feature(chance: random.Random) -> list[str]:
    """Paragraphs of a script of about PAGES pages: the bundled one over and over, with other words in it."""
    once = SAMPLE.read_text(encoding="utf-8").split("\n\n")[2:]
    found: list[str] = []
    for _ in range(PAGES // 3 - 3):
        for paragraph in once:
            words = (chance.choice(WORDS) if word in WORDS else word for word in paragraph.split(" "))
            found.append(" ".join(words))
    return found


def with_edits(paragraphs: list[str], chance: random.Random) -> list[str]:
    """The paragraphs after EDITS words were written anew."""
    found = list(paragraphs)
    for _ in range(EDITS):
        at = chance.randrange(len(found))
        words = found[at].split(" ")
        words[chance.randrange(len(words))] = "changed"
        found[at] = " ".join(words)
    return found
