"""Drafts a shot list from a script, by rules a person would guess.

A heading is an establishing shot; action becomes a shot for every one or two sentences; the first words of two people
in an exchange are over-shoulders, what follows close-ups; who is only heard is played on the listener's face;
transitions stand on the shot they end. Words of the script that name a size, an angle or a move are obeyed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from diffscaler.screenplay import camera, cues
from diffscaler.screenplay.durations import LONGEST_SPEECH_S, TITLE_S, printed_s, speech_s
from diffscaler.screenplay.pages import printed_lines
from diffscaler.screenplay.people import introductions, known_names, named_in, someone_meant
from diffscaler.screenplay.prompts import with_prompts
from diffscaler.screenplay.rates import frames_of, rate_of
from diffscaler.screenplay.script import SPOKEN, UNPRINTED, Element, Lines, Scene, Script, Speech
from diffscaler.screenplay.sentences import beats
from diffscaler.screenplay.shot import Shot, Size, renumbered

#: Fountain has no form for them: an action that is nothing else.
_FADE_IN = re.compile(r"(?:fade|iris) in[:.]?$", re.IGNORECASE)
_FADE_OUT = re.compile(r"(?:fade|iris) (?:out|to \w+)[:.]?$|cut to black[:.]?$|the end[.]?$", re.IGNORECASE)

_WORDS_A_SHOT = int(LONGEST_SPEECH_S * 15)  # letters


def draft(
    script: Script, rate: str = "24", appearance: Mapping[str, str] | None = None, look: str = ""
) -> tuple[Shot, ...]:
    """A first shot list.

    rate: a name of RATES, for lengths in frames; appearance: name in capitals -> words, by default those the script
    introduces people with; look: words for the whole film, at the end of every prompt
    """
    shots: list[Shot] = []
    people = dict.fromkeys(known_names(script), "") | dict(introductions(script) if appearance is None else appearance)
    for index, scene in enumerate(script.scenes):
        before = script.scenes[index - 1] if index else None
        shots += _SceneDraft(scene, people, rate_of(rate)).shots(before, script.opening if not index else ())
    return with_prompts(renumbered(tuple(with_ids(shots))), people, look)


def with_ids(shots: list[Shot]) -> list[Shot]:
    """Shots named by what they show: the same text in the same scene gets the same id in every draft."""
    seen: dict[str, int] = {}
    found = []
    for shot in shots:
        said = "\0".join((_plain(shot.heading), shot.role, _plain(shot.text), *shot.speakers))
        count = seen[said] = seen.get(said, 0) + 1
        digest = hashlib.sha256(f"{said}\0{count}".encode()).hexdigest()
        found.append(replace(shot, id=digest[:12], source=(shot.text,)))
    return found


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


class _SceneDraft:
    """The shots of one scene, in order."""

    def __init__(self, scene: Scene, people: Mapping[str, str], rate: Fraction) -> None:
        self.scene, self.people, self.rate = scene, people, rate
        self.speaking = frozenset(scene.characters)
        self.found: list[Shot] = []
        self.present: list[str] = []  # who has been seen in this scene, the last one last
        self.heard: set[tuple[str, str]] = set()  # (who has spoken, to whom)
        self.begins = ""

    def shots(self, before: Scene | None, opening: tuple[Element, ...]) -> list[Shot]:
        self._elements(opening)
        if not self._goes_on(before):
            self._establish()
        self._elements(self.scene.elements)
        if not self.found:
            self._establish()
        return self.found

    def _goes_on(self, before: Scene | None) -> bool:
        now = self.scene.heading
        at_once = now.time.upper() in ("CONTINUOUS", "SAME", "SAME TIME", "MOMENTS LATER")
        return at_once and before is not None and before.heading.place.lower() == now.place.lower()

    def _establish(self) -> None:
        element = self.scene.element
        size: Size = "wide" if self.scene.heading.setting == "INT" else "extreme wide"
        self._add("establishing", element.plain, element.lines, printed_s(printed_lines(element)), size)

    def _elements(self, elements: tuple[Element, ...]) -> None:
        at = 0
        while at < len(elements):
            element = elements[at]
            at += 1
            if element.kind == "character":
                parts = []
                while at < len(elements) and elements[at].kind in SPOKEN:
                    parts.append(elements[at])
                    at += 1
                self._speech(Speech(element, tuple(parts)), _answering(elements[at:]))
            elif element.kind == "transition":
                self._transition(element.plain)
            elif element.kind == "action":
                self._action(element)
            elif element.kind == "centred":
                self._add("title", _flat(element.plain), element.lines, TITLE_S, "full")
            elif element.kind in SPOKEN:  # a song nobody is named for
                words = _flat(element.plain)
                self._add("action", words, element.lines, speech_s(words), "wide")

    def _transition(self, text: str) -> None:
        if _FADE_IN.match(text) or not self.found:
            self.begins = text
        else:
            self.found[-1] = replace(self.found[-1], ends=text)

    def _action(self, element: Element) -> None:
        text = element.plain
        if _FADE_IN.match(text) or (_FADE_OUT.match(text) and self.found):
            self._transition(text)
            return
        lines = printed_lines(element)
        for offset, beat in beats(text):
            characters = named_in(beat, self.people) or someone_meant(beat, self.present, self.people)
            share = len(beat) / max(1, len(text))
            size: Size = camera.size_in(beat) or ("medium" if len(characters) == 1 else "wide")
            self._add(
                "action", beat, _lines_at(element, text, offset, beat), printed_s(lines * share), size, characters
            )

    def _speech(self, speech: Speech, answering: str | None) -> None:
        words, name = speech.words, speech.character
        manners = [_flat(part.plain).strip("() ") for part in speech.parts if part.kind == "parenthetical"]
        last = self.found[-1] if self.found else None
        if speech.dual and last and last.role == "dialogue":
            together = tuple(dict.fromkeys((*last.speakers, name)))
            self.found[-1] = replace(
                last, size="medium", characters=together, speakers=(*last.speakers, name),
                dialogue=(*last.dialogue, words or "…"), text=f"{last.text} / {words}".strip(" /"),
                lines=Lines(last.lines.first, speech.lines.last),
                frames=max(last.frames, frames_of(speech_s(words, len(manners)), self.rate)),
            )  # fmt: skip
            self._seen((name,))
            return
        unseen = cues.is_heard_only(speech.cue.plain)
        listener = self._listener(name, answering)
        first_words = (name, listener or "") not in self.heard
        self.heard.add((name, listener or ""))
        parts = [part for _, part in beats(words, _WORDS_A_SHOT)] or [""]
        for number, part in enumerate(parts):
            on_listener = bool(listener) and (unseen or number % 2 == 1)
            in_picture = (listener,) if on_listener and listener else () if unseen else (name,)
            if on_listener:
                size: Size = "close-up"
            elif unseen:
                size = "wide"
            elif listener and first_words and number == 0:
                size, in_picture = "over the shoulder", (name, listener)
            else:
                size = "close-up" if listener else "medium close-up"
            self._add(
                "dialogue", part or name.title(), speech.lines,
                speech_s(part, len(manners) if not number else 0), size, in_picture,
                speakers=(name,), dialogue=(part or "…",), manner=", ".join(manners) if not number else "",
            )  # fmt: skip
        if not unseen:
            self._seen((name,))

    def _listener(self, name: str, answering: str | None) -> str | None:
        """Who is spoken to: who was seen last of those who speak, else who answers, else who else is there."""
        seen = [one for one in reversed(self.present) if one != name]
        answers = answering if answering != name else None
        return next((one for one in seen if one in self.speaking), None) or answers or next(iter(seen), None)

    def _add(self, role: str, text: str, lines: Lines, seconds: float, size: Size,
             characters: tuple[str, ...] = (), **more: object) -> None:  # fmt: skip
        told = {"angle": camera.angle_in(text), "move": camera.move_in(text)} if role == "action" else {}
        told = {name: value for name, value in told.items() if value}
        shot = Shot(
            "", self.scene.number, 0, role, self.scene.element.plain, text, lines,  # type: ignore[arg-type]
            frames_of(seconds, self.rate), size, characters=characters, begins=self.begins, **told, **more,
        )  # type: ignore[arg-type]  # fmt: skip
        self.begins = ""
        self.found.append(shot)
        self._seen(characters if role == "action" else ())

    def _seen(self, characters: tuple[str, ...]) -> None:
        self.present = [one for one in self.present if one not in characters] + list(characters)


def _answering(elements: tuple[Element, ...]) -> str | None:
    """Who speaks next in the picture, with nothing done in between."""
    for element in elements:
        if element.kind == "character":
            return None if cues.is_heard_only(element.plain) else cues.name_of(element.plain)
        if element.kind not in UNPRINTED:
            return None
    return None


def _flat(text: str) -> str:
    return " ".join(text.split())


def _lines_at(element: Element, text: str, offset: int, beat: str) -> Lines:
    """The source lines of a part of an action."""
    first = element.lines.first + text.count("\n", 0, offset)
    inside = text.count("\n", offset, offset + len(beat))
    return Lines(min(first, element.lines.last), min(first + inside, element.lines.last))
