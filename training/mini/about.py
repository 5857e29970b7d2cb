"""The files beside the weights that tell the studio what a model is: model.toml and vocabulary.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from diffscaler.text2video.vocabulary import FILE_NAME
from training.config import TrainingConfig
from training.folder import FPS
from training.mini.samples import GUIDANCE, GUIDED_STEPS, NUM_STEPS
from training.mini.unet import MAX_FRAMES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BASE_LICENCE = "Apache-2.0"


def write_about(model: Path, config: TrainingConfig, captions: list[list[str]], distilled: bool) -> None:
    """Write both files into the model folder; what the run started from hands down its words and its licence.

    distilled: whether the weights are those of a model of few steps, or on the way there. A run that only tunes such a
    model leaves its guidance inside.
    """
    before = _about(Path(config.init)) if config.init else {}
    licence = before.get("licence", BASE_LICENCE)
    if config.data == "folder" and "your clips" not in licence:
        licence += "; what it learnt from your clips is subject to their terms"
    guided = distilled or guidance_inside(Path(config.init) if config.init else None)
    steps = config.distil_to if distilled else GUIDED_STEPS if guided else NUM_STEPS
    native = {
        "width": config.size,
        "height": config.size,
        "num_frames": config.num_frames,
        "fps": FPS,
        "num_inference_steps": steps,
        "guidance_scale": 1.0 if guided else GUIDANCE,
        "max_frames": MAX_FRAMES,
    }
    if steady := before.get("native", {}).get("steady"):
        native["steady"] = steady
    rows = [
        f"title = {json.dumps(Path(config.output_dir).resolve().name, ensure_ascii=False)}",
        f"licence = {json.dumps(licence, ensure_ascii=False)}",
        "",
        "[native]",
        *(f"{key} = {value}" for key, value in native.items()),
        *(["", "[traits]", "guided = true"] if guided else []),
    ]
    (model / "model.toml").write_text("\n".join(rows) + "\n", encoding="utf-8")
    words = _words(config, captions)
    if words is not None:
        (model / FILE_NAME).write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def guidance_inside(folder: Path | None) -> bool:
    """Whether a model's folder says that its guidance was built in."""
    return bool(folder and _about(folder).get("traits", {}).get("guided"))


def _about(folder: Path) -> dict[str, Any]:
    file = folder / "model.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _words(config: TrainingConfig, captions: list[list[str]]) -> dict[str, Any] | None:
    """The words of the model this run started from, and those of its own captions.

    None when that model has no list: it was taught more words than anybody wrote down.
    """
    from training.scenes.vocabulary import MAX_WORDS, vocabulary, words_of
    from training.scenes.world import STOPWORDS

    known: dict[str, Any] = {"words": {}, "stopwords": sorted(STOPWORDS)}
    if config.init:
        file = Path(config.init) / FILE_NAME
        if not file.exists():
            return None
        known = json.loads(file.read_text(encoding="utf-8"))
    if config.data == "scenes":
        # The world's words mean what they mean now; what it was taught beside them has no category, and stays.
        own = {word: meaning for word, meaning in known["words"].items() if meaning == "other"}
        known = vocabulary()
        known["words"] = own | known["words"]
    for word in sorted({w for group in captions for text in group for w in words_of(text)}):
        if word not in known["stopwords"]:
            known["words"].setdefault(word, "other")
    known.setdefault("max_words", MAX_WORDS)
    return known
