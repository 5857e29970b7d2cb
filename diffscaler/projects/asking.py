"""What is asked for a shot of a film: its picture, the face of who plays it, its finish."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.cast import CastLibrary, Member
from diffscaler.framing import FALLBACK
from diffscaler.models.spec import ModelSpec
from diffscaler.projects.project import Project, Take, edges_by_shot
from diffscaler.requests import ShotRequest
from diffscaler.screenplay.compile import compiled
from diffscaler.screenplay.prompts import Reduced
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import PLAIN


@dataclass(frozen=True)
class Asked:
    """words: the prompt as it is drawn, with what was dropped; None for a card

    uncast: why nobody's face is put into it though somebody is cast, "" where that is not so
    """

    request: ShotRequest
    words: Reduced | None
    uncast: str = ""


class Asking:
    """Requests for the shots of a project as it stands. cast: those here by name in lower case"""

    def __init__(self, project: Project, model: ModelSpec, cast: CastLibrary) -> None:
        self.project, self.model = project, model
        self.edges = edges_by_shot(project)
        self.cast = {member.name.casefold(): member for member in cast.list()}

    def of(self, shot: Shot, *, draft: bool, roll: int = 1) -> Asked:
        """What to make. The same shot, roll and settings ask for the same clip, always.

        Raises ScriptError for a shot without a prompt, pydantic.ValidationError for one that is too long.
        """
        film = self.project.film
        made = compiled(shot, film.film(self.model, draft=draft, takes={shot.id: roll}), self.edges.get(shot.id, PLAIN))
        drawn = made.request.drawn
        if drawn is None:
            return Asked(made.request, None)
        member, uncast = self._playing(shot)
        more: dict[str, object] = {}
        if drawn.num_inference_steps == self.model.native.get("num_inference_steps", FALLBACK["num_inference_steps"]):
            more["num_inference_steps"] = None  # a draft that is no quicker is the final
        if film.scale > 1 and not draft:
            more |= {"scale": film.scale, "upscaler": film.upscaler}
        if member is not None:
            more |= {"faces": member.photos, "consent": member.statement}
        request = made.request.model_copy(update={"drawn": drawn.model_copy(update=more)}) if more else made.request
        return Asked(request, made.words, uncast)

    def again(self, shot: Shot, take: Take) -> Asked:
        """What the same take would be today."""
        return self.of(shot, draft=take.draft, roll=take.roll)

    def _playing(self, shot: Shot) -> tuple[Member | None, str]:
        """Whose face goes into a shot. One of several people has none: who is who is seen only once drawn."""
        cast = [name for name in shot.characters if name in self.project.cast and self.project.cast[name].member]
        if not cast:
            return None, ""
        if len(shot.characters) > 1:
            return None, "Several people are in the picture: swap their faces in the Face swap tab."
        name = self.project.cast[cast[0]].member
        member = self.cast.get(name.casefold())
        return (member, "") if member else (None, f"{name} is not in the cast of this studio.")
