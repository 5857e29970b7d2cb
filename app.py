"""DiffScaler Studio's front door: `python app.py` opens the studio, `python app.py --help` lists the rest."""

import sys
from pathlib import Path

from diffscaler.bootstrap import ensure

ROOT = Path(__file__).resolve().parent


def main(argv):
    """Set the environment up when needed, then run one command and return its exit code."""
    ensure(ROOT, argv, ("run", "test") if argv[:1] == ["test"] else ("run",))
    from diffscaler.privacy import tell_nobody

    tell_nobody()
    from ui.commands import run  # only now: everything below needs the installed packages

    return run(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
