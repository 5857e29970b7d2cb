"""The doctor at the command line: a table, or JSON, and an exit status."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from diffscaler.doctor.probes import Check, checks
from diffscaler.doctor.repair import fix, pip_here
from diffscaler.installer import InstallFailed

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str], data_dir: Path, models_dir: Path, device: str | None = None) -> int:
    """Run the doctor and print what it found. Returns 0 when all is well, 1 otherwise."""
    parser = argparse.ArgumentParser("app.py doctor", description="Check everything the studio stands on.")
    parser.add_argument("--fix", action="store_true", help="repair what pip can repair, then check again")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(argv)
    if options.fix:
        return _fix_and_look_again(data_dir, models_dir, device, options.json)
    rows = checks(data_dir, models_dir, ROOT, device)
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else table(rows))
    return 0 if all(row.ok for row in rows) else 1


def table(rows: Sequence[Check]) -> str:
    """The rows for a terminal, remedies below what they remedy."""
    width = max(len(row.name) for row in rows)
    lines: list[str] = []
    for row in rows:
        finding = row.finding if row.ok else f"{row.finding}\n-> {row.remedy}"
        for number, text in enumerate(finding.splitlines()):
            indent = " " * (width + 7)
            head = f"{'ok ' if row.ok else 'BAD'}  {row.name:<{width}}  " if number == 0 else indent
            lines += textwrap.wrap(text, 118, initial_indent=head, subsequent_indent=indent)
    bad = sum(not row.ok for row in rows)
    lines.append("Everything works." if not bad else f"{bad} of {len(rows)} need attention.")
    return "\n".join(lines)


def _fix_and_look_again(data_dir: Path, models_dir: Path, device: str | None, as_json: bool) -> int:
    """Look in a child process, so that this one has loaded nothing it is about to replace; mend; look once more."""
    look = [sys.executable, "-m", "diffscaler.doctor", str(data_dir), str(models_dir), device or ""]
    seen = subprocess.run([*look, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        rows = [Check(**row) for row in json.loads(seen.stdout)]
    except ValueError:  # a compiled package took the whole child down: torch and onnxruntime are the usual ones
        rows = [Check(name, False, "crashed", repair=name) for name in ("torch", "onnxruntime")]

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # keeps standard output for the table or the JSON

    try:
        if not fix(rows, ROOT, pip_here(tell), tell):
            tell("Nothing to repair.")
    except InstallFailed as error:
        tell(str(error))
    return subprocess.run([*look, "--json"] if as_json else look, cwd=ROOT).returncode
