"""What a film will take, on its button and beside its scenes; what has not changed is not planned twice."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from html import escape

from diffscaler.models.catalogue import CatalogueOnce
from diffscaler.projects.forecast import Forecast, forecast
from diffscaler.projects.orders import Order, needed
from diffscaler.recipe_parts import Recipe
from diffscaler.recipes import Recipes
from diffscaler.studio import Studio
from diffscaler.wording import bytes_in_words, seconds_in_words
from ui.board_cards import BoardView
from ui.pieces import message

KEPT = 4000


@dataclass(frozen=True)
class Outlook:
    """orders: what Preview would make; cost: of them; lacking: what keeps it from drawing anything, as a sentence"""

    orders: tuple[Order, ...]
    cost: Forecast
    lacking: str = ""

    @property
    def label(self) -> str:
        """On the button."""
        if self.lacking:
            return "Preview: the model is missing"
        if not self.orders:
            return "Preview: every shot is made"
        if not self.cost.whole.takes:
            return "Preview, made before"
        return f"Preview, about {seconds_in_words(self.cost.whole.seconds)}"

    @property
    def words(self) -> str:
        """Under it, as HTML."""
        if self.lacking:
            return message(self.lacking, "Choose another model, or install it.")
        whole = self.cost.whole
        if not whole.takes:
            return ""
        parts = [f"{whole.takes} takes of {len({order.shot.id for order in self.orders})} shots."]
        if whole.memory_bytes:
            parts.append(f"Memory: about {bytes_in_words(whole.memory_bytes)}.")
        parts.append(f"Disk: about {bytes_in_words(whole.disk_bytes)}.")
        return f'<p class="words">{escape(" ".join(parts))}</p>'


class FilmCosts:
    """Keeps plans by what was asked for; several pages may ask at once."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._plans: OrderedDict[str, Recipe] = OrderedDict()

    def outlook(self, view: BoardView) -> Outlook:
        """Raises what planning raises."""
        if view.asking is None:
            return Outlook((), Forecast(), view.lacking)
        orders = needed(view.project, view.asking, view.standing)
        plans = Recipes(self.studio.library, CatalogueOnce(self.studio.settings))
        recipes: list[Recipe] = []
        for order in orders:
            key = order.take.request.model_dump_json()
            recipe = self._plans.pop(key, None) or plans.of(order.take.request)
            self._plans[key] = recipe
            recipes.append(recipe)
        while len(self._plans) > KEPT:
            self._plans.popitem(last=False)
        return Outlook(tuple(orders), forecast(self.studio, [order.shot.scene for order in orders], recipes))
