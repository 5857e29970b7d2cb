"""The films of the studio: a title is changed, a film taken out of the list or put back into it."""

from __future__ import annotations

from html import escape
from typing import Any

from diffscaler.projects import edits, making
from diffscaler.projects.project import Project
from diffscaler.projects.store import Listed
from diffscaler.studio import Studio
from ui import pieces
from ui.held import decided


class FilmList:
    """Each act raises FilmGone for a film that is not there."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def rename(self, film: str, title: str, was: Any) -> None:
        """was: the title the page had shown. Raises InvalidRequest for no title or one that is too long."""

        def changed(project: Project) -> Project:
            return edits.rename(project, decided(was, title, project.title, "The title"))

        self.studio.projects.change(film, changed)

    def remove(self, film: str) -> str:
        """Take it out of the list; returns its title."""
        return making.remove(self.studio, film).title

    def put_back(self, film: str) -> str:
        """Returns its id."""
        return self.studio.projects.put_back(film).id


def list_html(film: Project | None, removed: list[Listed], unfolded: bool = False) -> str:
    """What can be done to the open film; where none is open, which films were taken out of the list."""
    unfold = " open" if unfolded else ""
    if film is not None:
        title = escape(film.title)
        ask = f"Take {film.title} out of the list? Its clips stay in the library, and it can be brought back."
        return (
            f"<details{unfold}><summary>Rename or delete</summary>"
            f'<label><span>Title</span><input type="text" value="{title}" maxlength="{edits.TITLE_LETTERS}"'
            f' data-change="rename" data-was="{title}"></label>'
            f'<div class="verbs">{pieces.do("remove", "Delete the film", confirm=ask)}</div></details>'
        )
    if not removed:
        return ""
    rows = "".join(
        f"<li><span>{escape(one.title)}</span>{pieces.do('back', 'Bring it back', cls='link', key=one.id)}</li>"
        for one in removed
    )
    count = f"{len(removed)} deleted film{'s' if len(removed) != 1 else ''}"
    return f"<details{unfold}><summary>{count}</summary><ul>{rows}</ul></details>"


def history_html(undo: str, redo: str) -> str:
    """Buttons for the last step and the one undone last. undo, redo: what each was, "" for none"""
    back = pieces.do("undo", "Undo", disabled=not undo, title=f"Undo {undo} (Ctrl+Z)" if undo else "Nothing to undo")
    again = pieces.do("redo", "Redo", disabled=not redo,
                      title=f"Do again {redo} (Ctrl+Shift+Z)" if redo else "Nothing to do again")  # fmt: skip
    return f'<div class="verbs">{back}{again}<span class="quiet">{escape(undo)}</span></div>'
