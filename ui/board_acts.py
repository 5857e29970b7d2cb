"""What the buttons on the board and in a shot's panel do to the film."""

from __future__ import annotations

from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.projects import edits, making
from diffscaler.projects.forecast import forecast
from diffscaler.projects.orders import another_take
from diffscaler.projects.project import Project
from diffscaler.studio import Studio

At = dict[str, Any]

#: What the page remembers of where a person is: the film, the open shot, and which of its takes are looked at.
NOWHERE: At = {"film": "", "shot": "", "take": "", "beside": ""}


class BoardActs:
    """Each takes where the person is and what was pressed, and returns where they are now."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def do(self, verb: str, at: At, data: dict[str, str]) -> At:
        """Raises InvalidRequest for a verb that is none, and what the edit raises."""
        act = getattr(self, f"do_{verb.replace('-', '_')}", None)
        if act is None:
            raise InvalidRequest(f"There is no {verb[:40]}.", "Reload the page.")
        return act(at, data) or at

    def _edit(self, at: At, edit: Any, what: str = "", shot: str = "") -> None:
        self.studio.projects.change(str(at["film"]), edit, what, shot)

    def do_undo(self, at: At, data: dict[str, str]) -> None:
        self.studio.projects.undo(str(at["film"]))

    def do_redo(self, at: At, data: dict[str, str]) -> None:
        self.studio.projects.redo(str(at["film"]))

    # -- where a person is --------------------------------------------------------------------------------------------

    def do_shot(self, at: At, data: dict[str, str]) -> At:
        shut = at["shot"] == data["key"]
        return {**at, "shot": "" if shut else data["key"], "take": "", "beside": ""}

    def do_close(self, at: At, data: dict[str, str]) -> At:
        return {**at, "shot": "", "take": "", "beside": ""}

    def do_look(self, at: At, data: dict[str, str]) -> At:
        return {**at, "take": data["clip"], "beside": ""}

    def do_beside(self, at: At, data: dict[str, str]) -> At:
        return {**at, "beside": "" if at["beside"] == data["clip"] else data["clip"]}

    # -- shots --------------------------------------------------------------------------------------------------------

    def do_lock(self, at: At, data: dict[str, str]) -> None:
        def changed(film: Project) -> Project:
            locked = film.shot(data["key"]).locked
            on = wanted(data)
            return film if on == locked else edits.edit_shot(film, data["key"], locked=not locked)

        self._edit(at, changed, "lock of", data["key"])

    def do_up(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.move_shot(film, data["key"], -1), "move", data["key"])

    def do_down(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.move_shot(film, data["key"], 1), "move", data["key"])

    def do_place(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.place_shot(film, data["key"], data["before"]), "move", data["key"])

    def do_out(self, at: At, data: dict[str, str]) -> At:
        self._edit(at, lambda film: edits.take_out(film, data["key"]), "take out", data["key"])
        return {**at, "shot": "", "take": "", "beside": ""}

    def do_split(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.split_shot(film, data["key"]), "split", data["key"])

    def do_merge(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.merge_with_next(film, data["key"]), "merge", data["key"])

    def do_follow(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.follow_script(film, data["key"]), "prompt of", data["key"])

    def do_keep(self, at: At, data: dict[str, str]) -> None:
        self._edit(at, lambda film: edits.keep_as_is(film, data["key"]))

    # -- takes --------------------------------------------------------------------------------------------------------

    def do_circle(self, at: At, data: dict[str, str]) -> None:
        number, draft = int(data["number"]), bool(data.get("draft"))
        self._edit(at, lambda film: edits.circle(film, data["key"], number, draft, wanted(data)))

    def do_another(self, at: At, data: dict[str, str]) -> At:
        film = self.studio.projects.get(str(at["film"]))
        self._order(film, [film.shot(data["key"]).id])
        return {**at, "shot": data["key"], "take": "", "beside": ""}

    def do_scene_again(self, at: At, data: dict[str, str]) -> None:
        film = self.studio.projects.get(str(at["film"]))
        self._order(film, [shot.id for shot in film.board.shots if shot.scene == data["scene"]])

    def _order(self, film: Project, shots: list[str]) -> None:
        asking = making.asking_of(self.studio, film)
        orders = another_take(film, asking, [film.shot(shot) for shot in shots])
        recipes = making.planned(self.studio, orders)
        cost = forecast(self.studio, [order.shot.scene for order in orders], recipes)
        making.check_room(self.studio, recipes, cost)
        making.submit(self.studio, film.id, orders, recipes)


def wanted(data: dict[str, str]) -> bool | None:
    """What a press of a button with two states means, by the state its page showed; None where it does not say."""
    return None if "was" not in data else data["was"] != "1"


def known(at: At | None) -> At:
    """Where a person is, as this version keeps it: what a browser kept from an earlier one may lack names."""
    return {**NOWHERE, **{name: value for name, value in (at or {}).items() if name in NOWHERE}}
