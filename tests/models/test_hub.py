"""What a hub may answer, and what of a repository is wanted."""

from __future__ import annotations

import json

import pytest

from diffscaler.errors import (
    DiffScalerError,
    DownloadFailed,
    ModelNotFound,
)
from diffscaler.models.hub import contents, hub_of
from diffscaler.models.place import Place
from diffscaler.models.source import RECORD, ModelSource
from diffscaler.models.verify import damages
from diffscaler.settings import Settings
from tests.models.fakehub import (
    INDEX,
    LOADED,
    REPO,
    FakeHub,
    Fault,
    bring,
    files_below,
    source,
)


@pytest.mark.parametrize("evil", ["../../evil.json", "unet/../../../evil.json", "/tmp/evil.json", "C:\\evil.json"])
def test_a_server_that_names_a_file_outside_gets_nothing_stored(hub: FakeHub, place: Place, evil: str) -> None:
    hub.repos[REPO][evil] = b"{}"
    what = source().model_copy(update={"files": ("*.json",)})
    with pytest.raises(DownloadFailed, match="cannot be stored safely"):
        bring(hub, place, what)
    assert hub.fetched() == set() and not place.folder.exists()
    assert not any("evil" in name for name in files_below(place.models_dir.parent))


@pytest.mark.parametrize("twin", ["UNET/config.json", "model_index.json/x.json"])
def test_a_server_that_names_one_file_twice_gets_nothing_stored(hub: FakeHub, place: Place, twin: str) -> None:
    hub.repos[REPO][twin] = b"{}"
    with pytest.raises(DownloadFailed, match="two files that are one"):
        bring(hub, place, source().model_copy(update={"files": ("*.json",)}))
    assert hub.fetched() == set() and not place.folder.exists()


def test_a_file_nobody_wants_may_be_called_anything(hub: FakeHub, place: Place) -> None:
    hub.repos[REPO]["README.mdI saw a homeless guy?.md"] = b"?"
    hub.repos[REPO]["media/../../x.gif"] = b"?"
    bring(hub, place)
    assert files_below(place.folder) == LOADED | {RECORD}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>Welcome to the hotel's network</html>", "did not answer like a model hub"),
        (b"[]", "did not answer like a model hub"),
        (b'{"siblings": [{"rfilename": "a", "size": -1}]}', "did not answer like a model hub"),
        (b'{"siblings": [{"rfilename": "a", "lfs": {"size": 1, "sha256": "x"}}]}', "did not answer like a model hub"),
        (b'{"siblings": []}', "not a diffusers pipeline"),
    ],
)
def test_an_answer_that_is_no_hubs_is_a_sentence(hub: FakeHub, place: Place, answer: bytes, words: str) -> None:
    hub.answers[REPO] = answer
    with pytest.raises(DownloadFailed, match=words) as caught:
        bring(hub, place)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("status", "token", "words"),
    [(401, "", "without a token"), (403, "hf_x", "accepted its licence"), (404, "", "has no studio/tiny")],
)
def test_a_repository_that_is_not_to_be_had(hub: FakeHub, place: Place, status: int, token: str, words: str) -> None:
    hub.faults[f"api:{REPO}"] = [Fault(status=status)]
    with pytest.raises(DownloadFailed, match=words) as caught:
        bring(hub, place, token=token)
    assert caught.value.hint and "hf_x" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500])
def test_a_busy_hub_is_asked_again(hub: FakeHub, place: Place, status: int) -> None:
    hub.faults[f"api:{REPO}"] = [Fault(status=status)]
    bring(hub, place)
    assert place.folder.exists()


def test_a_gated_model_comes_with_a_token_and_never_keeps_it(hub: FakeHub, place: Place) -> None:
    hub.token = "hf_secretsecret"
    with pytest.raises(DownloadFailed, match="accepted its licence"):
        bring(hub, place)
    bring(hub, place, token="hf_secretsecret")
    stored = [path.read_text("latin-1") for path in place.models_dir.rglob("*") if path.is_file()]
    assert stored and not any("hf_secret" in text for text in stored)


def test_a_pipeline_this_studio_cannot_run_is_told_before_hours_of_download(hub: FakeHub, place: Place) -> None:
    hub.repos[REPO]["model_index.json"] = json.dumps({**INDEX, "_class_name": "OraclePipeline"}).encode()
    with pytest.raises(ModelNotFound, match="is a OraclePipeline, which is not supported"):
        bring(hub, place)
    assert hub.fetched() == {"model_index.json"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unet/diffusion_pytorch_model.bin": b"x"}, "only as pickles"),
        ({"model_index.json": b"{}"}, "cannot be read"),
    ],
)
def test_a_repository_that_would_not_load_is_told(
    hub: FakeHub, place: Place, change: dict[str, bytes], words: str
) -> None:
    repo = hub.repos[REPO]
    for name in [name for name in repo if name.startswith("unet/") and name.endswith(".safetensors")]:
        del repo[name]
    repo.update(change)
    with pytest.raises(DownloadFailed, match=words):
        bring(hub, place)


def test_a_mirror_without_sizes_is_asked_for_them(hub: FakeHub, place: Place) -> None:
    for name in hub.repos[REPO]:
        hub.lies[name] = {"size": None, "lfs": None, "blobId": None}
    record = bring(hub, place)
    assert {file.path: file.size_bytes for file in record.files} == {
        name: len(hub.repos[REPO][name]) for name in LOADED
    }
    assert damages(place.folder, record, lambda: False) == []


def test_two_repositories_become_one_pipeline(hub: FakeHub, place: Place) -> None:
    hub.repos["studio/motion"] = {
        "config.json": b'{"motion": 1}',
        "diffusion_pytorch_model.safetensors": b"m" * 200,
        "diffusion_pytorch_model.fp16.safetensors": b"m" * 100,
    }
    index = json.dumps({**INDEX, "_class_name": "AnimateDiffSDXLPipeline", "motion_adapter": ["d", "M"]})
    what = ModelSource(
        repo=REPO,
        variant="fp16",
        parts={"motion_adapter": ModelSource(repo="studio/motion", variant="fp16")},
        texts={"model_index.json": index},
    )
    record = bring(hub, place, what)
    assert record.pipeline == "AnimateDiffSDXLPipeline"
    assert (place.folder / "model_index.json").read_text() == index
    assert (place.folder / "motion_adapter/diffusion_pytorch_model.safetensors").read_bytes() == b"m" * 100
    fp16 = hub.repos[REPO]["unet/diffusion_pytorch_model.fp16.safetensors"]
    assert (place.folder / "unet/diffusion_pytorch_model.safetensors").read_bytes() == fp16
    (place.folder / "model_index.json").unlink()
    bring(hub, place, what)
    assert (place.folder / "model_index.json").read_text() == index, "a file that was never on the hub is mended too"


def test_files_by_their_addresses(hub: FakeHub, place: Place) -> None:
    data = b"weights" * 100
    file = hub.file("x2.safetensors", data)
    url = f"{hub.endpoint}/{file.url}"
    record = bring(hub, place, ModelSource(urls={"x2.safetensors": url}, sha256={"x2.safetensors": file.sha256}))
    assert (place.folder / "x2.safetensors").read_bytes() == data and record.files[0].url == url
    other = Place(place.models_dir, "other")
    with pytest.raises(DownloadFailed, match="wrong checksum"):
        bring(hub, other, ModelSource(urls={"x2.safetensors": url}, sha256={"x2.safetensors": "0" * 64}))
    assert not other.folder.exists()


def test_the_hub_is_the_settings_then_the_environment(settings: Settings) -> None:
    assert hub_of(settings, {}).endpoint == "https://huggingface.co"
    environ = {"HF_ENDPOINT": "https://mirror.example", "HF_TOKEN": " hf_a\n"}
    assert (hub_of(settings, environ).endpoint, hub_of(settings, environ).token) == ("https://mirror.example", "hf_a")
    own = Settings(data_dir=settings.data_dir, hub_endpoint="https://own.example", hub_token="hf_b")  # type: ignore[arg-type]
    assert (hub_of(own, environ).endpoint, hub_of(own, environ).token) == ("https://own.example", "hf_b")
    assert "hf_b" not in repr(own) and own.environment()["DIFFSCALER_HUB_TOKEN"] == "hf_b"


def test_contents_needs_no_disk(hub: FakeHub) -> None:
    record = contents(hub.web(), source(), lambda: False)
    assert [file.path for file in record.files][-1] == "unet/diffusion_pytorch_model.safetensors", "small files first"
    with pytest.raises(DiffScalerError):
        contents(hub.web(), ModelSource(repo="no/such"), lambda: False)
