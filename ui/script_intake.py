"""Scripts and saved films on their way in: a first script, a later version of one, the example, a folder's zip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Format, Project
from diffscaler.projects.reading import new_project, read_again, text_of
from diffscaler.projects.unpack import is_package, open_package
from diffscaler.studio import Studio
from ui import pieces
from ui.controls import filled

EXAMPLE = "the-last-bus-to-the-sea.fountain"

#: The film that is open now, and what is said about it as HTML.
Taken = tuple[str, str]


class Intake:
    """Each takes the id of the open film, "" for none, and returns that of the one to open."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def file(self, film: str, path: Path, settings: dict[str, Any]) -> Taken:
        """A script for a new film, a later version for the open one, or a film that was saved.

        settings: of FilmSettings, for a new film. Raises DiffScalerError for what is neither.
        """
        if is_package(path):
            return self._saved(path)
        text, format_ = text_of(path)
        if film and is_another(before := self.studio.projects.get(film), text):
            made = self.studio.projects.add(new_project(text, path.stem, format_, before.film))
            note = "Choose the earlier film above to go back to it."
            return made.id, pieces.message("That is another script: it is a film of its own.", note, "info")
        return self.text(film, text, settings, path.stem, format_)

    def text(
        self, film: str, text: str, settings: dict[str, Any], name: str = "Untitled", format_: Format | None = None
    ) -> Taken:
        """A script as it is now. name: where its title page has none. Raises DiffScalerError, ValidationError."""
        if not text.strip():
            raise InvalidRequest("There is no script yet.", "Write one: INT. KITCHEN - NIGHT, then what happens.")
        if not film:
            made = new_project(text, name, format_ or "fountain", FilmSettings.model_validate(filled(settings)))
            return self.studio.projects.add(made).id, ""
        before = self.studio.projects.get(film)
        now = self.studio.projects.change(
            film, lambda project: read_again(project, text, format_ or project.format), "reading the script"
        )
        return film, pieces.message(*changes_in_words(before, now), "info")

    def example(self) -> Taken:
        """The screenplay that comes with the studio."""
        text, format_ = text_of(self.studio.settings.assets_dir / "screenplays" / EXAMPLE)
        return self.studio.projects.add(new_project(text, Path(EXAMPLE).stem, format_)).id, ""

    def _saved(self, path: Path) -> Taken:
        opened = open_package(path, self.studio.library)
        film = self.studio.projects.add(opened.project)
        lost = f"{len(opened.unread)} clips could not be read; their shots can be drawn again." if opened.unread else ""
        lost += f" {opened.silent} could not be read: choose the sound again." if opened.silent else ""
        return film.id, pieces.message("The film is open.", lost.strip(), "info")


def is_another(film: Project, text: str) -> bool:
    """Whether a script has no shot in common with a film's: then it is not a later version of it."""
    now = {shot.id for shot in read_again(film, text).board.shots}
    return bool(film.board.shots) and not any(shot.id in now for shot in film.board.shots)


def changes_in_words(before: Project, now: Project) -> tuple[str, str]:
    """What reading a script again has done to the board."""
    old, new = set(before.shots), {shot.id for shot in now.board.shots}
    fresh = len(new - old)
    gone = len({shot.id for shot in before.board.shots} - new)
    stale = len(set(now.board.stale) - set(before.board.stale))
    parts = (
        [f"{stale} shot{'s' * (stale != 1)} changed"] * bool(stale)
        + [f"{fresh} new"] * bool(fresh)
        + [f"{gone} gone"] * bool(gone)
    )
    if not parts:
        return "The script says what it said.", "No shot has changed."
    return f"Read again: {', '.join(parts)}.", "Takes of all shots are kept."
