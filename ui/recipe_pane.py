"""The training form: which recipe, what it asks, and every option of it as text that the command line takes."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.studio import Studio
from ui import pieces, run_file
from ui.controls import control, more
from ui.pane import QUIET
from ui.recipe_forms import RecipeForm, recipe_forms
from ui.run_file import Table
from ui.training_form import TrainRequest
from ui.training_table import QUICK, draft_of
from ui.watch import Updates

#: Questions that only some recipes ask; the others are always in sight.
ROLES = ("steps", "learning_rate", "num_scenes", "size", "num_frames", "sample_every", "sample_prompts", "seed")


#: Takes an answer only over the text that it is an answer to: what was typed while it was on its way stays, and so do
#: the form's values that it was an edit of.
TAKE = """(answer, text, before) =>
answer && answer.of === (text ?? '') ? [answer.text, answer.before] : [text, before]"""


#: Stands where the trainer has told of no recipe.
NONE = RecipeForm(name="", title="", about="", needs="", found_in="", roles={}, options={})


class RecipePane:
    """Place it with `place_recipe`, `place_folder` and `place_rest`, in the order they are read.

    A trainer that does not tell its recipes costs this pane alone: what is wrong is said in it, and the trainer is
    asked again whenever the page is loaded.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.forms: dict[str, RecipeForm] = {}
        self.trouble = ""
        self.ask()
        #: The form's values that the text was last written from.
        self.before = gr.JSON({}, visible="hidden")
        #: What the text would be for the form as it stands, and which text it is to be put in the place of.
        self.answer = gr.JSON(None, visible="hidden", elem_id="training-answer")
        self.fields: dict[str, Any] = {}

    def ask(self) -> None:
        """Ask the trainer for its recipes, as long as it has not told them."""
        if self.forms:
            return
        try:
            self.forms, self.trouble = recipe_forms(), ""
        except DiffScalerError as error:
            self.trouble = pieces.message(error.message, f"{error.hint} Load the page again to ask again.".strip())

    @property
    def first(self) -> RecipeForm:
        return next(iter(self.forms.values()), NONE)

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(form.title, form.name) for form in self.forms.values()]

    def place_recipe(self, name: Any) -> None:
        """Place the recipe, what it is, and what it begins with."""
        first = self.first
        recipe = control(TrainRequest, "recipe", choices=self.choices, info=None, value=first.name or None)
        self.about = gr.HTML(self.trouble or about(first), elem_id="training-about")
        start = control(TrainRequest, "start")
        models = [(spec.title, spec.name) for spec in self.studio.catalogue.specs("text2video")]
        base = control(TrainRequest, "base", choices=models, allow_custom_value=True, visible=False)
        steps = control(TrainRequest, "steps", **asked(first, "steps"))
        self.fields = {"name": name, "recipe": recipe, "start": start, "base": base, "steps": steps}

    def place_folder(self) -> None:
        with gr.Accordion("A folder on this computer instead", open=False):
            self.fields["folder"] = control(TrainRequest, "folder", show_label=False)

    def place_rest(self) -> None:
        """Place what waits under "More", and every option as text."""
        overrides = {role: asked(self.first, role) for role in ROLES if role != "steps"}
        self.fields |= more(TrainRequest, **overrides)
        with gr.Accordion("Every option", open=False, elem_classes=["more"], elem_id="training-options"):
            self.text = gr.Code(
                language="shell", show_label=False, lines=12, max_lines=24, elem_id="training-toml", wrap_lines=True
            )
            self.wrong = gr.HTML(elem_id="training-wrong")

    @property
    def outputs(self) -> list[Any]:
        return [self.text, self.before, self.wrong]

    def wire(self, page: gr.Blocks) -> None:
        """A change of the form rewrites the text and keeps what was edited there; the text is read when it is left."""
        given = {**self.fields, "text": self.text, "before": self.before}
        recipe = self.fields["recipe"]
        shown = [*self.outputs, self.about, *(self.fields[name] for name in ("start", "base", *ROLES))]
        recipe.change(self.on_recipe, inputs_kwargs=given, outputs=shown, **QUIET)
        for name, part in self.fields.items():
            if name != "recipe":
                changed = part.change(
                    self.on_change, inputs_kwargs=given, outputs=[self.answer, self.wrong],
                    trigger_mode="always_last", **QUIET,
                )  # fmt: skip
                now = [self.text, self.before]
                changed.then(None, [self.answer, *now], now, js=TAKE, **QUIET)
        self.text.blur(self.on_text, self.text, self.wrong, **QUIET)
        page.load(self.on_load, inputs_kwargs=given, outputs=[recipe, *shown], **QUIET)

    def on_load(self, text: str | None = "", before: Table | None = None, **values: Any) -> Updates:
        """Fill in the text, and the recipes where the page was made before the trainer told them."""
        self.ask()
        if str(values["recipe"]) in self.forms:
            return self.on_form(text, before, **values)
        values["recipe"] = self.first.name or None
        recipe = gr.Dropdown(choices=self.choices, value=values["recipe"])
        return {self.fields["recipe"]: recipe} | self.on_recipe(text, before, **values)

    def on_recipe(self, text: str | None = "", before: Table | None = None, **values: Any) -> Updates:
        """Show what the chosen recipe asks. What was edited in the text belonged to the recipe before."""
        form = self.forms.get(str(values["recipe"]))
        if form is None:
            return {self.about: self.trouble}
        model = form.option("model")
        updates: Updates = {self.about: about(form)}
        updates[self.fields["start"]] = gr.Radio(visible=form.name == "mini")
        updates[self.fields["base"]] = gr.Dropdown(
            visible=model is not None,
            value=(model.default or None) if model else None,
            label=model.title if model else None,
            info=model.description if model else None,
        )
        values["base"] = (model.default or "") if model else ""
        for role in ROLES:
            updates[self.fields[role]] = gr.Textbox(**asked(form, role))
        return updates | self.on_form("", {}, **values)

    def on_form(self, text: str | None = "", before: Table | None = None, **values: Any) -> Updates:
        """Write the text anew from the form; what was edited in it stays, unless the form has changed that since."""
        form = self.forms.get(str(values["recipe"]))
        if form is None:
            return {self.wrong: self.trouble}
        table = draft_of(values, self.studio.settings)
        try:
            edited = run_file.read(text) if text and text.strip() and before else {}
        except InvalidRequest as error:  # it stays as it is until it can be read
            return {self.wrong: pieces.message(error.message, error.hint)}
        shown = run_file.merged(table, before or {}, edited) if edited else table
        return {self.text: run_file.written(form, shown), self.before: table, self.wrong: ""}

    def on_change(self, text: str | None = "", before: Table | None = None, **values: Any) -> Updates:
        """`on_form`, as an answer that the page takes if nothing was typed meanwhile."""
        updates = self.on_form(text, before, **values)
        answer = None
        if self.text in updates:
            answer = {"of": text or "", "text": updates.pop(self.text), "before": updates.pop(self.before)}
        return updates | {self.answer: answer}

    def on_text(self, text: str | None) -> str:
        """What is wrong with the edited text, as far as reading it tells; the rest is told when the run is started."""
        try:
            table = run_file.read(text or "")
        except InvalidRequest as error:
            return pieces.message(error.message, error.hint)
        form = self.forms.get(str(table.get("recipe")))
        return pieces.message(*run_file.unknown(form, table)) if form else ""


def about(form: RecipeForm) -> str:
    """A recipe in a sentence, and what it needs; "" for none."""
    if not form.about:
        return ""
    return f'<p class="quiet">{escape(form.about)} Needs {escape(form.needs)}.</p>'


def asked(form: RecipeForm, role: str) -> dict[str, Any]:
    """How the control of a question stands for a recipe: whether it is shown, and what holds where it is left empty."""
    option = form.option(role)
    if option is None:
        return {"visible": False}
    default = option.default if form.by_steps else QUICK.get(role, option.default)
    shown = f"{default:g}" if isinstance(default, float) else "" if default in (None, [], "") else str(default)
    return {"visible": True, "placeholder": shown or "automatic"}
