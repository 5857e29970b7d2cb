"""What models there are: those presets/models/*.toml describes, and the files a person put into the models folder."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.models.annotators import DOES, annotator_bytes, annotator_folder
from diffscaler.models.diffusion_upscalers import is_upscaler_folder, upscaler_folder
from diffscaler.models.digests import revision
from diffscaler.models.interpolator_files import SUFFIXES, interpolator_file
from diffscaler.models.links import read_links
from diffscaler.models.pair_files import pair_file
from diffscaler.models.place import Place
from diffscaler.models.source import read_record
from diffscaler.models.spec import Known, ModelKind, ModelSpec
from diffscaler.models.traits import identify
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WEIGHT_SUFFIXES = (".safetensors", ".pt")
UPSCALER_SUFFIXES = (".pth", ".safetensors")
#: A file of the later kind stands for one of the earlier kind and the same name.
IP_ADAPTER_SUFFIXES = (".bin", ".safetensors")
IMAGE_ENCODER = "image_encoder"


class Catalogue:
    """Reads the folders anew at every call: a model that training has just finished is there at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def specs(self, kind: ModelKind | None = None) -> list[ModelSpec]:
        """Installed models, built-in ones first. A file of the same name as one before it gets a number."""
        found: dict[str, ModelSpec] = {}
        described = self._described()
        places = {spec.path for spec in described}
        dropped_in = [spec for spec in self._dropped_in(described) if spec.path not in places]
        for spec in [*(spec for spec in described if is_there(spec)), *dropped_in]:
            number = 2
            while spec.name in found:
                spec = spec.model_copy(update={"name": f"{spec.name.removesuffix(f'-{number - 1}')}-{number}"})
                number += 1
            found[spec.name] = spec
        return [spec for spec in found.values() if kind in (None, spec.kind)]

    def known(self) -> list[Known]:
        """Installed models first, then those described here whose files are not there."""
        links = read_links(self.settings.models_dir)
        specs = self.specs()
        names = {spec.name for spec in specs}
        specs += [spec for spec in self._described() if spec.name not in names]
        return [
            Known(
                spec=spec,
                installed=spec.name in names,
                linked=spec.name in links,
                part_bytes=Place(self.settings.models_dir, spec.name).incoming_bytes,
            )
            for spec in specs
        ]

    def spec(self, name: str, kind: ModelKind | None = None) -> ModelSpec:
        """The model called `name`. Raises ModelNotFound."""
        specs = self.specs(kind)
        for spec in specs:
            if spec.name == name:
                return spec
        names = ", ".join(spec.name for spec in specs) or "none"
        raise ModelNotFound(f"There is no model called {name[:60]!r} here.", f"Installed: {names}.")

    def image_encoder(self, adapter: ModelSpec) -> ModelSpec:
        """What reads pictures for an IP-Adapter: the folder beside its file. Raises ModelNotFound."""
        assert adapter.path is not None
        for spec in self.specs("image_encoder"):
            if spec.path == adapter.path.parent / IMAGE_ENCODER:
                return spec
        raise ModelNotFound(
            f"The IP-Adapter {adapter.name} has no image encoder.",
            f"Put its {IMAGE_ENCODER} folder beside it, in {adapter.path.parent.name}.",
        )

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
        """What TOML files describe, whether its files are there or not: those of the studio, then links."""
        links = read_links(self.settings.models_dir)
        files = sorted((self.settings.presets_dir / "models").glob("*.toml"))
        specs = [self._read(file, links.pop(file.stem, {}).get("path")) for file in files]
        return specs + [linked(name, row) for name, row in links.items()]

    def _read(self, file: Path, link: str | None) -> ModelSpec:
        """A described model. link: where its files lie when that is not the models folder."""
        row: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        if "source" in row:
            row.setdefault("path", file.stem)
        folder = row.pop("folder", None)  # of a pack that the file may have stayed in
        others = row.pop("others", [])  # files that do as well, where the first is not there
        if "path" in row:
            root = self.settings.assets_dir if row.get("built_in") else self.settings.models_dir
            packed = root / folder / row["path"] if folder else None
            row["path"] = Path(link) if link else root / row["path"]
            if packed and packed.is_file() and not row["path"].exists():
                row["path"] = packed
            if not row["path"].exists():
                row["path"] = next((root / name for name in others if (root / name).is_file()), row["path"])
        if row.get("kind") == "text2video" and "path" in row:
            row.setdefault("working_bytes", working_bytes(row["path"]))
            row |= with_family(row["path"], row)
        elif row.get("kind") in DOES and "path" in row:
            row.setdefault("working_bytes", annotator_bytes(row["path"]))
        return ModelSpec.model_validate({"name": file.stem, **row})

    def _dropped_in(self, described: list[ModelSpec]) -> list[ModelSpec]:
        root = self.settings.models_dir
        folders = [path.parent for path in sorted(root.glob("*/model_index.json"))]
        specs = [upscaler_folder(path, plain(path.name)) for path in folders if is_upscaler_folder(path)]
        specs += [text2video_folder(path) for path in folders if not is_upscaler_folder(path)]
        specs += [text2video_folder(path.parent) for path in sorted(root.glob("*/model/model_index.json"))]
        specs += [
            text2video_folder(path.parent)
            for pattern in ("*/model.toml", "*/model/model.toml")
            for path in sorted(root.glob(pattern))
            if names_family(path.parent)
        ]
        specs += [trained_upscaler(path) for path in sorted(root.glob("*/model/x[24].safetensors"))]
        pairs = [
            pair_file(path, plain(path.parent.parent.name)) for path in sorted(root.glob("*/model/[st]sr.safetensors"))
        ]
        specs += [spec for spec in pairs if spec]
        specs += [controlnet_folder(path.parent) for path in sorted((root / "controlnets").glob("*/config.json"))]
        specs += ip_adapters(root / "ip_adapters")
        specs += [spec for path in sorted(root.glob("*/config.json")) if (spec := annotator_folder(path.parent))]
        specs += ghost_files(root)
        specs += mask_files(root, described)
        specs += [lora_file(path) for path in sorted((root / "loras").glob("*.safetensors"))]
        specs += [trained_lora(path) for path in sorted(root.glob("*/model/lora.safetensors"))]
        for path in sorted((root / "upscalers").glob("*")):
            if path.suffix.lower() in UPSCALER_SUFFIXES:
                specs.append(upscaler_file(path))
        for path in sorted((root / "interpolators").glob("*")):
            if path.suffix.lower() in SUFFIXES:
                specs.append(interpolator_file(path, plain(path.stem)))
        for path in sorted((root / "face_restorers").glob("*")):
            if path.suffix.lower() in UPSCALER_SUFFIXES:
                specs.append(restorer_file(path))
        for path in sorted((root / "aesthetics").glob("*")):
            if path.suffix.lower() in UPSCALER_SUFFIXES:
                specs.append(aesthetic_file(path))
        return specs


class CatalogueOnce(Catalogue):
    """The catalogue as it is when it is first asked: for many plans made at once, which read its files once."""

    @cached_property
    def _there(self) -> list[ModelSpec]:
        return super().specs()

    def specs(self, kind: ModelKind | None = None) -> list[ModelSpec]:
        """As Catalogue.specs."""
        return [spec for spec in self._there if kind in (None, spec.kind)]


def text2video_folder(path: Path) -> ModelSpec:
    """A diffusers folder; a `model.toml` in it, as training writes, says more about it."""
    about = path / "model.toml"
    try:
        row: dict[str, Any] = tomllib.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    except (OSError, ValueError):
        row = {"description": "Its model.toml cannot be read; the studio's usual settings are used."}
    name = path.name if path.name != "model" else path.parent.name
    record = read_record(path)
    said = {key: row[key] for key in ("title", "licence", "description") if key in row}
    said |= with_family(path, row)
    return ModelSpec.model_validate(
        {
            "name": plain(name),
            "title": name,
            "licence": record.licence if record else "yours",
            "kind": "text2video",
            "path": path,
            "loader": "diffscaler.text2video.load:load_pipeline",
            "working_bytes": working_bytes(path),
            **said,
        }
    )


def working_bytes(path: Path) -> int:
    """Memory a diffusers folder may take: its weights in a wider number format, and what they need to work."""
    weights = sum(file.stat().st_size for file in path.rglob("*") if file.suffix in WEIGHT_SUFFIXES)
    return int(weights * 2.5) + 300 * 2**20


def linked(name: str, row: dict[str, Any]) -> ModelSpec:
    """A model used where it lies. row: as links.read_links gives it"""
    path = Path(row["path"])
    if row.get("kind") == "interpolator" and path.is_file():
        return interpolator_file(path, name)
    if row.get("kind") == "upscaler" and path.is_file():
        return upscaler_file(path).model_copy(update={"name": name})
    if is_upscaler_folder(path):
        return upscaler_folder(path, name)
    if path.is_dir():
        return (annotator_folder(path) or text2video_folder(path)).model_copy(update={"name": name})
    # A disk that is not connected: the model is known and not installed.
    return ModelSpec(name=name, title=name, kind=row.get("kind") or "text2video", path=path, loader="")


def is_there(spec: ModelSpec) -> bool:
    """Whether a model's files are there; an empty folder is not a model."""
    if spec.path is None or spec.path.is_file():
        return True
    return spec.path.is_dir() and any(spec.path.iterdir())


def names_family(folder: Path) -> bool:
    """Whether a folder that is no diffusers folder says in its model.toml which family it is of."""
    if (folder / "model_index.json").exists():
        return False
    try:
        return "family" in tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def with_family(path: Path, row: dict[str, Any]) -> dict[str, Any]:
    """family, native and traits of a model's folder; what its own table says goes before what its family says."""
    try:
        family = identify(path, row.get("family"))
    except ModelNotFound:
        return {"family": None, "native": row.get("native", {})}
    traits = family.traits.model_dump() | row.get("traits", {})
    return {"family": family, "native": family.native | row.get("native", {}), "traits": traits}


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


def controlnet_folder(path: Path) -> ModelSpec:
    """A ControlNet as diffusers saves it: controlnets/<name>/."""
    return ModelSpec(
        name=plain(path.name),
        title=path.name,
        kind="controlnet",
        path=path,
        loader="diffscaler.text2video.hotshot.controlnet:load_controlnet",
        working_bytes=working_bytes(path),
    )


def ghost_files(root: Path) -> list[ModelSpec]:
    """GHOST face swappers: ghost*.onnx. What else they need is said when one is used."""
    return [
        ModelSpec(
            name=plain(path.stem),
            title=path.stem,
            kind="face_swapper",
            path=path,
            loader="diffscaler.faceswap.ghost:load_ghost",
            licence="Apache-2.0 (GHOST); the recogniser it needs is for non-commercial research only",
            commercial=True,
            working_bytes=path.stat().st_size * 2 + 300 * 2**20,
        )
        for path in sorted(root.glob("ghost*.onnx"))
    ]


def mask_files(root: Path, described: list[ModelSpec]) -> list[ModelSpec]:
    """Face parsers and occluders, bisenet*.onnx and xseg*.onnx: what is said of one version holds for all."""
    cards = {spec.kind: spec for spec in described}
    return [
        cards[kind].model_copy(update={"name": plain(path.stem), "title": path.stem, "path": path})
        for kind, pattern in (("face_parser", "bisenet*.onnx"), ("face_occluder", "xseg*.onnx"))
        if kind in cards
        for path in sorted(root.glob(pattern))
    ]


def lora_file(path: Path) -> ModelSpec:
    """A LoRA: loras/<name>.safetensors."""
    return ModelSpec(
        name=plain(path.stem),
        title=path.stem,
        kind="lora",
        path=path,
        loader="diffscaler.text2video.lora:load_lora",
        working_bytes=path.stat().st_size,
    )


def trained_lora(path: Path) -> ModelSpec:
    """A LoRA this studio trained: <name>/model/lora.safetensors."""
    name = path.parent.parent.name
    return lora_file(path).model_copy(update={"name": plain(name), "title": name, "licence": "yours"})


def ip_adapters(root: Path) -> list[ModelSpec]:
    """IP-Adapters and the image encoders that read pictures for them: in `root`, and in each folder of it."""
    specs: list[ModelSpec] = []
    for folder in (root, *sorted(path for path in root.glob("*") if path.is_dir() and path.name != IMAGE_ENCODER)):
        files = {path.stem: path for suffix in IP_ADAPTER_SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))}
        specs += [ip_adapter_file(path) for _, path in sorted(files.items())]
        if (folder / IMAGE_ENCODER / "config.json").is_file():
            specs.append(image_encoder_folder(folder / IMAGE_ENCODER))
    return specs


def ip_adapter_file(path: Path) -> ModelSpec:
    """An IP-Adapter: ip_adapters/<name>.safetensors, or .bin, which is read for its tensors alone."""
    return ModelSpec(
        name=plain(path.stem),
        title=path.stem,
        kind="ip_adapter",
        path=path,
        loader="diffscaler.text2video.ip_adapter:load_ip_adapter",
        working_bytes=path.stat().st_size * 2,  # once as it was read, once where it works
    )


def image_encoder_folder(path: Path) -> ModelSpec:
    """What reads pictures for the IP-Adapters beside it, as transformers saves it: image_encoder/."""
    name = f"{path.parent.name}-{path.name}"
    return ModelSpec(
        name=plain(name),
        title=name,
        kind="image_encoder",
        path=path,
        loader="diffscaler.text2video.image_encoder:load_image_encoder",
        working_bytes=working_bytes(path),
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


def restorer_file(path: Path) -> ModelSpec:
    """A CodeFormer or GFPGAN file: face_restorers/<name>.pth or .safetensors; which it is, its keys say."""
    return ModelSpec(
        name=plain(path.stem),
        title=path.stem,
        kind="face_restorer",
        path=path,
        loader="diffscaler.faceswap.restore:load_restorer",
        working_bytes=path.stat().st_size * 2 + 1500 * 2**20,
    )


def aesthetic_file(path: Path) -> ModelSpec:
    """A head of LAION's that rates what CLIP sees: aesthetics/<name>.pth or .safetensors."""
    return ModelSpec(
        name=plain(path.stem),
        title=path.stem,
        kind="aesthetic_head",
        path=path,
        loader="diffscaler.scorers.aesthetics:load_head",
        working_bytes=path.stat().st_size * 2,
    )


def plain(name: str) -> str:
    """`name` with everything outside the characters of a model name made a dash."""
    text = "".join(char if char.isascii() and (char.isalnum() or char in "_.+-") else "-" for char in name)
    return text.lstrip("_.+-") or "model"
