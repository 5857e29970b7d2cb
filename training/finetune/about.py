"""The model.toml of a fine-tuned model: what the studio calls it and how it was trained to be used."""

from __future__ import annotations

import json
from pathlib import Path

from diffscaler.models.spec import ModelSpec
from training.finetune.options import FineTuneConfig

TERMS = "what it learnt from your clips is subject to their terms"


def write_about(
    folder: Path,
    base: ModelSpec,
    config: FineTuneConfig,
    size: tuple[int, int],
    family: str = "",
    native: dict[str, object] | None = None,
) -> None:
    """Write the file. base: the model begun with; size: (width, height) in pixels; family: where the folder's pipeline
    does not say it; native: what else it was trained for, in place of what its base says."""
    licence = base.licence if TERMS in base.licence else f"{base.licence}; {TERMS}"
    own = dict(base.native if not family else {}) | {"width": size[0], "height": size[1], "fps": round(config.fps)}
    own |= {"num_frames": config.num_frames} | (native or {})
    tables = [("native", own), ("traits", {"guided": True} if base.traits.guided else {})]
    rows = [
        f"title = {json.dumps(Path(config.output_dir).resolve().name, ensure_ascii=False)}",
        f"licence = {json.dumps(licence, ensure_ascii=False)}",
        f"description = {json.dumps(f'Tuned from {base.title} ({config.recipe}).', ensure_ascii=False)}",
        *([f"family = {json.dumps(family)}"] if family else []),
    ]
    for name, table in tables:
        if table:
            rows += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (folder / "model.toml").write_text("\n".join(rows) + "\n", encoding="utf-8")
