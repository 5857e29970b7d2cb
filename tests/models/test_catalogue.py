"""Models in the catalogue: those that could be got, and those that were."""

from __future__ import annotations

import json

import pytest

from diffscaler.models import digests
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.place import Place
from diffscaler.models.traits import read_families
from diffscaler.settings import Settings
from tests.models.fakehub import (
    FakeHub,
    bring,
    tiny_repo,
)


def test_a_model_that_was_verified_is_not_read_again_for_its_key(
    hub: FakeHub, place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(hub, place)
    catalogue = Catalogue(settings)
    with monkeypatch.context() as patch:
        patch.setattr(digests, "sha256_of", lambda path: pytest.fail(f"{path} was read"))
        remembered = catalogue.ref(catalogue.spec("tiny")).revision
    (settings.models_dir / ".digests.json").unlink()
    assert catalogue.ref(catalogue.spec("tiny")).revision == remembered


def test_presets_describe_models_that_can_be_got(settings: Settings) -> None:
    catalogue = Catalogue(settings)
    every = {known.spec.name: known for known in catalogue.known()}
    fetched = {
        name: known.spec
        for name, known in every.items()
        if known.spec.source is not None and known.spec.kind == "text2video"
    }
    assert set(fetched) == {
        "hotshot-xl", "animatediff-sdxl", "wan2.1-1.3b", "ltx-video", "ltx-2", "cogvideox-2b",
        "hunyuanvideo-1.5", "hunyuanvideo-1.5-i2v", "modelscope-1.7b", "svd-xt",
    }  # fmt: skip
    assert not any(every[name].installed for name in fetched)
    assert {spec.name for spec in catalogue.specs()} == {
        "builtin-x2", "builtin-x4", "centerface", "diffscaler", "mini", "tsr",
    }  # fmt: skip
    pipelines = {pipeline for family in read_families() for pipeline in family.pipelines}
    for spec in fetched.values():
        assert spec.source is not None and spec.source.repo and spec.path == settings.models_dir / spec.name
        assert spec.licence != "unknown" and {"width", "height", "num_frames", "fps"} <= set(spec.native)
        index = spec.source.texts.get("model_index.json")
        assert index is None or json.loads(index)["_class_name"] in pipelines
    assert not fetched["modelscope-1.7b"].commercial and fetched["svd-xt"].gated


def test_a_described_model_that_is_fetched_is_listed_once_with_its_own_words(hub: FakeHub, settings: Settings) -> None:
    tiny_repo(hub, "Lightricks/LTX-Video")
    place = Place(settings.models_dir, "ltx-video")
    catalogue = Catalogue(settings)
    (spec,) = [known.spec for known in catalogue.known() if known.spec.name == "ltx-video"]
    assert spec.source is not None
    bring(hub, place, spec.source)
    names = [spec.name for spec in catalogue.specs("text2video")]
    assert names == ["ltx-video", "mini"]
    spec = catalogue.spec("ltx-video")
    assert spec.title == "LTX-Video" and spec.native["num_frames"] == 161 and spec.working_bytes > 300 * 2**20
    other = Place(settings.models_dir, "mine")
    bring(hub, other)
    assert catalogue.spec("mine").licence == "apache-2.0", "what the hub said, not 'yours'"


def test_every_ghost_file_is_listed_by_itself(settings: Settings) -> None:
    """Without the converter beside it too: that it is missing is said when a face is to be swapped."""
    settings.models_dir.mkdir(parents=True)
    for name in ("ghost_2_256", "ghost_3_256", "ghost_mine"):
        (settings.models_dir / f"{name}.onnx").write_bytes(b"x")
    found = {spec.name: spec.path.name for spec in Catalogue(settings).specs("face_swapper") if spec.path}
    assert found == {"ghost": "ghost_2_256.onnx", "ghost_3_256": "ghost_3_256.onnx", "ghost_mine": "ghost_mine.onnx"}
