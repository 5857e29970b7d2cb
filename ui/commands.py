"""Every command of `python app.py`, wired: the engine's own, and those that need the page, the trainer or the tests."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from diffscaler import __version__, cli
from diffscaler.errors import InvalidRequest
from diffscaler.settings import ROOT, Settings, read_settings
from diffscaler.suite import run_tests
from diffscaler.wording import worded

COMMANDS = (
    "serve", "test", "generate", "swap", "upscale", "deliver", "script", "film", "films", "train", "bench", "doctor",
    "library", "models",
)  # fmt: skip

#: What `train` does besides training.
DATA_COMMANDS = ("prepare", "make")


def parser() -> argparse.ArgumentParser:
    """The whole command line. `run` of each command takes (args, settings) and returns an exit code."""
    top = argparse.ArgumentParser(
        prog="python app.py", description="DiffScaler Studio: see a scene before you shoot it."
    )
    top.add_argument("--version", action="version", version=f"DiffScaler Studio {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    at = commands.add_parser("serve", help="open the studio in the browser (the default)")
    at.add_argument("--port", type=int, default=7860)
    at.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    at.add_argument("--share", action="store_true", help="a public link, behind a password")
    at.add_argument("--password", help="for --share; one is made and printed when none is given")
    at.set_defaults(run=serve)

    cli.add_commands(commands)

    at = commands.add_parser(
        "train",
        help="train by a TOML file, e.g. presets/training/mini.toml; or prepare FOLDER, or make shapes|digits|scenes",
    )
    at.add_argument("config", metavar="FILE|prepare|make")
    at.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="of prepare and make: see their --help")
    at.set_defaults(run=train)

    for name, words in (
        ("test", "run the tests; takes pytest's arguments"),
        ("bench", "measure speed and memory beside a baseline"),
        ("doctor", "prove that everything works here"),
    ):
        commands.add_parser(name, help=words, add_help=False)
    return top


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    argv = list(argv)
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv.insert(0, "serve")
    if argv[0] == "test":
        return run_tests(argv[1:], ROOT)
    if argv[0] == "bench":
        return bench(argv[1:])
    try:
        settings = read_settings()
    except ValidationError as error:
        sentence, hint = worded(error)
        sys.stderr.write(f"{sentence}\n{hint}\n")
        return cli.USAGE
    if argv[0] == "doctor":
        from diffscaler.doctor import main as doctor

        return doctor(argv[1:], settings.data_dir, settings.models_dir, settings.device)
    args = parser().parse_args(argv)
    return cli.run_worded(args, settings)


def serve(args: argparse.Namespace, settings: Settings) -> int:
    from diffscaler.studio import Studio
    from ui import serve as open_page

    open_page(
        Studio(settings), port=args.port, share=args.share, password=args.password, open_browser=not args.no_browser
    )
    return cli.DONE


def train(args: argparse.Namespace, settings: Settings) -> int:
    """Runs the trainer in front. Ctrl-C reaches it too: it saves and ends, and we wait for that.

    Raises InvalidRequest for words behind a training file: they would be passed over in silence.
    """
    if args.rest and args.config not in DATA_COMMANDS:
        raise InvalidRequest(
            f"`train` takes one file and nothing behind it: {' '.join(args.rest)!r} is too much.",
            "What a run is to do stands in its file.",
        )
    command = [sys.executable, "-m", "training"]
    if args.config in DATA_COMMANDS:
        # From here, where the paths that were given count.
        child = subprocess.Popen([*command, args.config, *args.rest], env=environment_with_root())
    else:
        child = subprocess.Popen([*command, str(Path(args.config).resolve())], cwd=ROOT)
    stopped = False
    while True:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            stopped = True
            continue
        return cli.STOPPED if stopped and code == 0 else code


def bench(argv: Sequence[str]) -> int:
    """Its cases and their options are the benchmarks' own business: words pass as they are, paths count from here."""
    return subprocess.call([sys.executable, "-m", "benchmarks", *argv], env=environment_with_root())


def environment_with_root() -> dict[str, str]:
    """This environment, where Python finds the studio's packages from any folder."""
    found = os.pathsep.join(path for path in (str(ROOT), os.environ.get("PYTHONPATH")) if path)
    return {**os.environ, "PYTHONPATH": found}
