"""A script comes into a film: for the first time, or again when it has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Format, Project, appearances, parsed
from diffscaler.screenplay.board import Board, reimport
from diffscaler.screenplay.fdx import read_fdx
from diffscaler.screenplay.fountain_writer import fountain_of
from diffscaler.screenplay.read import is_fdx
from diffscaler.screenplay.shots import draft
from diffscaler.screenplay.source import decoded, read_bytes


def text_of(path: Path) -> tuple[str, Format]:
    """A script's file as Fountain text, and what it came as. Raises ScriptError for what is no script."""
    data = read_bytes(path)
    if is_fdx(path, data):
        text, format_ = fountain_of(read_fdx(data, path.name)), "fdx"
    else:
        text, format_ = decoded(data, path.name), "fountain"
    parsed(text, path.name)
    return text, format_  # type: ignore[return-value]


def new_project(text: str, name: str, format_: Format = "fountain", film: FilmSettings | None = None) -> Project:
    """A film from a script, with a shot list drafted from it. name: where the title page has none

    Raises ScriptError for what is no script.
    """
    script = parsed(text, name)
    project = Project("", script.title_page.title or name, text, format_, film=film or FilmSettings())
    drafted = draft(script, project.film.rate, appearances(project), project.film.look)
    return replace(project, board=Board(drafted))


def read_again(project: Project, text: str, format_: Format = "fountain") -> Project:
    """The film with its script as it is now: shots are found again by what they say, what changed is marked, and shots
    whose text is gone are set aside where anything was made for them. Raises ScriptError for what is no script."""
    script = parsed(text, project.title)
    named = script.title_page.title
    # A film that was renamed keeps its name until the script has another title.
    title = project.title if named in ("", project.read.title_page.title) else named
    changed = replace(project, script=text, format=format_, title=title)
    drafted = draft(script, project.film.rate, appearances(changed), project.film.look)
    made = {take.shot for take in project.takes}
    return replace(changed, board=reimport(project.board, drafted, worth_keeping=made))
