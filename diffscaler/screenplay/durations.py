"""How long shots are: speech at a reading speed, action by its room on the page."""

from __future__ import annotations

from diffscaler.screenplay.pages import LINES_A_PAGE, SECONDS_A_PAGE

#: People speak about 150 words a minute; long words take longer than short ones.
WORDS_A_SECOND = 2.5
LETTERS_A_SECOND = 15.0
#: Before and behind what is said.
BREATH_S = 0.6
#: A parenthetical is played as well: "(after a while)".
MANNER_S = 0.6

SHORTEST_S = 1.2
TITLE_S = 3.0
LONGEST_SPEECH_S = 10.0


def speech_s(words: str, manners: int = 0) -> float:
    """Seconds a speech takes. manners: parentheticals in it."""
    speaking = max(len(words.split()) / WORDS_A_SECOND, len(words) / LETTERS_A_SECOND)
    return max(SHORTEST_S, speaking + BREATH_S + manners * MANNER_S)


def printed_s(lines: float) -> float:
    """Seconds that lines on paper take: 55 are a page, a page is a minute."""
    return max(SHORTEST_S, lines * SECONDS_A_PAGE / LINES_A_PAGE)
