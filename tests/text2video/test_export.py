"""`models export`: a network leaves under another program's names, whole, and loads again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diffscaler import compat

compat.install()

from safetensors.torch import load_file  # noqa: E402

from diffscaler.settings import Settings, read_settings  # noqa: E402
from diffscaler.text2video.export import motion_unet  # noqa: E402
from diffscaler.text2video.hotshot.norms import norm_mode  # noqa: E402
from diffscaler.text2video.hotshot.unet import load_adapted, load_hotshot  # noqa: E402
from tests.models.fakehub import files_below  # noqa: E402
from tests.text2video.tiny import save_tiny_animatediff  # noqa: E402
from tests.text2video.tiny_families import save_hotshot, save_tiny  # noqa: E402
from tests.text2video.tiny_hotshot import save_tiny_sdxl  # noqa: E402
from ui.commands import run  # noqa: E402

FILES = {"unet/config.json", "unet/diffusion_pytorch_model.safetensors", "hsxl_temporal_layers.safetensors"}


@pytest.fixture
def home() -> Settings:
    settings = read_settings()
    settings.models_dir.mkdir(parents=True)
    return settings


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(bool((one[key] == other[key]).all()) for key in one)


def test_hotshot_xl_leaves_as_it_came(home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_hotshot(home.models_dir / "hotshot")
    capsys.readouterr()  # what the library says while the test saves a model
    assert run(["models", "export", "hotshot", str(tmp_path / "new" / "out"), "--as", "hotshot"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("hotshot: ") and str(tmp_path / "new" / "out") in out and err == ""
    assert files_below(tmp_path / "new") == {f"out/{name}" for name in FILES}, "and nothing half-written beside it"
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert equal(load_file(tmp_path / "new" / "out" / weights), load_file(folder / weights))


def test_animatediff_sdxl_loads_again_with_its_own_norms(
    home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny("animatediff-sdxl", home.models_dir / "mine")
    assert run(["models", "export", "mine", str(tmp_path / "out"), "--as", "hotshot", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    size = sum((tmp_path / "out" / name).stat().st_size for name in FILES)
    assert told == {"state": "exported", "name": "mine", "path": str(tmp_path / "out"), "bytes": size}
    again = load_hotshot(tmp_path / "out" / "unet")
    assert norm_mode(again) == "per-frame"
    assert equal(again.state_dict(), motion_unet(folder).state_dict())


def test_exported_layers_go_into_another_sdxl(home: Settings, tmp_path: Path) -> None:
    save_hotshot(home.models_dir / "hotshot")
    assert run(["models", "export", "hotshot", str(tmp_path / "out"), "--as", "hotshot"]) == 0
    sdxl = save_tiny_sdxl(tmp_path / "sdxl")
    unet = load_adapted(sdxl / "unet", tmp_path / "out" / "hsxl_temporal_layers.safetensors")
    assert norm_mode(unet) == "hotshot"


@pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
def test_nothing_is_written_over(home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    save_hotshot(home.models_dir / "hotshot")
    target = tmp_path / "there" / "out"
    target.parent.mkdir()
    if what == "folder":
        target.mkdir()
    elif what == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    capsys.readouterr()
    assert run(["models", "export", "hotshot", str(target), "--as", "hotshot"]) == 1
    sentence, hint = capsys.readouterr().err.splitlines()
    assert sentence == "out is there already, and nothing is written over." and hint
    assert list(target.parent.iterdir()) == [target]
    assert what != "file" or target.read_text() == "mine"
    assert what != "folder" or not list(target.iterdir())


def test_another_family_is_refused_in_a_sentence(
    home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tiny_animatediff(home.models_dir / "small")
    capsys.readouterr()
    for name in ("small", "mini", "builtin-x2"):
        assert run(["models", "export", name, str(tmp_path / "out"), "--as", "hotshot"]) == 1
        sentence, hint = capsys.readouterr().err.splitlines()
        assert "cannot be written as Hotshot-XL: it is of another family" in sentence and "Hotshot-XL" in hint
    assert run(["models", "export", "nothing", str(tmp_path / "out"), "--as", "hotshot"]) == 1
    assert "no model called 'nothing'" in capsys.readouterr().err
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".out*"))


def test_a_full_disk_and_a_damaged_model_leave_nothing_behind(
    home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_hotshot(home.models_dir / "hotshot")
    command = ["models", "export", "hotshot", str(tmp_path / "out"), "--as", "hotshot"]
    with monkeypatch.context() as patch:
        patch.setattr("diffscaler.text2video.export.free_bytes", lambda folder: 0)
        assert run(command) == 1
        assert "of disk; 0 bytes are free." in capsys.readouterr().err
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    assert run(command) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".out*"))


def test_a_format_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["export", "x", "y"], ["export", "x", "y", "--as", "nonsense"]):
        with pytest.raises(SystemExit) as error:
            run(["models", *command])
        assert error.value.code == 2
