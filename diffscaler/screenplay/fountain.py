"""Reads Fountain, the plain-text format for screenplays (fountain.io/syntax): all that is written, with its lines."""

from __future__ import annotations

from diffscaler.screenplay import fountain_lines as rules
from diffscaler.screenplay.boneyard import Line, with_boneyard, without_boneyard
from diffscaler.screenplay.emphasis import without_notes
from diffscaler.screenplay.script import Element, Kind, Lines, Script, TitlePage
from diffscaler.screenplay.source import lines_of


def read_fountain(text: str) -> Script:
    """A script from Fountain text. Any text is one: what nothing else fits is action."""
    lines, buried = without_boneyard(lines_of(text.removeprefix("\ufeff")))
    title_page, rest = _title_page(lines)
    return Script(title_page, with_boneyard(_Reader(rest).read(), buried))


def _title_page(lines: list[Line]) -> tuple[TitlePage, list[Line]]:
    start = next((i for i, line in enumerate(lines) if line.text.strip()), len(lines))
    stop = next((i for i in range(start, len(lines)) if not lines[i].text.strip()), len(lines))
    if not rules.opens_title_page([line.text for line in lines[start:stop]]):
        return TitlePage(), lines
    entries: list[tuple[str, list[str]]] = []
    for line in lines[start:stop]:
        found = None if rules.is_indented(line.text) else rules.TITLE_ENTRY.match(line.text)
        if found:
            entries.append((found[1].strip(), [found[2].strip()] if found[2].strip() else []))
        else:
            entries[-1][1].append(line.text.strip())
    return TitlePage(tuple((key, "\n".join(value)) for key, value in entries)), lines[stop:]


class _Reader:
    """Goes through the lines once; `at` is the next one."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.at = 0
        self.never_closed_before = 0  # a line: no note that is open above it ends
        self.elements: list[Element] = []

    def read(self) -> list[Element]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            kind = rules.kind_of(line.text, True, self._is_blank(self.at + 1))
            self.at += 1
            text = line.text.strip()
            if kind == "blank":
                continue
            if kind == "page_break":
                self._add("page_break", "", line)
            elif kind == "section" and (section := rules.SECTION.match(text)):
                self._add("section", section[2], line, depth=len(section[1]))
            elif kind == "synopsis" and (synopsis := rules.SYNOPSIS.match(text)):
                self._add("synopsis", synopsis[1], line)
            elif kind == "heading":
                self._heading(text, line)
            elif kind == "centred":
                self._add("centred", text[1:-1].strip(), line)
            elif kind == "transition":
                self._add("transition", text.removeprefix(">").strip(), line)
            elif kind == "lyric":
                self._lyric(line)
            elif kind == "cue":
                self._speech(text, line)
            else:
                self._action(line)
        return self.elements

    def _is_blank(self, at: int) -> bool:
        return at >= len(self.lines) or not self.lines[at].text.strip()

    def _add(self, kind: Kind, text: str, line: Line, last: Line | None = None, **more: object) -> None:
        element = Element(kind, text, Lines(line.first, (last or line).last), **more)  # type: ignore[arg-type]
        self.elements.append(element)

    def _heading(self, text: str, line: Line) -> None:
        text = text.removeprefix(".")
        number = rules.SCENE_NUMBER.search(text)
        if number and number.start():
            text = text[: number.start()]
        self._add("heading", text.strip(), line, number=number[1] if number and number.start() else "")

    def _lyric(self, line: Line) -> None:
        words, last = [line.text.strip()[1:].strip()], line
        while not self._is_blank(self.at) and self.lines[self.at].text.strip().startswith("~"):
            last = self.lines[self.at]
            words.append(last.text.strip()[1:].strip())
            self.at += 1
        self._add("lyric", "\n".join(words), line, last)

    def _speech(self, text: str, line: Line) -> None:
        text = text.removeprefix("@").strip()
        dual = text.endswith("^")
        self._add("character", text.rstrip("^").strip(), line, dual=dual)
        spoken: list[Line] = []
        while self._speech_goes_on(spoken):
            line = self.lines[self.at]
            text = line.text.strip()
            self.at += 1
            if rules.is_parenthetical(text) or text.startswith("~"):
                self._dialogue(spoken)
                if text.startswith("~"):
                    self._lyric(line)
                else:
                    self._add("parenthetical", text, line)
            else:
                spoken.append(line)
        self._dialogue(spoken)

    def _speech_goes_on(self, spoken: list[Line]) -> bool:
        if self.at >= len(self.lines):
            return False
        line = self.lines[self.at].text
        if line.strip():
            return not rules.PAGE_BREAK.match(line.strip())
        # Two spaces on a line of their own keep a blank line within a speech.
        return len(line) >= 2 and bool(spoken) and not self._is_blank(self.at + 1)

    def _dialogue(self, spoken: list[Line]) -> None:
        while spoken and not spoken[-1].text.strip():
            spoken.pop()
        if spoken:
            self._add("dialogue", "\n".join(line.text.strip() for line in spoken), spoken[0], spoken[-1])
            spoken.clear()

    def _action(self, line: Line) -> None:
        paragraph = [line]
        texts = [_unforced(line.text)]
        while True:
            if note := self._note_left_open(texts[-1]):
                paragraph += note
                texts += [part.text.rstrip() for part in note]
                self.at += len(note)
            if self.at >= len(self.lines):
                break
            following = self.lines[self.at]
            if rules.kind_of(following.text, False, False) not in ("action", "forced_action"):
                break
            paragraph.append(following)
            texts.append(_unforced(following.text))
            self.at += 1
        text = "\n".join(texts)
        printed, notes = without_notes(text)
        if notes and not printed.strip():
            for note_text in notes:
                self._add("note", "\n".join(part.strip() for part in note_text.split("\n")), line, paragraph[-1])
        else:
            self._add("action", text, line, paragraph[-1])

    def _note_left_open(self, line: str) -> list[Line]:
        """The lines up to the end of a note that a line leaves open; none when it is never closed."""
        if line.rfind("[[") <= line.rfind("]]") or self.at < self.never_closed_before:
            return []
        for stop in range(self.at, len(self.lines)):
            text = self.lines[stop].text
            if "]]" in text:
                return self.lines[self.at : stop + 1]
            if not text.strip() and len(text) < 2:
                break
        else:
            stop = len(self.lines)
        self.never_closed_before = stop
        return []


def _unforced(line: str) -> str:
    """A line of action as it stands, spaces before it included, without the mark that forces it."""
    stripped = line.lstrip()
    return stripped[1:].rstrip() if stripped.startswith("!") else line.rstrip()
