"""What scores shots: got, put in place, told apart, chosen."""

from __future__ import annotations

from pathlib import Path

from diffscaler.models.catalogue import Catalogue
from diffscaler.models.place import Place
from diffscaler.models.scorers import CLIP, lacking, pick_scorers
from diffscaler.models.shelf import Shelf
from diffscaler.settings import Settings
from tests.models.fakehub import FakeHub, bring
from tests.models.test_annotators import files, folder

PUBLISHED = "sac+logos+ava1-l14-linearMSE.pth"


def test_the_clip_model_that_is_named_is_fetched_with_its_words_and_without_pickles(
    hub: FakeHub, settings: Settings
) -> None:
    settings.models_dir.mkdir(parents=True)
    catalogue = Catalogue(settings)
    assert f"`models get {CLIP}`" in lacking(catalogue, {})
    order = Shelf(settings, catalogue).order(CLIP)
    words = dict.fromkeys(("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"), b"{}")
    hub.repos[order.source.repo] = files("clip") | words | {"tf_model.h5": b"another library's"}
    bring(hub, Place(settings.models_dir, CLIP), order.source)
    found = pick_scorers(catalogue)
    assert found is not None and (found.clip.name, found.clip.licence, found.head) == (CLIP, "MIT", None)
    there = {path.name for path in (settings.models_dir / CLIP).iterdir()}
    assert there >= {*words, "config.json", "model.safetensors", "preprocessor_config.json"}
    assert not there & {"pytorch_model.bin", "tf_model.h5"}
    assert "no aesthetics: LAION" in lacking(catalogue, {"clip": found.clip.title})


def test_a_clip_folder_is_taken_in_as_what_it_is(settings: Settings, tmp_path: Path) -> None:
    shelf = Shelf(settings, Catalogue(settings))
    known = shelf.add(folder(tmp_path / "my-clip", files("clip")))
    assert (known.spec.name, known.spec.kind, known.linked) == ("my-clip", "caption_scorer", True)
    # The same network's halves alone compare nothing.
    halves = folder(tmp_path / "half", files("clip", "CLIPVisionModelWithProjection"))
    assert Catalogue(settings).specs("caption_scorer") == [known.spec] and halves.is_dir()


def test_the_published_head_is_one_model_under_its_own_name_and_others_have_theirs(
    settings: Settings, tmp_path: Path
) -> None:
    settings.models_dir.mkdir(parents=True)
    (tmp_path / PUBLISHED).write_bytes(bytes(1000))
    catalogue = Catalogue(settings)
    Shelf(settings, catalogue).add(tmp_path / PUBLISHED, copy=True)
    assert (settings.models_dir / "aesthetics" / PUBLISHED).is_file()
    (settings.models_dir / "aesthetics" / "mine.safetensors").write_bytes(bytes(10))
    (settings.models_dir / "aesthetics" / "notes.txt").write_text("no model")
    assert [spec.name for spec in catalogue.specs("aesthetic_head")] == ["aesthetic-predictor", "mine"]
    assert pick_scorers(catalogue) is None, "a head sees nothing by itself"
    assert "`models get" in lacking(catalogue, {})
