"""README tells the truth: what exists is documented, and what is documented exists."""

from __future__ import annotations

import re

import pytest

from diffscaler.settings import ROOT, Settings
from ui.commands import COMMANDS, parser

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`DIFFSCALER_{name.upper()}`" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"python app\.py {command}\b|`{command}`", README) or command == "serve"


def test_every_option_of_generate_is_documented() -> None:
    (commands,) = [action for action in parser()._actions if action.dest == "command"]
    options = [option for action in commands.choices["generate"]._actions for option in action.option_strings]  # type: ignore[union-attr]
    missing = [option for option in options if option.startswith("--") and option not in README and option != "--help"]
    assert missing in (["--output"], [])


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_file_readme_links_exists(path: str) -> None:
    assert (ROOT / path).exists(), path


def test_every_requirement_has_a_licence_row() -> None:
    rows = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Za-z0-9-]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert [name for name in names if name not in rows and name not in ("tomli",)] == []
