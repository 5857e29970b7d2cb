"""The cast: who lent their face, kept with the agreement behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffscaler.cast import CastLibrary
from diffscaler.errors import InvalidRequest

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
