"""The trainer's recipes and options as it tells them itself: the page does not import the trainer, it asks it once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError
from diffscaler.settings import ROOT

ASK_S = 120
TRAINER = ROOT / "training"


@dataclass(frozen=True)
class Option:
    """One option of a recipe. default: as TOML has it, None where there is none; bounds, choices: what it accepts"""

    name: str
    title: str
    description: str
    group: str
    type: str
    choices: list[Any]
    bounds: dict[str, float]
    required: bool
    optional: bool
    default: Any


@dataclass(frozen=True)
class RecipeForm:
    """One recipe. needs: what it begins with; found_in: where its result is found, both for people
    roles: what the page asks in words of its own -> the option that holds the answer"""

    name: str
    title: str
    about: str
    needs: str
    found_in: str
    roles: dict[str, str]
    options: dict[str, Option]

    @property
    def by_steps(self) -> bool:
        """Whether it is one of the trainer's recipes, and not one with a loop of its own."""
        return "max_train_steps" in self.options

    def option(self, role: str) -> Option | None:
        """The option that holds the answer to a question of the page; None where the recipe does not ask it."""
        return self.options.get(self.roles.get(role, ""))


def recipe_forms() -> dict[str, RecipeForm]:
    """Every recipe by its name, in the trainer's order. Asked anew when the trainer's options have changed.

    Raises DiffScalerError when the trainer does not answer.
    """
    files = [TRAINER / "config.py", TRAINER / "forms.py", TRAINER / "recipes" / "__init__.py"]
    files += sorted(TRAINER.rglob("options.py"))
    return _asked(tuple((str(file), file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=1)
def _asked(stamps: tuple[tuple[str, int], ...]) -> dict[str, RecipeForm]:
    done = ask("forms", "--json")
    if done.returncode:
        raise DiffScalerError("The trainer does not say what it can do.", done.stderr.strip()[-300:])
    found: dict[str, RecipeForm] = {}
    try:
        for row in json.loads(done.stdout):
            options = {field["name"]: Option(**field) for field in row.pop("fields")}
            found[row["name"]] = RecipeForm(**row, options=options)
    except (ValueError, KeyError, TypeError) as error:
        raise DiffScalerError("The trainer's answer cannot be read.", f"It said {done.stdout[:200]!r}.") from error
    return found


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m training ARGUMENTS`, to its end. Raises DiffScalerError when that takes too long."""
    command = [sys.executable, "-m", "training", *arguments]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=ASK_S)
    except subprocess.TimeoutExpired:
        raise DiffScalerError("The trainer does not answer.", "The machine is very busy: try again.") from None


def mistake_in(file: Path) -> str:
    """What the trainer finds wrong with a run's configuration, in one sentence; "" when it can be run."""
    done = ask("check", str(file))
    return done.stderr.strip().splitlines()[-1].removeprefix(f"{file.name}: ") if done.returncode else ""
