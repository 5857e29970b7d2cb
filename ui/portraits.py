"""Faces as small pictures inside the page, and what is known of the photos of the cast."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from diffscaler.cast import Member
from diffscaler.errors import DiffScalerError
from diffscaler.faceswap.remarks import Grade, PhotoFacts, read_facts, remarks_on
from diffscaler.requests import InspectPhotoRequest
from diffscaler.studio import Studio
from ui.pictures import poster_url

if TYPE_CHECKING:
    from diffscaler.media import Frames

FACE_PX = 112


class Portraits:
    """What a worker found in photos, and the faces in them. Ask once for a whole pane: each answer plans a look."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._read = lru_cache(maxsize=256)(self._read_now)

    def facts(self, photo: str) -> PhotoFacts | None:
        """What is known of a photo, None before a worker has looked at it."""
        seen = self._seen(photo)
        return seen[0] if seen else None

    def grade(self, member: Member) -> Grade | str:
        """How good a member's best photo is, "" when none was looked at yet."""
        grades = [remarks_on(seen[0])[0] for seen in map(self._seen, member.photos) if seen]
        return next((grade for grade in ("good", "weak", "bad") if grade in grades), "")

    def of(self, members: Iterable[Member]) -> list[tuple[Member, str]]:
        """Members with their face as an <img>."""
        return [(member, self._image(member)) for member in members]

    def _image(self, member: Member) -> str:
        seen = (seen for seen in map(self._seen, member.photos) if seen)
        if face := next((url for facts, url in seen if facts.count), None):
            return f'<img src="{face}" alt="">'
        try:
            poster = poster_url(self.studio, self.studio.library.clip(member.photos[0]))
        except DiffScalerError:
            poster = None
        return f'<img src="{poster}" alt="">' if poster else '<span class="blank"></span>'

    def _seen(self, photo: str) -> tuple[PhotoFacts, str] | None:
        """What was found in a photo, and its face as a picture inside the page."""
        try:
            key = self.studio.recipes.inspect_photo(InspectPhotoRequest(photo=photo)).root.key
            return self._read(key) if self.studio.library.complete(key) else None
        except (DiffScalerError, OSError, StopIteration):
            return None

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
