"""`python app.py bench [CASE ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import memory, mini, rerun, sampling, startup, transcode, upscale
from benchmarks.result import Result

CASES: dict[str, Callable[[Path], list[Result]]] = {
    "upscale": upscale.run,
    "transcode": transcode.run,
    "rerun": rerun.run,
    "startup": startup.run,
    "memory": memory.run,
    "mini": mini.run,
    "sampling": sampling.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python app.py bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all when none is named")
    parser.add_argument("--json", metavar="FILE", help="also write the results as a JSON list")
    parser.add_argument("--clips", type=int, default=mini.DEFAULT_CLIPS, help="how many clips the case mini reads back")
    args = parser.parse_args()
    if args.clips < 2:
        parser.error("--clips must be 2 or more")
    unknown = [name for name in args.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; there are: {', '.join(CASES)}")
    rows = []
    for name in args.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="diffscaler-bench-") as folder:
            case = partial(mini.run, clips=args.clips) if name == "mini" else CASES[name]
            for result in case(Path(folder)):
                sys.stdout.write(result.line() + "\n")
                sys.stdout.flush()
                rows.append(result.row())
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
