"""What of a repository is fetched, and that no name a server gives leads out of the model's folder."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import DownloadFailed
from diffscaler.models.hub import check_paths
from diffscaler.models.paths import safe_path
from diffscaler.models.selection import chosen, one_copy, only_pickles, read_index
from diffscaler.models.source import ModelSource, RemoteFile

PIECES = st.one_of(
    st.sampled_from(["..", ".", "", "a", "unet", "con", "NUL.txt", "c:", "~", "\\", "a\\..\\b", "a ", "b.", "x" * 300]),
    st.text(max_size=12),
)


@given(st.lists(PIECES, min_size=1, max_size=5).map("/".join))
def test_no_name_leads_out_of_the_folder_on_any_system(name: str) -> None:
    try:
        path = safe_path(name)
    except DownloadFailed:
        return
    root = Path("/models/tiny")
    inside = Path(os.path.normpath(root / path))
    assert inside.is_relative_to(root) and inside != root and str(path) == name
    windows = PureWindowsPath("C:/models/tiny") / name
    assert windows.parts == ("C:\\", "models", "tiny", *name.split("/"))
    assert not any(char in name for char in ':\\\0<>"|?*\n\r')
    for piece in path.parts:
        assert not piece.startswith(".") and piece == piece.rstrip(" .") and len(piece.encode()) <= 200


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "..",
        "/etc/passwd",
        "unet/../../evil",
        "C:/evil",
        "C:evil",
        "a\\..\\..\\evil",
        "//host/share",
        "unet//x",
        "unet/",
        "",
        "nul",
        "unet/COM1.safetensors",
        ".source.json",
        "a/.ssh/config",
        "a\0b",
        "a\nb",
        "a\u202eb",
        "x" * 201,
        "/".join("abcdefghij" * 9 for _ in range(9)),
        "\ud800",
    ],
)
def test_these_names_are_refused(name: str) -> None:
    with pytest.raises(DownloadFailed) as caught:
        safe_path(name)
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["model_index.json", "unet/diffusion_pytorch_model-00001-of-00002.safetensors", "a b/ü (1).txt", "v1..2/x"]
)
def test_these_names_are_kept(name: str) -> None:
    assert str(safe_path(name)) == name


def test_two_files_that_are_one_on_some_systems_are_refused() -> None:
    for names in (("Unet/x.json", "unet/X.json"), ("unet", "unet/x.json"), ("a.txt", "a.txt")):
        with pytest.raises(DownloadFailed, match="two files"):
            check_paths([RemoteFile(path=name, size_bytes=1) for name in names])
    check_paths([RemoteFile(path=name, size_bytes=1) for name in ("unet/x.json", "vae/x.json", "x.json")])


LTX = """.gitattributes License.txt README.md model_index.json ltx-video-2b-v0.9.safetensors ltxv-13b.safetensors
    media/trailer.gif scheduler/scheduler_config.json text_encoder/config.json
    text_encoder/model-00001-of-00002.safetensors text_encoder/model-00002-of-00002.safetensors
    text_encoder/model.safetensors.index.json tokenizer/spiece.model tokenizer/tokenizer_config.json
    transformer/config.json transformer/diffusion_pytorch_model.safetensors unet/config.json vae/config.json
    vae/diffusion_pytorch_model.safetensors""".split()


def test_a_pipelines_parts_are_taken_and_other_formats_left() -> None:
    components = {"scheduler", "text_encoder", "tokenizer", "transformer", "vae"}
    left = set(LTX) - set(chosen(LTX, ModelSource(), components))
    assert left == {
        ".gitattributes", "README.md", "ltx-video-2b-v0.9.safetensors", "ltxv-13b.safetensors", "media/trailer.gif",
        "unet/config.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", "a.bin a.ckpt a.pt a.pth a.pkl a.py a.msgpack a.onnx a.h5 a.exe a.sh a.json.bin LICENSE.bin a.gguf".split()
)
def test_what_can_run_code_is_taken_only_when_it_is_asked_for(name: str) -> None:
    assert chosen([name], ModelSource(), None) == {}
    assert chosen([f"unet/{name}"], ModelSource(), {"unet"}) == {}
    assert chosen([name], ModelSource(files=(name,)), None) == {name: name}


def test_asked_for_patterns_are_all_that_is_taken() -> None:
    names = ["model_index.json", "unet/a.safetensors", "x4.pth", ".gitattributes", "deep/er/x2.pth"]
    assert set(chosen(names, ModelSource(files=("*.pth",)), None)) == {"x4.pth", "deep/er/x2.pth"}
    assert ".gitattributes" not in chosen(names, ModelSource(files=("*",)), None)


@pytest.mark.parametrize(
    ("names", "variant", "taken"),
    [
        ("u/d.safetensors u/d.fp16.safetensors", "", {"u/d.safetensors": "u/d.safetensors"}),
        ("u/d.safetensors u/d.fp16.safetensors", "fp16", {"u/d.safetensors": "u/d.fp16.safetensors"}),
        ("d.safetensors d.fp16.safetensors d.non_ema.safetensors", "fp16", {"d.safetensors": "d.fp16.safetensors"}),
        ("u/d.fp16.safetensors", "", {"u/d.fp16.safetensors": "u/d.fp16.safetensors"}),
        ("u/d.safetensors", "fp16", {"u/d.safetensors": "u/d.safetensors"}),
        ("u/d.safetensors v/d.fp16.safetensors", "", {n: n for n in ("u/d.safetensors", "v/d.fp16.safetensors")}),
        (
            "d-00001-of-00002.safetensors d-00002-of-00002.safetensors d.safetensors.index.json d.fp16.safetensors",
            "fp16",
            {"d.safetensors": "d.fp16.safetensors"},
        ),
        (
            "d-00001-of-00002.safetensors d-00002-of-00002.safetensors d.fp16-00001-of-00002.safetensors",
            "fp16",
            {n: n for n in ("d-00001-of-00002.safetensors", "d-00002-of-00002.safetensors")},
        ),
        (
            "d-00001-of-00002.fp16.safetensors d-00002-of-00002.fp16.safetensors d.safetensors",
            "",
            {"d.safetensors": "d.safetensors"},
        ),
    ],
)
def test_each_network_is_taken_once(names: str, variant: str, taken: dict[str, str]) -> None:
    assert one_copy(names.split(), variant) == taken


def test_a_part_that_is_only_a_pickle_is_told() -> None:
    names = ["unet/d.bin", "unet/d.safetensors", "vae/d.bin", "demo/d.bin", "d.bin"]
    assert only_pickles(names, ["unet/d.safetensors"], {"unet", "vae"}) == ["vae"]


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '"x"', "{", '{"_class_name"}'])
def test_an_index_that_is_none(text: str) -> None:
    assert read_index(text) is None


def test_an_index_names_its_parts() -> None:
    text = '{"_class_name": "A", "_x": [1], "unet": ["d", "U"], "none": [null, null], "flag": true, "size": [1, null]}'
    assert read_index(text) == ("A", {"unet", "size"})
