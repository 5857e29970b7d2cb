"""Faces as small pictures inside the page, and what is known of the photos of the cast."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from diffscaler.cast import Member
from diffscaler.errors import DiffScalerError
from diffscaler.faceswap.remarks import Grade, PhotoFacts, read_facts, remarks_on
from diffscaler.plan import Node
from diffscaler.requests import InspectPhotoRequest
from diffscaler.studio import Studio
from ui.pictures import poster_url

if TYPE_CHECKING:
    from diffscaler.media import Frames

FACE_PX = 112


@dataclass(frozen=True)
class Portrait:
    """A member as a pane shows them. image: HTML; grade: of the best photo, "" when none was looked at yet"""

    member: Member
    image: str
    grade: Grade | str


class Portraits:
    """What a worker found in photos, and the faces in them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._read = lru_cache(maxsize=256)(self._read_now)

    def facts(self, photo: str) -> PhotoFacts | None:
        """What is known of a photo, None before a worker has looked at it."""
        seen = self._seen([photo]).get(photo)
        return seen[0] if seen else None

    def of(self, members: list[Member]) -> list[Portrait]:
        """Everyone's portrait, for a whole pane at once."""
        seen = self._seen(photo for member in members for photo in member.photos)
        return [self._portrait(member, [seen[photo] for photo in member.photos if photo in seen]) for member in members]

    def _portrait(self, member: Member, seen: list[tuple[PhotoFacts, str]]) -> Portrait:
        grades = [remarks_on(facts)[0] for facts, _ in seen]
        grade = next((grade for grade in ("good", "weak", "bad") if grade in grades), "")
        picture = next((face for _, face in seen if face), None) or self._poster(member)
        return Portrait(member, f'<img src="{picture}" alt="">' if picture else '<span class="blank"></span>', grade)

    def _poster(self, member: Member) -> str | None:
        try:
            return poster_url(self.studio, self.studio.library.clip(member.photos[0]))
        except DiffScalerError:
            return None

    def _seen(self, photos: Iterable[str]) -> dict[str, tuple[PhotoFacts, str]]:
        """What was found in photos, with the face as a picture inside the page; nothing of those not looked at yet.

        One plan serves for all, as they differ in the photo only: planning reads the catalogue, which takes 50 ms.
        """
        found: dict[str, tuple[PhotoFacts, str]] = {}
        first: Node | None = None
        for photo in dict.fromkeys(photos):
            with suppress(DiffScalerError, OSError, StopIteration):
                first = first or self.studio.recipes.inspect_photo(InspectPhotoRequest(photo=photo)).root
                sha256 = self.studio.library.clip(photo).node.params["sha256"]
                key = replace(first, params={**first.params, "photo": sha256}).key
                if self.studio.library.complete(key):
                    found[photo] = self._read(key)
        return found

    def _read_now(self, key: str) -> tuple[PhotoFacts, str]:
        chunk: Any = next(iter(self.studio.library.read(key)))
        facts = read_facts(chunk.tensors)
        return facts, picture_url(facts.face) if facts.count else ""


def picture_url(picture: Frames) -> str:
    """A uint8 RGB picture (H, W, 3) as a small one inside the page."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).resize((FACE_PX, FACE_PX)).save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
