"""Finds the shots of an earlier draft in a new one, by what the script says of them.

In order: what is equal in the same scene, what is equal elsewhere in the same order, what is equal and has moved, what
is alike (words weighed by how rare they are), and what stands alone in the same gap.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from diffscaler.screenplay.shot import Shot

#: Weighed share of common words from which two texts are one that was edited; less will do between matched neighbours.
ALIKE = 0.5
ALIKE_BETWEEN_NEIGHBOURS = 0.3
#: Of letters, for a line that alone stands where another one stood.
ALIKE_IN_A_GAP = 0.3
#: Words in more texts than this lead to no candidate: they are everywhere.
COMMON = 60


@dataclass(frozen=True)
class Unit:
    """One text of the script as a shot covers it.

    place: its rank in its list; heading, role as in Shot; speakers too, None for one of several texts of a shot
    """

    place: int
    shot: str
    text: str
    heading: str
    role: str
    speakers: tuple[str, ...] | None

    @property
    def words(self) -> tuple[str, ...]:
        return words_of(self.text)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text without case and punctuation: what makes two texts the same."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def units_of(shots: Iterable[Shot]) -> list[Unit]:
    """Every text shots cover, in order."""
    found: list[Unit] = []
    for shot in shots:
        speakers = shot.speakers if len(shot.source) == 1 else None
        for text in shot.source:
            found.append(Unit(len(found), shot.id, text, " ".join(words_of(shot.heading)), shot.role, speakers))
    return found


def match(old: Sequence[Unit], aside: Sequence[Unit], new: Sequence[Unit]) -> dict[int, Unit]:
    """New units, by place, and the old unit each of them is; a unit is matched once.

    old: of the shots on the board, in order; aside: of those that lost their place in the script before
    """
    pairs: dict[int, Unit] = {}
    left = {id(unit): unit for unit in (*old, *aside)}

    def take(unit: Unit, place: int) -> None:
        pairs[place] = unit
        del left[id(unit)]

    def old_left() -> list[Unit]:
        return [unit for unit in old if id(unit) in left]

    def new_left() -> list[Unit]:
        return [unit for unit in new if unit.place not in pairs]

    for key in (_in_scene, _said):
        for unit, other in _in_order(old_left(), new_left(), key):
            take(unit, other.place)
    for unit, other in _anywhere(list(left.values()), new_left()):
        take(unit, other.place)
    for unit, other in _alike(list(left.values()), new_left(), pairs, old):
        take(unit, other.place)
    for unit, other in _in_gaps(old, new, pairs):
        take(unit, other.place)
    return pairs


def _in_scene(unit: Unit) -> Hashable:
    return unit.heading, unit.role, unit.speakers, unit.words


def _said(unit: Unit) -> Hashable:
    return unit.role == "establishing", unit.words


def _in_order(old: list[Unit], new: list[Unit], key: object) -> list[tuple[Unit, Unit]]:
    keys = [[key(unit) for unit in side] for side in (old, new)]  # type: ignore[operator]
    blocks = SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    return [(old[block.a + i], new[block.b + i]) for block in blocks for i in range(block.size)]


def _anywhere(old: list[Unit], new: list[Unit]) -> list[tuple[Unit, Unit]]:
    """Equal texts wherever they went; of several, the one in a scene of the same heading."""
    waiting: dict[Hashable, list[Unit]] = defaultdict(list)
    for unit in old:
        waiting[_said(unit)].append(unit)
    found = []
    for unit in new:
        if same := waiting.get(_said(unit)):
            best = next((one for one in same if one.heading == unit.heading), same[0])
            same.remove(best)
            found.append((best, unit))
    return found


def _alike(old: list[Unit], new: list[Unit], pairs: dict[int, Unit], board: Sequence[Unit]) -> list[tuple[Unit, Unit]]:
    """The best pairs of edited texts first."""
    texts = [Counter(unit.words) for unit in (*old, *new)]
    spread = Counter(word for text in texts for word in text)
    weight = {word: math.log(1 + len(texts) / count) for word, count in spread.items()}
    by_word: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts[: len(old)]):
        for word in text:
            if spread[word] <= COMMON:
                by_word[word].append(index)
    on_board = {id(unit) for unit in board}
    scored: list[tuple[float, int, int]] = []
    for number, unit in enumerate(new):
        text = texts[len(old) + number]
        for index in {index for word in text for index in by_word.get(word, ())}:
            if (old[index].role == "establishing") != (unit.role == "establishing"):
                continue
            share = _share(texts[index], text, weight)
            near = id(old[index]) in on_board and _neighbours(old[index], unit, pairs)
            if share >= (ALIKE_BETWEEN_NEIGHBOURS if near else ALIKE):
                close = 0.2 * near + 0.1 * (old[index].heading == unit.heading) + 0.1 * (old[index].role == unit.role)
                scored.append((share + close, index, number))
    found: list[tuple[Unit, Unit]] = []
    used_old: set[int] = set()
    used_new: set[int] = set()
    for _, index, number in sorted(scored, key=lambda row: (-row[0], row[2], row[1])):
        if index not in used_old and number not in used_new:
            used_old.add(index)
            used_new.add(number)
            found.append((old[index], new[number]))
    return found


def _share(one: Counter[str], other: Counter[str], weight: dict[str, float]) -> float:
    """Dice's coefficient of two texts, words weighed: 0 nothing in common, 1 the same words."""
    common = sum(weight[word] * count for word, count in (one & other).items())
    whole = sum(weight[word] * count for text in (one, other) for word, count in text.items())
    return 2 * common / whole if whole else 0.0


def _neighbours(old: Unit, new: Unit, pairs: dict[int, Unit]) -> bool:
    """Whether the text before or behind both is the same one."""
    return any((other := pairs.get(new.place + step)) and other.place == old.place + step for step in (-1, 1))


def _in_gaps(old: Sequence[Unit], new: Sequence[Unit], pairs: dict[int, Unit]) -> list[tuple[Unit, Unit]]:
    """One that is left on each side between the same neighbours, of the same kind and at all alike."""
    on_board = {id(unit): unit.place for unit in old}
    matched = {on_board[id(unit)]: place for place, unit in pairs.items() if id(unit) in on_board}
    found = []
    start_old = start_new = -1
    for place_old, place_new in [*sorted(matched.items()), (len(old), len(new))]:
        if place_new <= start_new:
            continue  # it has moved
        gap_old = [old[i] for i in range(start_old + 1, place_old) if i not in matched]
        gap_new = [new[i] for i in range(start_new + 1, place_new) if i not in pairs]
        start_old, start_new = place_old, place_new
        for role in {unit.role for unit in gap_old}:
            ones, others = ([unit for unit in gap if unit.role == role] for gap in (gap_old, gap_new))
            if len(ones) == len(others) == 1 and _may_be(ones[0], others[0]):
                found.append((ones[0], others[0]))
    return found


def _may_be(old: Unit, new: Unit) -> bool:
    if old.role == "establishing":
        return True
    letters = SequenceMatcher(None, old.text.lower(), new.text.lower(), autojunk=False).ratio()
    return old.speakers in (None, new.speakers) and letters >= ALIKE_IN_A_GAP
