"""What the script holds: its length, scenes and characters, and the cast sheet on which they get faces and words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from diffscaler.cast import Member
from diffscaler.projects.forecast import Cost, Forecast
from diffscaler.projects.project import Project, Role
from diffscaler.screenplay.pages import EIGHTHS, SECONDS_A_PAGE, eighths_of, pages_in_words, running_time_s
from diffscaler.screenplay.people import introductions, known_names
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.script import Character
from diffscaler.wording import bytes_in_words, seconds_in_words


def outline_html(project: Project, cost: Forecast | None = None) -> str:
    """Scenes with number, setting, place, time of day, eighths and estimated length; what each will take to draw."""
    script = project.read
    scenes = script.scenes
    eighths = {scene.number: eighths_of(scene) for scene in scenes}
    on_board = float(sum(shot.frames for shot in project.board.shots) / rate_of(project.film.rate))
    head = (
        f'<p class="facts"><span>{len(scenes)} scenes</span><span>{pages_in_words(sum(eighths.values()))} pages</span>'
        f"<span>about {seconds_in_words(running_time_s(script))} by pages</span>"
        f"<span>{len(project.board.shots)} shots, {seconds_in_words(on_board)} on the board</span></p>"
    )
    rows = []
    for scene in scenes:
        heading = scene.heading
        screen = seconds_in_words(eighths[scene.number] * SECONDS_A_PAGE / EIGHTHS)
        scene_cost = cost.scenes.get(scene.number) if cost else None
        to_draw = f"{seconds_in_words(scene_cost.seconds)} to draw" if scene_cost else ""
        needs = needs_of(scene_cost)
        rows.append(
            f'<li><button type="button" data-goto="scene-{escape(scene.number)}" title="{escape(heading.slug)}">'
            f"<b>{escape(scene.number)}</b><span class='where'>{escape(heading.setting)} {escape(heading.place)}</span>"
            f"<span class='when'>{escape(heading.time)}</span>"
            f"<span class='long'>{pages_in_words(eighths[scene.number])} p · {screen}</span>"
            f"<span class='cost' title='{needs}'>{to_draw}</span></button></li>"
        )
    return f'{head}<ol class="scenes">{"".join(rows)}</ol>'


def needs_of(cost: Cost | None) -> str:
    """ "5 takes, disk about 40 MB, memory about 570 MB"; "" for nothing to draw."""
    if cost is None:
        return ""
    memory = f", memory about {bytes_in_words(cost.memory_bytes)}" if cost.memory_bytes else ""
    return f"{cost.takes} takes, disk about {bytes_in_words(cost.disk_bytes)}{memory}"


def cast_html(project: Project, members: Sequence[Member]) -> str:
    """The cast sheet: each character with how much they say, who plays them, and words for how they look."""
    script = project.read
    said = {one.name: one for one in script.characters}
    introduced = introductions(script)
    rows = []
    for name in known_names(script):
        one, role = said.get(name), project.cast.get(name, Role())
        count = _says(one) if one else "does not speak"
        words = role.appearance if role.appearance is not None else introduced.get(name, "")
        data = f'data-character="{escape(name)}"'
        rows.append(
            f'<li><b>{escape(name)}</b><span class="quiet">{escape(count)}</span>'
            f'<label>played by <select data-change="member" {data} data-was="{escape(role.member)}">'
            f"{_choices(members, role.member)}</select></label>"
            f'<label>looks like <input type="text" maxlength="200" data-change="appearance" {data}'
            f' data-was="{escape(words)}" value="{escape(words)}"'
            ' placeholder="a tall woman in a red coat"></label></li>'
        )
    if not rows:
        return '<p class="quiet">Nobody speaks in this script, and nobody is introduced.</p>'
    hint = "" if members else '<p class="quiet">Faces come from the cast in the Face swap tab.</p>'
    return f'<ul class="cast-sheet">{"".join(rows)}</ul>{hint}'


def _says(one: Character) -> str:
    many, scenes = one.speeches != 1, len(one.scenes) != 1
    return f"{one.speeches} speech{'es' * many}, scene{'s' * scenes} {', '.join(one.scenes)}"


def _choices(members: Sequence[Member], chosen: str) -> str:
    names = [member.name for member in members]
    options = [("", "nobody"), *((name, name) for name in names)]
    known = {name.casefold() for name in names}
    if chosen and chosen.casefold() not in known:
        options.append((chosen, f"{chosen} (not in the cast here)"))
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value.casefold() == chosen.casefold() else ""}>'
        f"{escape(text)}</option>"
        for value, text in options
    )
