"""What a swap's recipe says about people, agreements and corrections; nothing is drawn here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.faceswap.identity_stage import BY_LOOKS, BY_VECTORS, told_apart
from diffscaler.faceswap.mask_plan import spans_of
from diffscaler.media import ClipMeta
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec
from diffscaler.plan import Node, node, nodes
from diffscaler.recipe_parts import Recipe
from diffscaler.recipes import Recipes
from diffscaler.requests import (
    Correction,
    FaceSwapRequest,
    FindPeopleRequest,
    Playing,
    ReviewSwapRequest,
    Text2VideoRequest,
    UpscaleRequest,
)
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.video.stage import Encode, EncodeParams
from tests.faceswap import tiny_onnx
from tests.fakes import FakeClip, FakeClipParams

ABOUT = {"consent": "Ada: 2 May", "cast": "Ada, Bo"}


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(tmp_path / "face.png")
    return Studio(Settings(data_dir=tmp_path / "data"))


@pytest.fixture
def photo(studio: Studio, tmp_path: Path) -> str:
    return studio.add_file(tmp_path / "face.png").key


@pytest.fixture
def clip(studio: Studio) -> str:
    """A clip of six frames that was swapped before."""
    root = node(Encode(EncodeParams(about=ABOUT), ()), node(FakeClip(FakeClipParams(frames=6))))
    return opened(studio, root)


def opened(studio: Studio, root: Any, num_frames: int = 6) -> str:
    studio.library.open(root, ClipMeta(kind="file", width=24, height=18, num_frames=num_frames, still=num_frames == 1))
    return str(root.key)


def swap(studio: Studio, clip: str, photo: str, *corrections: Correction, **values: Any) -> Recipe:
    cast = (Playing(name="Bo", faces=(photo,), consent="Bo: 3 May", people=(0,)), Playing(name="Cy", faces=(photo,)))
    values = {"engine": "builtin", **values}
    return studio.recipes.of(FaceSwapRequest(clip=clip, cast=cast, corrections=corrections, **values))


def test_a_second_swap_keeps_the_first_ones_cast_and_consent(studio: Studio, clip: str, photo: str) -> None:
    about = swap(studio, clip, photo).root.params["about"]
    assert about["cast"] == "Ada, Bo, Cy" and about["consent"] == "Ada: 2 May; Bo: 3 May; not recorded"


def test_consent_and_the_record_of_the_swap_survive_upscaling(studio: Studio, photo: str, tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (24, 18), (9 * i, 90, 120)) for i in range(6)]
    pictures[0].save(tmp_path / "clip.gif", save_all=True, append_images=pictures[1:], duration=100)
    swapped = swap(studio, studio.add_file(tmp_path / "clip.gif").key, photo)
    larger = studio.recipes.of(UpscaleRequest(clip=opened(studio, swapped.root)))
    for name in ("consent", "cast", "people"):
        assert larger.root.params["about"][name] == swapped.root.params["about"][name]
    assert "swap_face" in [at.stage for at in nodes(larger.root)]


def test_what_is_drawn_from_a_swapped_picture_says_who_agreed(studio: Studio, monkeypatch: Any) -> None:
    still = node(Encode(EncodeParams(about=ABOUT), ()), node(FakeClip(FakeClipParams(frames=1))))
    key = opened(studio, still, 1)
    monkeypatch.setattr("diffscaler.recipes.with_native", lambda request, spec: request)
    values = {"width": 64, "height": 64, "num_frames": 1, "num_inference_steps": 2, "guidance_scale": 1, "seed": 1}
    request = Text2VideoRequest(prompt="a dog", picture=key, **values)
    assert studio.recipes.of(request).root.params["about"]["consent"] == "Ada: 2 May"


def test_corrections_that_would_do_nothing_are_refused(studio: Studio, clip: str, photo: str) -> None:
    with pytest.raises(InvalidRequest, match="ends before frame 900"):
        swap(studio, clip, photo, Correction(start=900, stop=1000))


def put(studio: Studio, *makers: Any) -> None:
    """Networks in the models folder: pairs of what makes a file and its name."""
    studio.settings.models_dir.mkdir(parents=True, exist_ok=True)
    for make, name in makers:
        make(studio.settings.models_dir / name)


PARSER, OCCLUDER, LANDMARKS = (
    (tiny_onnx.parser, "bisenet_resnet_18.onnx"),
    (tiny_onnx.occluder, "xseg_2.onnx"),
    (tiny_onnx.landmarker, "2d106det.onnx"),
)
SWAPPERS = ((tiny_onnx.swapper, "inswapper_128.onnx"), (tiny_onnx.arcface, "w600k_r50.onnx"))


def swap_in(recipe: Recipe, stage: str = "swap_face") -> Node:
    return next(node for node in nodes(recipe.root) if node.stage == stage)


def test_without_networks_a_built_in_swap_is_the_one_it_always_was(studio: Studio, clip: str, photo: str) -> None:
    params = swap_in(swap(studio, clip, photo)).params
    assert set(params) == {"cast", "engine", "strength"}, "its key must not change: the clips are there already"
    assert swap_in(swap(studio, clip, photo, in_front="none")).params["in_front"] == []


def test_what_stays_in_front_is_chosen_from_what_is_installed(studio: Studio, clip: str, photo: str) -> None:
    put(studio, *SWAPPERS)
    made = swap_in(swap(studio, clip, photo, engine="inswapper"))
    assert made.params["in_front"] == ["looks"] and len(made.inputs) == 2
    put(studio, PARSER)
    made = swap_in(swap(studio, clip, photo, regions=("skin", "nose"), mask_blur=0.05))
    assert made.params["in_front"] == ["parsing", "looks"] and made.params["blur"] == 0.05
    assert made.inputs[2].stage == "mask_faces" and made.inputs[2].params["regions"] == ["skin", "nose"]
    assert [model.name for model in made.inputs[2].models] == ["bisenet_resnet_18"]
    put(studio, OCCLUDER, LANDMARKS)
    made = swap_in(swap(studio, clip, photo))
    assert made.params["in_front"] == ["parsing", "occluder"]
    assert made.params["masks"] == ["parsing", "occluder", "landmarks"]
    assert [node.params["what"] for node in made.inputs[2:]] == made.params["masks"]
    assert all(node.params["wishes"] == [[0], "all"] for node in made.inputs[2:])
    safe = swap_in(swap(studio, clip, photo, commercial_only=True))
    assert len(safe.inputs) == 2 and "in_front" not in safe.params
    with pytest.raises(InvalidRequest, match="may not be used commercially"):
        swap(studio, clip, photo, in_front="occluder", commercial_only=True)


def test_a_network_that_is_not_installed_is_named(studio: Studio, clip: str, photo: str) -> None:
    for how in ("parsing", "occluder"):
        with pytest.raises(ModelNotFound, match="No face") as refused:
            swap(studio, clip, photo, in_front=how)
        assert ".onnx" in refused.value.hint
        with pytest.raises(ModelNotFound, match="No face"):
            swap(studio, clip, photo, Correction(start=0, stop=2, how=how))


def test_an_engine_that_is_not_installed_says_which_files_it_needs(studio: Studio, clip: str, photo: str) -> None:
    with pytest.raises(ModelNotFound, match="engine ghost is not installed") as refused:
        swap(studio, clip, photo, engine="ghost")
    assert "ghost_1_256.onnx, w600k_r50.onnx and crossface_ghost.onnx into the models folder" in refused.value.hint
    put(studio, SWAPPERS[1])
    with pytest.raises(ModelNotFound) as refused:
        swap(studio, clip, photo, Correction(start=0, stop=2, how="inswapper"))
    assert "inswapper_128.onnx into" in refused.value.hint and "w600k" not in refused.value.hint
    with pytest.raises(ModelNotFound, match="no face restorer called 'sharp'") as refused:
        swap(studio, clip, photo, restore="sharp")
    assert "codeformer.pth" in refused.value.hint


def test_a_correction_brings_its_own_mask_and_leaves_the_swap_as_it_is(studio: Studio, clip: str, photo: str) -> None:
    put(studio, *SWAPPERS, PARSER)
    before = swap_in(swap(studio, clip, photo, engine="inswapper", in_front="looks"))
    row = Correction(start=1, stop=2, how="parsing")
    recipe = swap(studio, clip, photo, row, engine="inswapper", in_front="looks")
    made = swap_in(recipe, "correct_swap")
    assert swap_in(recipe).key == before.key and made.inputs[2].key == before.key
    assert made.params["masks"] == ["parsing"] and made.inputs[3].params["what"] == "parsing"
    assert made.inputs[3].params["spans"] == [[0, 3]]  # the frame meant, and those that have a say in its mask
    both = swap_in(swap(studio, clip, photo, row, engine="inswapper"), "correct_swap")
    assert both.inputs[3].key == swap_in(swap(studio, clip, photo, engine="inswapper")).inputs[2].key
    put(studio, (lambda path: path.write_bytes(b"weights"), "codeformer.pth"))
    sharp = swap(studio, clip, photo, row, engine="inswapper", restore="codeformer").root.inputs[0]
    assert sharp.params["in_front"] == ["parsing", "looks"] and sharp.inputs[3].key == both.inputs[3].key
    assert sharp.inputs[2].stage == "restore_faces" and sharp.inputs[2].inputs[2].key == both.inputs[3].key


def with_recogniser(studio: Studio, monkeypatch: Any) -> Recipes:
    known, ref = Catalogue.specs, Catalogue.ref
    extra = ModelSpec(name="arcface", title="ArcFace", kind="face_recognizer", loader="x:y", commercial=False)
    monkeypatch.setattr(Catalogue, "specs", lambda self, *kind: [*known(self, *kind), *([] if kind else [extra])])
    monkeypatch.setattr(
        Catalogue,
        "ref",
        lambda self, spec: ModelRef(name="arcface", revision="1") if spec is extra else ref(self, spec),
    )
    return studio.recipes


@pytest.mark.parametrize("safe", [False, True])
def test_a_review_is_as_strict_about_licences_as_the_swap(
    studio: Studio, clip: str, photo: str, safe: bool, monkeypatch: Any
) -> None:
    recipe = swap(studio, clip, photo, Correction(start=1, stop=3), commercial_only=safe)
    key = opened(studio, recipe.root)
    studio.library.keep(key, recipe.title, recipe.request_row())
    review = with_recogniser(studio, monkeypatch).of(ReviewSwapRequest(clip=key)).root
    assert [(row["start"], row["stop"], row["how"]) for row in review.params["corrections"]] == [(1, 3, "skip")]
    assert [model.name for model in review.models] == ["centerface", *([] if safe else ["arcface"])]


def test_a_corrected_and_sharpened_swap_reads_what_was_sharpened_before(studio: Studio, clip: str, photo: str) -> None:
    put(studio, PARSER)
    (studio.settings.models_dir / "face_restorers").mkdir()
    (studio.settings.models_dir / "face_restorers" / "sharp.pth").write_bytes(b"x")
    plain = swap(studio, clip, photo, restore="sharp").root.inputs[0]
    skip = Correction(start=1, stop=2, how="skip")
    whole = swap(studio, clip, photo, skip, restore="sharp").root.inputs[0]
    assert [source.stage for source in plain.inputs] == ["swap_face", "detect_faces", "mask_faces"]
    assert [source.stage for source in whole.inputs] == [
        "correct_swap", "detect_faces", "restore_faces", "mask_faces",
    ]  # fmt: skip
    before = whole.inputs[2]
    assert before.key == plain.key and before.inputs[0].key == whole.inputs[0].inputs[-2].key
    assert whole.params["corrections"] and not before.params.get("corrections")


def test_a_review_reads_what_the_face_parser_saw(studio: Studio, clip: str, photo: str) -> None:
    assert len(review_of(studio, swap(studio, clip, photo)).inputs) == 3
    put(studio, PARSER, OCCLUDER)
    swapped = swap(studio, clip, photo)
    seen = review_of(studio, swapped).inputs
    assert [source.stage for source in seen] == [seen[0].stage, "detect_faces", "swap_face", "mask_faces"]
    assert seen[3].params["what"] == "parsing" and seen[3] in swap_in(swapped).inputs


def review_of(studio: Studio, swapped: Recipe) -> Node:
    return studio.recipes.of(ReviewSwapRequest(clip=opened(studio, swapped.root))).root


def test_corrections_that_touch_are_looked_at_once() -> None:
    rows = [(30, 40, "parsing"), (0, 2, "parsing"), (39, 45, "parsing"), (3, 5, "occluder"), (8, 9, "skip")]
    corrections = tuple(Correction(start=start, stop=stop, how=how) for start, stop, how in rows)  # type: ignore[arg-type]
    request = FaceSwapRequest(clip="0" * 8, faces=("1" * 8,), corrections=corrections, mask_steady=0.1)
    assert spans_of(request, 25) == {
        "parsing": ((0, 5), (27, 48)),
        "occluder": ((0, 8),),
        "skip": ((5, 12),),
    }


def test_people_are_told_apart_by_a_recogniser_where_it_may_be_used(studio: Studio, clip: str, photo: str) -> None:
    looks = studio.recipes.of(FindPeopleRequest(clip=clip)).root
    assert (
        len(looks.inputs) == 1
        and told_apart(looks) == BY_LOOKS
        and "look" in swap(studio, clip, photo).root.params["about"]["people"]
    )
    put(studio, SWAPPERS[1])
    root = studio.recipes.of(FindPeopleRequest(clip=clip)).root
    assert told_apart(root) == BY_VECTORS and [model.name for model in root.inputs[1].models] == ["arcface"]
    assert root.inputs[0].key == looks.inputs[0].key == swap_in(swap(studio, clip, photo)).inputs[1].key
    assert "ArcFace" in swap(studio, clip, photo).root.params["about"]["people"]
    assert studio.recipes.of(FindPeopleRequest(clip=clip, commercial_only=True)).root.key == looks.key
    assert "look" in swap(studio, clip, photo, commercial_only=True).root.params["about"]["people"]
    everyone = studio.recipes.of(FaceSwapRequest(clip=clip, faces=(photo,)))
    assert "people" not in everyone.root.params["about"]
