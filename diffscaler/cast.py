"""The cast: performers who lent their face, kept in the studio with their photos and with who agreed, and when."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from diffscaler.errors import InvalidRequest
from diffscaler.requests import ClipKey

MAX_PHOTOS = 12
CONSENT_MISSING = "A face is used only with its owner's permission."


class Member(BaseModel):
    """One performer.

    photos: library keys of still pictures; consent: who agreed to lend the face, and when, as the person at the
    keyboard wrote it; agreed: seconds since 1970 at which they ticked that it is so
    """

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=80)
    photos: tuple[ClipKey, ...] = Field(min_length=1, max_length=MAX_PHOTOS)
    consent: str = Field(min_length=1, max_length=500)
    agreed: float

    @field_validator("photos")
    @classmethod
    def _each_once(cls, photos: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(photos))

    @property
    def statement(self) -> str:
        """What a file says about this performer: "Anna: release signed 12 March 2026 (recorded 2026-03-14)"."""
        return f"{self.name}: {self.consent} (recorded {time.strftime('%Y-%m-%d', time.gmtime(self.agreed))})"


class CastLibrary:
    """The members, one small file each below `root`; every write is whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, name: str, photos: tuple[str, ...], consent: str, agreed: bool) -> Member:
        """A new member. Raises InvalidRequest when permission, name or photo is missing, or the name is taken."""
        if not agreed:
            raise InvalidRequest(CONSENT_MISSING, "Tick the box that says so.")
        if not consent.strip():
            raise InvalidRequest("Nobody is named as having agreed.", "Write who gave the permission, and when.")
        if not name.strip():
            raise InvalidRequest("The performer has no name.", "Give them one; it stands on their card.")
        if not photos:
            raise InvalidRequest("There is no photo of the performer.", "Drop one or several.")
        if any(member.name.casefold() == name.strip().casefold() for member in self.list()):
            raise InvalidRequest(
                f"{name.strip()} is in the cast already.", "Choose another name, or remove them first."
            )
        return self._save(
            Member(id=secrets.token_hex(6), name=name, photos=photos, consent=consent, agreed=time.time())
        )

    def change_photos(self, member_id: str, photos: tuple[str, ...]) -> Member:
        """Give a member other photos. Raises InvalidRequest when none is left, or the member is not there."""
        if not photos:
            raise InvalidRequest("A performer needs at least one photo.", "Add another one first.")
        member = self.get(member_id)
        return self._save(Member.model_validate({**member.model_dump(), "photos": photos}))

    def remove(self, member_id: str) -> None:
        """Take a member out of the cast. Photos stay in the library, and clips with them stay as they are."""
        self._file(self.get(member_id).id).unlink(missing_ok=True)

    def get(self, member_id: str) -> Member:
        """Raises InvalidRequest when there is no such member."""
        member = self._read(self._file(member_id)) if re.fullmatch(r"[0-9a-f]{12}", member_id) else None
        if member is None:
            raise InvalidRequest("That performer is no longer in the cast.", "Pick another, or add them again.")
        return member

    def find(self, name: str) -> Member:
        """A member by name, whatever its case. Raises InvalidRequest when nobody is called so."""
        for member in self.list():
            if member.name.casefold() == name.strip().casefold():
                return member
        known = ", ".join(member.name for member in self.list()) or "nobody yet"
        raise InvalidRequest(f"Nobody in the cast is called {name!r}.", f"In the cast: {known}.")

    def list(self) -> list[Member]:
        """Everyone, in the order they came; files that cannot be read are passed over."""
        found = [member for file in self.root.glob("*.json") if (member := self._read(file))]
        return sorted(found, key=lambda member: (member.agreed, member.id))

    def _file(self, member_id: str) -> Path:
        return self.root / f"{member_id}.json"

    def _read(self, file: Path) -> Member | None:
        try:
            return Member.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _save(self, member: Member) -> Member:
        self.root.mkdir(parents=True, exist_ok=True)
        part = self._file(member.id).with_suffix(".part")
        part.write_text(json.dumps(member.model_dump(mode="json"), ensure_ascii=False, indent=1), encoding="utf-8")
        os.replace(part, self._file(member.id))
        return member
