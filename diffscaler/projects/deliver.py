"""A film's cut for an edit suite: a folder with a clip of each shot and the timeline in every form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from diffscaler.errors import InvalidRequest
from diffscaler.film.folder import FilmFolder
from diffscaler.library.clips import ClipLibrary
from diffscaler.projects.making import film_clips
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import Project
from diffscaler.screenplay.export.cut import cut_of


def write_cut_folder(project: Project, standing: Standing, library: ClipLibrary, root: Path) -> Iterator[int]:
    """Write clips, shot list and timelines of the shots that are made, yielding how many clips are copied.

    Raises InvalidRequest when no shot is made, or clips of an earlier length or rate stand for shots.
    """
    chosen = film_clips(project, standing)
    shots = [shot for shot in project.board.shots if shot.id in chosen]
    if not shots:
        raise InvalidRequest("No shot of this film is made yet.", "Press Preview first.")
    for shot in shots:
        if chosen[shot.id].request.rate != project.film.rate:
            raise InvalidRequest(f"{shot.name} was made at another frame rate.", "Press Preview: it is made anew.")
        if (made := chosen[shot.id].request.frames) < shot.frames:
            raise InvalidRequest(
                f"{shot.name} lasts {shot.frames} frames on the board, and its take has {made}.",
                "Press Preview: it is made anew.",
            )
    folder = FilmFolder(root)
    folder.prepare()
    paths = {shot.id: library.path(chosen[shot.id].clip) for shot in shots}
    files = folder.names(shots, next(iter(paths.values())).suffix)
    for count, shot in enumerate(shots, 1):
        folder.put(paths[shot.id], files[shot.id])
        yield count
    folder.write_shots(project.board, project.film.rate)
    cut = cut_of(
        project.title, project.film.rate, shots, files, width=project.film.width, height=project.film.height
    )  # fmt: skip
    lengths = {files[shot.id]: chosen[shot.id].request.frames for shot in shots}
    events = tuple(replace(event, clip_frames=lengths[event.clip]) for event in cut.events)
    folder.write_cut(replace(cut, events=events))
