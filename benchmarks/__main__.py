"""`python app.py bench [CASE ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from benchmarks import (
    faceswap,
    memory,
    mini,
    pair,
    prepare,
    quality,
    rerun,
    sampling,
    screenplay,
    sdxl,
    startup,
    training,
    transcode,
    upscale,
)
from benchmarks.result import Result
from diffscaler.errors import DiffScalerError

CASES: dict[str, Callable[..., Iterable[Result]]] = {
    "upscale": upscale.run,
    "quality": quality.run,
    "transcode": transcode.run,
    "rerun": rerun.run,
    "startup": startup.run,
    "memory": memory.run,
    "mini": mini.run,
    "pair": pair.run,
    "prepare": prepare.run,
    "sampling": sampling.run,
    "faceswap": faceswap.run,
    "screenplay": screenplay.run,
    "sdxl": sdxl.run,
    "training": training.run,
}


def parser() -> argparse.ArgumentParser:
    """Cases and the options of each."""
    parser = argparse.ArgumentParser(prog="python app.py bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all when none is named")
    parser.add_argument("--json", metavar="FILE", help="also write the results as a JSON list")
    parser.add_argument("--clips", type=int, help=f"of the case mini, {mini.DEFAULT_CLIPS} when not given, and pair")
    parser.add_argument("--model", metavar="PATH", help="another model of its kind for the case mini or pair")
    at = parser.add_argument_group("of the case quality")
    at.add_argument("--pairs", metavar="FOLDER", type=Path, action="append", default=[], help="Set5 and its like")
    at.add_argument("--footage", metavar="FILE", type=Path, action="append", default=[], help="a clip; several will do")
    at = parser.add_argument_group("of the case faceswap")
    at.add_argument("--published", action="store_true", help="networks as costly as the published ones; minutes")
    at.add_argument(
        "--longest", type=int, default=faceswap.LONG, help="frames of the longer clip, for memory (%(default)s)"
    )
    at = parser.add_argument_group("of the case sdxl, which needs a graphics card")
    at.add_argument("--frames", type=int, help=f"{sdxl.FULL[0]} when not given; of the case memory: 4K frames")
    at.add_argument("--size", type=int, help=f"pixels of a side, {sdxl.FULL[1]} when not given")
    at.add_argument("--steps", type=int, help=f"{sdxl.FULL[2]} when not given; also of the cases mini and pair")
    at.add_argument("--tiny", action="store_true", help="a very small network on any device: proves the way, not speed")
    return parser


def main() -> int:
    args = (words := parser()).parse_args()
    if args.clips is not None and args.clips < 2:
        words.error("--clips must be 2 or more")
    unknown = [name for name in args.cases if name not in CASES]
    if unknown:
        words.error(f"there is no case {unknown[0]!r}; there are: {', '.join(CASES)}")
    options: dict[str, dict[str, object]] = {
        "quality": {"pairs": tuple(args.pairs), "footage": tuple(args.footage)},
        "mini": {"clips": args.clips or mini.DEFAULT_CLIPS, "model_folder": args.model, "steps": args.steps},
        "pair": {"clips": args.clips or pair.DEFAULT_CLIPS, "steps": args.steps, "model": args.model},
        "faceswap": {"published": args.published, "longest": args.longest},
        "memory": {"frames": args.frames},
        "sdxl": {"frames": args.frames, "size": args.size, "steps": args.steps, "tiny": args.tiny},
    }
    rows, failed = [], False
    for name in args.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="diffscaler-bench-") as folder:
            case = partial(CASES[name], **options.get(name, {}))
            try:
                for result in case(Path(folder)):
                    sys.stdout.write(result.line() + "\n")
                    sys.stdout.flush()
                    rows.append(result.row())
            except DiffScalerError as error:
                sys.stderr.write(f"{error.message}\n{error.hint}\n")
                # Among all cases, one that needs a card is left out; asked for by name, it has failed.
                failed = failed or name in args.cases or not isinstance(error, sdxl.NeedsCard)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
