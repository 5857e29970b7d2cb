"""`python app.py test`: which files run side by side."""

from __future__ import annotations

import pytest

from diffscaler.settings import ROOT
from diffscaler.suite import side_by_side


@pytest.mark.parametrize("argv", [[], ["-x"], ["-m", "not slow"], ["-k", "film"]])
def test_the_whole_suite_takes_every_core_and_keeps_files_whole(argv: list[str]) -> None:
    words = side_by_side(argv, ROOT, 2)
    assert words[:2] == ["-n", "2"] and "loadfile" in words
    assert side_by_side(argv, ROOT, 64)[1] == "4"
    assert not side_by_side(argv, ROOT, 1)


@pytest.mark.parametrize("argv", [["tests/test_suite.py"], ["tests/test_suite.py::test_x"], ["-n", "3"], ["--pdb"]])
def test_who_names_files_or_processes_gets_what_was_asked(argv: list[str]) -> None:
    assert not side_by_side(argv, ROOT, 8)
