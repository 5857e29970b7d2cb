"""README tells the truth: what exists is documented, and what is documented exists."""

from __future__ import annotations

import argparse
import re

import pytest

from benchmarks.__main__ import parser as bench_parser
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


def test_every_option_in_a_command_that_readme_shows_exists() -> None:
    lines = re.findall(r"^python app\.py (\w+)(.*)$", README, re.M)
    known = {name: options_of(choice) for name, choice in commands_of(parser()).items()}
    known["bench"] = options_of(bench_parser())
    free = ("test", "doctor", "train")  # these hand their words to pytest and other parsers
    asked = {(name, option) for name, rest in lines for option in re.findall(r"(?<!\S)\[?(--[a-z-]+)", rest)}
    assert len({name for name, _ in asked}) > 5
    assert [(name, option) for name, option in sorted(asked) if name not in free and option not in known[name]] == []


def commands_of(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: choice for choices in found for name, choice in choices.items()}


def options_of(top: argparse.ArgumentParser) -> set[str]:
    """Of a command and of the commands below it."""
    below = [options_of(choice) for choice in commands_of(top).values()]
    return {option for action in top._actions for option in action.option_strings}.union(*below)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_file_readme_links_exists(path: str) -> None:
    assert (ROOT / path).exists(), path


def test_every_requirement_has_a_licence_row() -> None:
    rows = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Za-z0-9-]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert [name for name in names if name not in rows and name not in ("tomli",)] == []
