"""Annotators on the shelf: got, linked, copied, told apart by their config.json, and chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffscaler.errors import DownloadFailed, InvalidRequest, ModelNotFound
from diffscaler.models.annotators import ANNOTATORS, DOES, annotator_bytes, pick_annotator
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.place import Place
from diffscaler.models.shelf import Shelf
from diffscaler.models.source import ModelSource
from diffscaler.settings import Settings
from tests.models.fakehub import FakeHub, bring

PRESETS = {
    "depth-anything-v2-small": ("depth_estimator", "depth_anything", "depth-anything/Depth-Anything-V2-Small-hf"),
    "vitpose-base": ("pose_estimator", "vitpose", "usyd-community/vitpose-base-simple"),
    "rtdetr-r18": ("person_detector", "rt_detr", "PekingU/rtdetr_r18vd_coco_o365"),
}


def files(model_type: str, network: str | None = None) -> dict[str, bytes]:
    """A folder of transformers, with weights that nothing here reads."""
    network = network or ANNOTATORS[model_type].network
    config = {"architectures": [network], "model_type": model_type}
    return {
        "config.json": json.dumps(config).encode(),
        "preprocessor_config.json": b"{}",
        "model.safetensors": bytes(1000),
        "pytorch_model.bin": b"a pickle",
        "README.md": b"# card",
    }


def folder(path: Path, content: dict[str, bytes]) -> Path:
    path.mkdir(parents=True)
    for name, data in content.items():
        (path / name).write_bytes(data)
    return path


def without(content: dict[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: data for name, data in content.items() if name not in names}


@pytest.mark.parametrize("name", PRESETS)
def test_those_the_studio_describes_are_fetched_and_then_installed(hub: FakeHub, settings: Settings, name: str) -> None:
    settings.models_dir.mkdir(parents=True)
    kind, model_type, repo = PRESETS[name]
    catalogue = Catalogue(settings)
    order = Shelf(settings, catalogue).order(repo)
    assert (order.name, order.source.repo) == (name, repo), "the repository is known by the studio's own name for it"
    hub.repos[repo] = files(model_type)
    bring(hub, Place(settings.models_dir, name), order.source)
    spec = pick_annotator(catalogue, kind)  # type: ignore[arg-type]
    assert (spec.name, spec.licence, spec.commercial) == (name, "Apache-2.0", True)
    assert spec.working_bytes == annotator_bytes(settings.models_dir / name) > 2000
    assert {path.name for path in (settings.models_dir / name).iterdir()} >= {"config.json", "model.safetensors"}
    assert not (settings.models_dir / name / "pytorch_model.bin").exists(), "a pickle is not fetched"
    assert Shelf(settings, catalogue).check(name, lambda: False) == []
    assert ANNOTATORS[model_type].loader == spec.loader and [spec.name for spec in catalogue.specs(spec.kind)] == [name]


def test_another_repository_of_the_kind_is_fetched_by_its_name(hub: FakeHub, settings: Settings) -> None:
    settings.models_dir.mkdir(parents=True)
    hub.repos["Intel/dpt-large"] = files("dpt")
    bring(hub, Place(settings.models_dir, "dpt-large"), ModelSource(repo="Intel/dpt-large"))
    spec = Catalogue(settings).spec("dpt-large", "depth_estimator")
    assert spec.licence == "apache-2.0", "what the hub said"
    hub.repos["o/words"] = files("bert", "BertModel")
    hub.repos["o/pickled"] = without(files("dpt"), "model.safetensors")
    for repo, said in (("o/words", "is not a diffusers pipeline"), ("o/pickled", "only as pickles")):
        with pytest.raises(DownloadFailed, match=said):
            bring(hub, Place(settings.models_dir, "other"), ModelSource(repo=repo))


def test_a_folder_is_linked_or_copied(settings: Settings, tmp_path: Path) -> None:
    shelf = Shelf(settings, Catalogue(settings))
    mine = folder(tmp_path / "elsewhere" / "mine", files("vitpose"))
    known = shelf.add(mine)
    assert (known.spec.kind, known.linked, known.spec.path) == ("pose_estimator", True, mine)
    copied = shelf.add(mine, "copied", copy=True)
    assert copied.spec.path == settings.models_dir / "copied" and copied.spec.kind == "pose_estimator"
    described = shelf.add(folder(tmp_path / "elsewhere" / "da", files("depth_anything")), "depth-anything-v2-small")
    assert described.linked and described.spec.title == "Depth Anything V2 Small"
    with pytest.raises(InvalidRequest, match="is no model that the studio knows"):
        shelf.add(mine, "rtdetr-r18")  # a pose model is no detector
    shelf.remove(shelf.removal("mine"))
    assert mine.exists() and [spec.name for spec in Catalogue(settings).specs("pose_estimator")] == ["copied"]


def test_what_is_no_annotator_is_refused_with_the_reason(settings: Settings, tmp_path: Path) -> None:
    shelf = Shelf(settings, Catalogue(settings))
    for name, content, said in (
        ("classes", files("dpt", "DPTForSemanticSegmentation"), "a DPTForSemanticSegmentation"),
        ("empty", without(files("dpt"), "model.safetensors", "pytorch_model.bin"), "or one without weights"),
        ("torn", files("dpt") | {"config.json": b'{"model'}, "config.json cannot be read"),
        ("list", files("dpt") | {"config.json": b"[]"}, "config.json cannot be read"),
    ):
        with pytest.raises(InvalidRequest, match=said) as caught:
            shelf.add(folder(tmp_path / name, content))
        assert "DPTForDepthEstimation" in caught.value.hint
        folder(settings.models_dir / name, content)
    assert not [spec for spec in Catalogue(settings).specs() if spec.kind in DOES], "nor do they stand in a list"


def test_the_one_named_is_chosen_else_the_first_and_how_to_get_one_is_said(settings: Settings) -> None:
    catalogue = Catalogue(settings)
    for kind, name in (("depth_estimator", "depth-anything-v2-small"), ("pose_estimator", "vitpose-base")):
        with pytest.raises(ModelNotFound, match=f"No model that {DOES[kind]} is installed") as caught:  # type: ignore[index]
            pick_annotator(catalogue, kind)  # type: ignore[arg-type]
        assert f"models get {name}` installs one (" in caught.value.hint
    for name in ("b", "a"):
        folder(settings.models_dir / name, files("dpt"))
    assert pick_annotator(catalogue, "depth_estimator").name == "a"
    assert pick_annotator(catalogue, "depth_estimator", "b").name == "b"
    with pytest.raises(ModelNotFound, match="no model called 'c' here that measures depth") as caught:
        pick_annotator(catalogue, "depth_estimator", "c")
    assert caught.value.hint == "Installed: a, b."
