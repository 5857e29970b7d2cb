"""The diffusion engine from the command line with a real worker, and what its recipe refuses before anything runs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler.engine import missing
from diffscaler.errors import DiffScalerError
from diffscaler.media import ClipMeta, FrameChunk
from diffscaler.plan import nodes
from diffscaler.recipe_parts import Recipe
from diffscaler.requests import Correction, FaceSwapRequest, ReviewSwapRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video.encodings import Encoding
from diffscaler.video.probe import probe
from diffscaler.video.writer import write_clip
from tests.faceswap.moving import astronaut, scene
from tests.faceswap.redraw_models import describe_redraw_models, save_redraw_models
from tests.text2video.here import made_here
from tests.text2video.tiny_families import save_tiny
from ui.commands import run

N = 5


def media(root: Path) -> None:
    """A photo, and a clip of two people."""
    Image.fromarray(astronaut()).save(root / "eileen.png")
    frames = np.repeat(scene()[None, :, :420], N, axis=0)
    meta = ClipMeta(kind="frames", width=420, height=270, num_frames=N, fps=Fraction(12), duration_s=N / 12)
    write_clip(
        root / "two.mp4", meta, [FrameChunk(frames, 0, np.arange(N) / 12)], Encoding(name="h264", quality=10),
        sound=None, manifest={}, on_frames=lambda done: None,
    )  # fmt: skip


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    media(tmp_path)
    return Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=2, device="cpu", threads=1))


def request_of(studio: Studio, **values: Any) -> FaceSwapRequest:
    folder = studio.settings.data_dir.parent
    clip, face = (studio.add_file(folder / name).key for name in ("two.mp4", "eileen.png"))
    return FaceSwapRequest(**{"clip": clip, "faces": (face,), "consent": "by mail", "engine": "diffusion", **values})


def stages(recipe: Recipe) -> list[str]:
    return [node.stage for node in nodes(recipe.root)]


def test_a_clip_is_swapped_from_the_command_line_and_the_file_says_what_drew_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    media(tmp_path)
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "2")
    monkeypatch.setenv("DIFFSCALER_THREADS", "1")
    save_redraw_models(tmp_path / "data" / "models")
    words = ["swap", str(tmp_path / "two.mp4"), "--face", str(tmp_path / "eileen.png"), "--consent", "by mail"]
    words += ["--engine", "diffusion", "--model", "motion", "--ip-adapter", "look", "--json"]
    words += ["--steps", "3", "--reference-scale", "0.5", "--people", "largest", "-o", str(tmp_path / "out.mp4")]
    assert run([*words, "--redraw-strength", "0.7"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["state"] == "planned" and events[0]["steps"] == 5
    manifest = probe(tmp_path / "out.mp4").manifest or {}
    assert manifest["consent"] == "by mail"
    assert "Faces redrawn at strength 0.7: 2 of 3 steps. IP-Adapter: look at 0.5" in manifest["notes"]
    assert "Face swap: faces redrawn by motion." in manifest["notes"]
    assert any(note.startswith("look: licence unknown") for note in manifest["notes"])
    drawn = next(row for row in manifest["plan"] if row["stage"] == "redraw_faces")
    names, revisions = zip(*drawn["models"], strict=True)
    assert names == ("centerface", "motion", "look", "ip_adapters-image_encoder") and all(revisions)


def test_only_what_a_change_is_about_is_drawn_again(studio: Studio) -> None:
    save_redraw_models(studio.settings.models_dir)
    request = request_of(studio)
    made = made_here(studio, request)
    whole = studio.recipe(request)
    assert stages(whole) == ["import", "detect_faces", "encode_text", "redraw_faces", "swap_face", "encode"]

    def again(**changes: Any) -> list[str]:
        recipe = studio.recipe(request.model_copy(update=changes))
        return [node.stage for node in missing(studio.library, recipe.root)]

    assert again() == [] and again(colour=0.1) == ["swap_face", "encode"] == again(strength=0.5)
    assert again(redraw_strength=0.6) == ["redraw_faces", "swap_face", "encode"] == again(seed=1)
    assert again(face_prompt="a face in the rain")[0] == "encode_text"
    corrections = (Correction(start=0, stop=1), Correction(start=1, stop=2, people=(0,), how="over everything"))
    corrected = made_here(studio, request.model_copy(update={"corrections": corrections}))
    clip = studio.library.clip(request.clip).key
    was, now, other = (frames(studio, key) for key in (clip, made.node.inputs[0].key, corrected.node.inputs[0].key))
    assert np.array_equal(other[0], was[0]) and not np.array_equal(now[0], was[0])
    assert not np.array_equal(other[1], now[1])  # drawn over, and what was kept in front is not
    assert np.array_equal(other[2:], now[2:]) and np.array_equal(other[1][:, 240:], now[1][:, 240:])
    review = studio.recipe(ReviewSwapRequest(clip=corrected.key)).root
    assert [source.stage for source in review.inputs] == ["import", "detect_faces", "correct_swap"]


def frames(studio: Studio, key: str) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in studio.library.read(key)])


def test_frames_of_another_engine_can_be_redrawn(studio: Studio) -> None:
    save_redraw_models(studio.settings.models_dir)
    plain = request_of(studio, engine="builtin")
    correction = Correction(start=2, stop=4, people=(0,), how="diffusion")
    recipe = studio.recipe(plain.model_copy(update={"corrections": (correction,)}))
    assert stages(recipe)[-5:] == ["encode_text", "redraw_faces", "swap_face", "correct_swap", "encode"]
    swapped = recipe.root.inputs[0].inputs[-1]
    assert swapped.key == studio.recipe(plain).root.inputs[0].key
    made = made_here(studio, plain.model_copy(update={"corrections": (correction,)}))
    before, after = frames(studio, swapped.key), frames(studio, made.node.inputs[0].key)
    assert [bool((a != b).any()) for a, b in zip(before, after, strict=True)] == [False, False, True, True, False]
    changed = (before != after).any((0, 1, 3))
    assert not (changed[:240].any() and changed[250:].any()), "the other person keeps the face"
    (drawn,) = (node for node in nodes(recipe.root) if node.stage == "redraw_faces")
    latents = {name: part.shape[1] for chunk in studio.library.read(drawn.key) for name, part in chunk.tensors.items()}
    assert latents == {"0@2": 2}, "only the frames and the track that are corrected are drawn"
    # A further correction draws nothing of the first one again.
    more = (correction, Correction(start=0, stop=1, people=(1,), how="diffusion"))
    again = studio.recipe(plain.model_copy(update={"corrections": more}))
    keys = [node.key for node in nodes(again.root) if node.stage == "redraw_faces"]
    assert len(keys) == 2 and drawn.key in keys
    twice = frames(studio, made_here(studio, plain.model_copy(update={"corrections": more})).node.inputs[0].key)
    assert np.array_equal(twice[1:], after[1:]) and not np.array_equal(twice[0], after[0])


def test_what_cannot_redraw_faces_is_refused_in_one_sentence(studio: Studio) -> None:
    def refused(said: str, **values: Any) -> None:
        with pytest.raises(DiffScalerError, match=said) as caught:
            studio.recipe(request_of(studio, **values))
        assert caught.value.hint and "\n" not in str(caught.value)

    models = studio.settings.models_dir
    refused("No text-to-video model that can redraw faces is installed")
    refused("mini, built in takes no IP-Adapter, so it cannot redraw faces", redraw_model="mini")
    save_tiny("ltx", models / "ltx")
    refused("ltx cannot redraw a clip, so it cannot redraw faces", redraw_model="ltx")
    refused("no model called 'gone'", redraw_model="gone")
    describe_redraw_models(models)
    studio.recipe(request_of(studio))
    refused("no model called 'gone'", ip_adapter="gone")
    refused("motion is not known to be for commercial use: its licence is OpenRAIL", commercial_only=True)
    refused("not known to be for commercial use", engine="builtin", commercial_only=True,
            corrections=(Correction(start=0, stop=1, how="diffusion"),))  # fmt: skip
    for left in (models / "ip_adapters" / "image_encoder").iterdir():
        left.unlink()
    refused("look has no image encoder")
    (models / "ip_adapters" / "look.safetensors").unlink()
    refused("needs an IP-Adapter, and none is installed")


def test_only_what_is_not_known_to_be_commercial_is_refused(studio: Studio) -> None:
    models = studio.settings.models_dir
    describe_redraw_models(models, "animatediff-sdxl")  # whose licence the studio knows
    with pytest.raises(DiffScalerError, match=r"The licence of look\.safetensors is not known") as caught:
        studio.recipe(request_of(studio, commercial_only=True))
    assert caught.value.hint
    for name in ("ip-adapter-plus-face_sd15", "ip-adapter-plus-face_sdxl_vit-h"):
        (models / "ip_adapters" / f"{name}.safetensors").write_bytes(b"x")
        recipe = studio.recipe(request_of(studio, commercial_only=True, ip_adapter=name))
        assert isinstance(recipe.request, FaceSwapRequest) and recipe.request.ip_adapter == name
    # Whoever picks none gets one whose licence is known, and a folder of one's own says nothing about its encoder.
    assert studio.recipe(request_of(studio, commercial_only=True)).request.ip_adapter != "look"  # type: ignore[union-attr]
    (models / "ip_adapters" / "mine" / "image_encoder").mkdir(parents=True)
    (models / "ip_adapters" / "mine" / "image_encoder" / "config.json").write_text("{}", encoding="utf-8")
    (models / "ip_adapters" / "mine" / "other.safetensors").write_bytes(b"x")
    with pytest.raises(DiffScalerError, match=r"The licence of other\.safetensors is not known"):
        studio.recipe(request_of(studio, commercial_only=True, ip_adapter="other"))


def test_the_request_of_a_clip_has_every_choice_made(studio: Studio) -> None:
    describe_redraw_models(studio.settings.models_dir)
    recipe = studio.recipe(request_of(studio))
    assert isinstance(recipe.request, FaceSwapRequest)
    chosen = recipe.request
    assert (chosen.redraw_model, chosen.ip_adapter, chosen.num_inference_steps) == ("motion", "look", 30)
    assert studio.recipe(chosen).root.key == recipe.root.key
    # Redrawn faces can be sharpened like others.
    (studio.settings.models_dir / "face_restorers").mkdir()
    (studio.settings.models_dir / "face_restorers" / "sharp.pth").write_bytes(b"x")
    sharp = studio.recipe(chosen.model_copy(update={"restore": "sharp"})).root.inputs[0]
    assert [source.stage for source in sharp.inputs] == ["swap_face", "detect_faces"]
    assert list(sharp.params["wishes"]) == ["all"]
    # A swap by another engine has the key it had before there was this one, whatever the fields about redrawing say.
    plain = request_of(studio, engine="builtin")
    assert studio.recipe(plain).root.key == studio.recipe(plain.model_copy(update={"redraw_strength": 0.9})).root.key
    assert "redrawn_by" not in studio.recipe(plain).root.inputs[0].params
