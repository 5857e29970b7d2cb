"""The cast: who lent their face, kept with the agreement behind it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffscaler.cast import CastLibrary
from diffscaler.errors import ClipNotFound, InvalidRequest
from diffscaler.plan import Node
from diffscaler.recipe_parts import Recipe
from diffscaler.requests import InspectPhotoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio

PHOTO, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def cast(tmp_path: Path) -> CastLibrary:
    return CastLibrary(tmp_path / "cast")


def test_a_member_is_there_after_a_restart(cast: CastLibrary) -> None:
    anna = cast.add(" Anna ", (PHOTO, OTHER, PHOTO), "release signed 12 March 2026", True)
    again = CastLibrary(cast.root)
    assert again.list() == [anna] and again.get(anna.id) == anna and again.find("ANNA") == anna
    assert (anna.name, anna.photos) == ("Anna", (PHOTO, OTHER))
    assert anna.statement.startswith("Anna: release signed 12 March 2026 (recorded 20")


@pytest.mark.parametrize(
    ("name", "photos", "consent", "agreed", "sentence"),
    [
        ("Anna", (PHOTO,), "by mail", False, "only with its owner's permission"),
        ("Anna", (PHOTO,), "  ", True, "Nobody is named"),
        ("  ", (PHOTO,), "by mail", True, "no name"),
        ("Anna", (), "by mail", True, "no photo"),
    ],
)
def test_nobody_joins_without_permission_name_and_photo(
    cast: CastLibrary, name: str, photos: tuple[str, ...], consent: str, agreed: bool, sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as refused:
        cast.add(name, photos, consent, agreed)
    assert refused.value.hint and cast.list() == []


def test_a_name_is_taken_once(cast: CastLibrary) -> None:
    cast.add("Anna", (PHOTO,), "by mail", True)
    with pytest.raises(InvalidRequest, match="in the cast already"):
        cast.add("anna", (OTHER,), "by mail", True)


def test_photos_change_and_the_last_one_stays(cast: CastLibrary) -> None:
    anna = cast.add("Anna", (PHOTO,), "by mail", True)
    assert cast.change_photos(anna.id, (OTHER, PHOTO)).photos == (OTHER, PHOTO)
    with pytest.raises(InvalidRequest, match="at least one photo"):
        cast.change_photos(anna.id, ())
    assert cast.get(anna.id).photos == (OTHER, PHOTO) and cast.get(anna.id).consent == "by mail"


def test_who_left_is_named_as_gone(cast: CastLibrary) -> None:
    anna = cast.add("Anna", (PHOTO,), "by mail", True)
    cast.remove(anna.id)
    for ask in (cast.get, cast.remove):
        with pytest.raises(InvalidRequest, match="no longer in the cast"):
            ask(anna.id)
    with pytest.raises(InvalidRequest, match="Nobody in the cast is called"):
        cast.find("Anna")


@pytest.mark.parametrize("member_id", ["../../etc/passwd", "", "a" * 12 + "/..", "zzzzzzzzzzzz"])
def test_no_other_file_can_be_named(cast: CastLibrary, member_id: str) -> None:
    with pytest.raises(InvalidRequest):
        cast.remove(member_id)


def test_a_damaged_file_hides_nobody_else(cast: CastLibrary) -> None:
    anna = cast.add("Anna", (PHOTO,), "by mail", True)
    (cast.root / "0123456789ab.json").write_text(json.dumps({"name": "half"}))
    (cast.root / "ba9876543210.json").write_bytes(b"\xff\xfe no json")
    assert cast.list() == [anna]


def test_a_photo_stays_while_the_cast_or_a_job_needs_it(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 7, 3), 90, np.uint8)).save(tmp_path / "anna.png")
    studio = Studio(Settings(data_dir=tmp_path / "data"))
    photo = studio.add_file(tmp_path / "anna.png")
    anna = studio.cast.add("Anna", (photo.key,), "by mail", True)
    with pytest.raises(InvalidRequest, match="Anna in the cast has this photo"):
        studio.remove(photo.key)
    studio.cast.remove(anna.id)
    swap = Node("swap_face", 1, {"photos": [photo.node.params["sha256"]]})
    job = studio.queue.submit(Recipe(swap, "a swap", InspectPhotoRequest(photo=photo.key)))
    with pytest.raises(InvalidRequest, match="A job in the queue needs"):
        studio.remove(photo.key)
    studio.queue.stop(job.id)
    studio.remove(photo.key)
    with pytest.raises(ClipNotFound):
        studio.library.clip(photo.key)
