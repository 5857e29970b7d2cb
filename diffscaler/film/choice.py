"""Which scenes of a script and which takes of its shots a person asks for, from what is typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from diffscaler.errors import InvalidRequest
from diffscaler.screenplay.shot import Shot


def scenes_in(text: str, numbers: Sequence[str]) -> frozenset[str]:
    """The scenes that "1-3,5A" names. numbers: of the script's scenes, in their order; case does not matter

    Raises InvalidRequest for a scene the script does not have, and for none at all.
    """
    place = {number.upper(): index for index, number in reversed(list(enumerate(numbers)))}
    found: set[str] = set()
    for part in (part.strip().upper() for part in text.split(",") if part.strip()):
        first, dash, last = (part, "", "") if part in place else part.partition("-")
        ends = [first.strip(), last.strip() if dash else first.strip()]
        for one in ends:
            if one not in place:
                raise InvalidRequest(f"There is no scene {one or part}.", f"There are: {', '.join(numbers)}.")
        if place[ends[0]] > place[ends[1]]:
            raise InvalidRequest(f"Scene {ends[0]} comes behind scene {ends[1]}.", "Name the earlier one first.")
        found.update(numbers[place[ends[0]] : place[ends[1]] + 1])
    if not found:
        raise InvalidRequest("No scene was named.", "Write them like 1-3,5.")
    return frozenset(found)


def takes_in(asked: Iterable[str], shots: Iterable[Shot]) -> dict[str, int]:
    """By shot id, the take that "SC1_SH010:2" asks for. Raises InvalidRequest for what is no shot or no number."""
    ids = {shot.name.upper(): shot.id for shot in shots}
    found: dict[str, int] = {}
    for text in asked:
        name, _, number = text.rpartition(":")
        if name.upper() not in ids:
            raise InvalidRequest(f"There is no shot {name or text}.", "Write SC1_SH010:2 for its second take.")
        if not number.isdecimal() or not 1 <= int(number) <= 9999:
            raise InvalidRequest(f"{number or 'Nothing'} is no number of a take.", "Takes are counted from 1.")
        found[ids[name.upper()]] = int(number)
    return found
