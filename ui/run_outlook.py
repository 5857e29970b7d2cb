"""What a training run will take, as the trainer forecasts it: shown under the button before it is pressed."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from diffscaler.settings import Settings
from ui import run_file
from ui.recipe_forms import ask
from ui.run_file import Table
from ui.training_form import folders
from ui.training_table import form_of


def outlook(table: Table, settings: Settings) -> str:
    """The forecast for a configuration as far as it goes, as HTML; "" where nothing can be told of it yet."""
    form = form_of(str(table["recipe"]))
    model = form.option("model")
    if model and model.required and model.name not in table:
        return '<p class="words">What it takes is told once it has a model to begin with.</p>'
    # Neither where the clips lie nor what the model will be called changes what it takes.
    filled: dict[str, Any] = {"output_dir": folders(settings, "new")[1].as_posix(), **table}
    if "data" in form.options and form.by_steps:
        filled.setdefault("data", "clips")
    said = _forecast(run_file.written(form, filled), _stamp(settings.models_dir))
    return f'<p class="words">{escape(said)}</p>' if said else ""


def _stamp(models_dir: Path) -> tuple[Any, ...]:
    """What a forecast is made of besides the configuration: which models and runs there are, what each run told and was
    told, and how much room there is, in gigabytes."""
    if not models_dir.is_dir():
        return ()
    rows: list[tuple[str, int, int]] = []
    for path in sorted([models_dir, *models_dir.glob("*/events.jsonl"), *models_dir.glob("*/run.toml")]):
        with suppress(FileNotFoundError):  # of a run that is being deleted
            stat = path.stat()
            rows.append((str(path), stat.st_mtime_ns, stat.st_size))
    return (shutil.disk_usage(models_dir).free // 10**9, *rows)


@lru_cache(maxsize=32)
def _forecast(text: str, stamp: tuple[Any, ...]) -> str:
    """In words, asked anew when what it is made of has changed; or what the trainer finds wrong with the
    configuration."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.toml"
        file.write_text(text, encoding="utf-8")
        done = ask("forecast", str(file), "--json")
    if done.returncode:
        return done.stderr.strip().splitlines()[-1].removeprefix("run.toml: ") if done.stderr.strip() else ""
    return str(json.loads(done.stdout)["words"])
