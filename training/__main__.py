"""`python -m training CONFIG.toml`: carry out one training run.

Also `evaluate-upscaler --pairs DIR`, `evaluate-mini MODEL`, `sample MODEL PROMPT... -o SHEET.png`, `gallery MODEL`,
`gather-pictures FOLDER`, `prepare FOLDER -o DATASET`, `make shapes -o DATASET`, `export CHECKPOINT MODEL`,
`launch CONFIG.toml`, `forms [RECIPE]`, `check CONFIG.toml` and `forecast CONFIG.toml` in place of CONFIG.toml.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Returns the process's exit status: 0 done or stopped, 1 a sentence on stderr says what is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    from training import commands

    if not (arguments and arguments[0] in commands.WITHOUT_NETWORKS):
        from diffscaler import compat

        compat.install()  # before anything imports diffusers or transformers
    if arguments and arguments[0] in commands.COMMANDS:
        return commands.COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("config", type=Path, help="a TOML file with a [run] table, see presets/training")
    return commands.train(parser.parse_args(arguments).config)


if __name__ == "__main__":
    # Set before torch is imported: worker processes of the renderer must not each take every core.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait by spinning for long take the cores from whoever they wait for, as soon as the machine has other
    # work; not spinning at all slows a quiet machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "50000")
    sys.exit(main())
