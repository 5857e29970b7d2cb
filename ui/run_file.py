"""A run's configuration as a person reads and edits it: every option, with what it is above it."""

from __future__ import annotations

import json
import re
import sys
from difflib import get_close_matches
from typing import Any

from diffscaler.errors import InvalidRequest
from ui.recipe_forms import Option, RecipeForm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, Any]

HEAD = """# {title}. {about}
# An option behind a # stands at the recipe's own value: take the # away and change it.
# The same run from the command line: python app.py train FILE
[run]
recipe = {name}
"""


def written(form: RecipeForm, table: Table) -> str:
    """TOML with every option of a recipe. Those of `table` count; the others stand behind a #, at their defaults."""
    lines = [HEAD.format(title=form.title, about=form.about, name=json.dumps(form.name))]
    group = ""
    for option in sorted(form.options.values(), key=lambda option: _order(form).index(option.group)):
        if option.group != group:
            group = option.group
            lines.append(f"\n# ---- {group} ----")
        lines.append(f"\n# {said(option)}")
        value = table.get(option.name, option.default)
        shown = "" if value is None else toml(value)
        lines.append(f"{'' if option.name in table else '#'}{option.name} = {shown}".rstrip())
    unknown = {key: value for key, value in table.items() if key not in form.options and key != "recipe"}
    lines += [f"{key} = {toml(value)}" for key, value in unknown.items()]  # the trainer names what it does not know
    return "\n".join(lines).rstrip() + "\n"


def said(option: Option) -> str:
    """An option in words: what it is and what it accepts."""
    words = f"{option.title}. {option.description}".strip()
    bounds = option.bounds
    least, most = bounds.get("minimum", bounds.get("above")), bounds.get("maximum", bounds.get("below"))
    if option.choices:
        words += f" One of {', '.join(toml(choice) for choice in option.choices)}."
    elif least is not None and most is not None:
        words += f" {'Above' if 'above' in bounds else 'From'} {least:g} {'and below' if 'below' in bounds else 'to'} "
        words += f"{most:g}." if most < 1e6 else f"{most:,.0f}.".replace(",", " ")
    elif least is not None:
        words += f" {least:g} or more."
    if "multiple_of" in bounds:
        words += f" A multiple of {bounds['multiple_of']:g}."
    return words + (" It must be given." if option.required else "")


def read(text: str) -> Table:
    """The [run] table of such a text, edited or not. Raises InvalidRequest, naming the option that is no TOML."""
    try:
        table = tomllib.loads(text).get("run", {})
    except tomllib.TOMLDecodeError as error:
        option, line = _where(text, str(error))
        raise InvalidRequest(
            f"{option or 'The text'} cannot be read{f' (line {line})' if line else ''}.",
            'Words stand in "quotes", numbers do not, and yes and no are true and false.',
        ) from None
    if not isinstance(table, dict):
        raise InvalidRequest("run is no table.", "Leave the line [run] as it was.")
    return table


def merged(form: Table, before: Table, edited: Table) -> Table:
    """What is asked for: the form's values, and over them what was edited in the text.

    form: as the form's controls stand now; before: as they stood when the text was written; edited: the text. What was
    changed in the form since then counts more than an older edit of the same option.
    """
    changed = {name for name in {*form, *before} if form.get(name) != before.get(name)}
    edits = {name: value for name, value in edited.items() if before.get(name) != value and name not in changed}
    gone = {name for name in before if name not in edited and name not in changed}
    return {name: value for name, value in form.items() if name not in gone} | edits


def toml(value: Any) -> str:
    """A value as TOML writes it; bool, numbers, text and lists are as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def _order(form: RecipeForm) -> list[str]:
    """The groups of a recipe: what is its own comes first."""
    groups = list(dict.fromkeys(option.group for option in form.options.values()))
    own = [group for group in groups if group == "This recipe"]
    return [*groups[:1], *own, *(group for group in groups[1:] if group not in own)] if groups else []


def _where(text: str, error: str) -> tuple[str, int]:
    """(option, line) of a TOML error; ("", 0) where it does not tell."""
    found = re.search(r"line (\d+)", error)
    lines = text.splitlines()
    if not found or not lines:
        return "", 0
    number = min(int(found[1]), len(lines))
    for at in range(number, 0, -1):  # a list may go over several lines
        if key := re.match(r"\s*([\w-]+)\s*=?", lines[at - 1]):
            return key[1], at
    return "", number


def unknown(form: RecipeForm, table: Table) -> tuple[str, str]:
    """(sentence, hint) about an option the recipe does not have; ("", "") when it has them all."""
    for name in table:
        if name not in form.options and name != "recipe":
            near = get_close_matches(name, form.options, 1)
            return f"There is no option {name[:60]}.", f"Did you mean {near[0]}?" if near else "Take the line out."
    return "", ""
