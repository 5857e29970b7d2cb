"""What models there are: those presets/models/*.toml describes, and the files a person put into the models folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.models.digests import revision
from diffscaler.models.spec import ModelKind, ModelSpec
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

UPSCALER_SUFFIXES = (".pth", ".safetensors")


class Catalogue:
    """Reads the folders anew at every call: a model that training has just finished is there at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def specs(self, kind: ModelKind | None = None) -> list[ModelSpec]:
        """Installed models, built-in ones first. A file of the same name as one before it gets a number."""
        found: dict[str, ModelSpec] = {}
        for spec in [*self._described(), *self._dropped_in()]:
            number = 2
            while spec.name in found:
                spec = spec.model_copy(update={"name": f"{spec.name.removesuffix(f'-{number - 1}')}-{number}"})
                number += 1
            found[spec.name] = spec
        return [spec for spec in found.values() if kind in (None, spec.kind)]

    def spec(self, name: str, kind: ModelKind | None = None) -> ModelSpec:
        """The model called `name`. Raises ModelNotFound."""
        specs = self.specs(kind)
        for spec in specs:
            if spec.name == name:
                return spec
        names = ", ".join(spec.name for spec in specs) or "none"
        raise ModelNotFound(f"There is no model called {name[:60]!r} here.", f"Installed: {names}.")

    def ref(self, spec: ModelSpec) -> ModelRef:
        """The model with its revision, as it enters keys."""
        return ModelRef(name=spec.name, revision=revision(spec, self.settings.models_dir / ".digests.json"))

    def spec_of(self, ref: ModelRef) -> ModelSpec:
        """The installed model behind a reference. Raises ModelNotFound when it changed since the plan was made."""
        spec = self.spec(ref.name)
        if self.ref(spec).revision != ref.revision:
            raise ModelNotFound(f"The model {ref.name} has changed since this was asked for.", "Ask again.")
        return spec

    def _described(self) -> list[ModelSpec]:
        return [
            spec
            for file in sorted((self.settings.presets_dir / "models").glob("*.toml"))
            for spec in [self._read(file)]
            if spec.path is None or spec.path.exists()
        ]

    def _read(self, file: Path) -> ModelSpec:
        row: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        if "path" in row:
            root = self.settings.assets_dir if row.get("built_in") else self.settings.models_dir
            row["path"] = root / row["path"]
        return ModelSpec.model_validate({"name": file.stem, **row})

    def _dropped_in(self) -> list[ModelSpec]:
        root = self.settings.models_dir
        specs = [text2video_folder(path.parent) for path in sorted(root.glob("*/model_index.json"))]
        specs += [text2video_folder(path.parent) for path in sorted(root.glob("*/model/model_index.json"))]
        specs += [trained_upscaler(path) for path in sorted(root.glob("*/model/x[24].safetensors"))]
        for path in sorted((root / "upscalers").glob("*")):
            if path.suffix.lower() in UPSCALER_SUFFIXES:
                specs.append(upscaler_file(path))
        return specs


def text2video_folder(path: Path) -> ModelSpec:
    """A diffusers folder; a `model.toml` in it, as training writes, says more about it."""
    about = path / "model.toml"
    try:
        row: dict[str, Any] = tomllib.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    except (OSError, ValueError):
        row = {"description": "Its model.toml cannot be read; the studio's usual settings are used."}
    name = path.name if path.name != "model" else path.parent.name
    weights = sum(file.stat().st_size for file in path.rglob("*.safetensors"))
    said = {key: row[key] for key in ("title", "licence", "native", "description") if key in row}
    return ModelSpec.model_validate(
        {
            "name": plain(name),
            "title": name,
            "licence": "yours",
            "kind": "text2video",
            "path": path,
            "loader": "diffscaler.text2video.load:load_pipeline",
            "working_bytes": int(weights * 2.5) + 300 * 2**20,
            **said,
        }
    )


def trained_upscaler(path: Path) -> ModelSpec:
    """An upscaler this studio trained: <name>/model/x2.safetensors or x4.safetensors."""
    name = f"{path.parent.parent.name}-{path.stem}"
    return ModelSpec(
        name=plain(name),
        title=name,
        kind="upscaler",
        path=path,
        loader="diffscaler.upscale.load:load_builtin",
        licence="yours",
        working_bytes=300_000_000,
        scale=int(path.stem[1:]),
    )


def upscaler_file(path: Path) -> ModelSpec:
    """A Real-ESRGAN-family file; its architecture is read from its keys when it is loaded."""
    return ModelSpec(
        name=plain(path.stem),
        title=path.stem,
        kind="upscaler",
        path=path,
        loader="diffscaler.upscale.load:load_file",
        working_bytes=path.stat().st_size * 2 + 500 * 2**20,
        scale=0,  # known when loaded
    )


def plain(name: str) -> str:
    """`name` with everything outside the characters of a model name made a dash."""
    text = "".join(char if char.isascii() and (char.isalnum() or char in "_.+-") else "-" for char in name)
    return text.lstrip("_.+-") or "model"
