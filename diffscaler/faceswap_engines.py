"""What each face swap engine is, what it needs, and whether it can be used here: before anything is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.errors import DiffScalerError, ModelNotFound
from diffscaler.face_redraw import pick_redraw_models
from diffscaler.faceswap.casting import NETWORKS
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec

ABOUT = {
    "builtin": "Built-in preview engine: quick, for planning; not a final face.",
    "inswapper": "A network draws the performer in the target's pose, light and play; 128 px a face.",
    "ghost": "A network draws the performer in the target's pose, light and play; 256 px a face.",
    "diffusion": "A text-to-video model redraws every face over all of its frames, led by the performer's photos "
    "through an IP-Adapter. Slow.",
}


@dataclass(frozen=True)
class EngineCard:
    """An engine as it stands here.

    models: what it draws with, as far as it is installed
    sentence, hint: why it cannot be used, and what to do; both "" when it can
    """

    engine: str
    about: str
    models: tuple[ModelSpec, ...] = ()
    sentence: str = ""
    hint: str = ""

    @property
    def ready(self) -> bool:
        return not self.sentence

    @property
    def licences(self) -> list[str]:
        """ "Hotshot-XL: CreativeML Open RAIL++-M", for each of its models."""
        return [f"{spec.title}: {licence(spec)}" for spec in self.models]


def engine_card(
    catalogue: Catalogue, engine: str, model: str = "", adapter: str = "", commercial_only: bool = False
) -> EngineCard:
    """The card of an engine by its name in requests ("auto" is none). model, adapter: of diffusion; "": the first."""
    try:
        if engine == "diffusion":
            picked = pick_redraw_models(catalogue, model, adapter, commercial_only)
            return EngineCard(engine, ABOUT[engine], (picked.model, picked.adapter, picked.encoder))
        models = engine_models(catalogue, engine)
    except DiffScalerError as error:
        return EngineCard(engine, ABOUT[engine], (), error.message, error.hint)
    for spec in models:
        if commercial_only and not spec.commercial:
            said = f"{spec.title} may not be used commercially."
            return EngineCard(engine, ABOUT[engine], models, said, "Pick another engine, or allow every licence.")
    return EngineCard(engine, ABOUT[engine], models)


def engine_models(catalogue: Catalogue, engine: str) -> tuple[ModelSpec, ...]:
    """What an engine draws with; nothing for "builtin" and "diffusion". Raises ModelNotFound that names what to add."""
    there = {spec.name: spec for spec in catalogue.specs()}
    if missing := [name for name in NETWORKS[engine] if name not in there]:
        files = {each.spec.name: each.spec.path.name for each in catalogue.known() if each.spec.path is not None}
        listed = [files.get(name, name) for name in missing]
        named = " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
        raise ModelNotFound(
            f"The face swap engine {engine} is not installed.",
            f"Put {named} into the models folder, or pick the built-in engine.",
        )
    return tuple(there[name] for name in NETWORKS[engine])


def licence(spec: ModelSpec) -> str:
    """A model's licence in words."""
    if spec.licence in ("unknown", "yours"):
        return "licence not known, read it where it came from"
    return spec.licence if spec.commercial else f"{spec.licence}, not known to be for commercial use"
