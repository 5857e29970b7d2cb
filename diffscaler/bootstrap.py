"""Makes `python app.py` work on a fresh clone: finds or builds the virtual environment, then starts the app inside it.

Only the standard library is used, and this file must be readable by any Python 3.7 or newer, so that a wrong version
is told in one sentence instead of a syntax error. environment.py knows what is installed, installer.py installs.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from diffscaler.environment import LOCK_NAME, Environment, group_packages, has_pip, make, require_supported

_REEXEC = "DIFFSCALER_REEXEC"


def ensure(root: Path, argv: Sequence[str], groups: Sequence[str] = ("run",)) -> None:
    """Return with every requirement importable, or start app.py again where they are, or exit saying why not.

    root: the folder of app.py; argv: its arguments, without the script; groups: "run", and "test" for the tests
    An active virtual environment is used as it is; otherwise .venv beside app.py is made, filled and started.
    DIFFSCALER_NO_VENV=1 leaves everything to the person: nothing is installed and nothing started again.
    """
    if os.environ.get("DIFFSCALER_NO_VENV") == "1":
        require_supported(sys.version_info[:2])
        return
    again = os.environ.pop(_REEXEC, "")
    if sys.prefix != sys.base_prefix:
        require_supported(sys.version_info[:2])
        install_missing(root, Environment(Path(sys.prefix)), groups, own=False)
        return
    if again:
        sys.exit(f"{root / '.venv'} does not work as a virtual environment. Delete that folder and start again.")
    environment = Environment(root / ".venv")
    install_missing(root, environment, ("run",))  # further groups are installed from inside
    os.environ[_REEXEC] = "1"
    _restart([str(environment.python), str(root / "app.py"), *argv])


def install_missing(root: Path, environment: Environment, groups: Sequence[str], own: bool = True) -> None:
    """Install every group that is not there to the end yet, one process at a time. Exits when it fails.

    own: the environment may be deleted and made again when it is broken
    """
    if all(environment.ready(root, group) for group in groups):
        return
    with _locked(environment.prefix) as lock:
        for group in groups:
            if not environment.ready(root, group):  # another start may have done it while this one waited
                _install(root, environment, group, own, [] if lock is None else [lock])
    importlib.invalidate_caches()


def _install(root: Path, environment: Environment, group: str, own: bool, pass_fds: Sequence[int]) -> None:
    from diffscaler import installer

    log = environment.prefix / installer.LOG_NAME
    try:
        _require_pip(environment, own)
        pip = installer.pip_of(environment.python, log, say, pass_fds)
        environment.unmark(group)
        if group == "run":
            say("Installing what DiffScaler Studio needs. This happens once, and again when the requirements change.")
            installer.install_run(root, pip, say, environment.site_packages)
        else:
            say(f"Installing the {group} tools, about 100 MB.")
            installer.install_packages(group_packages(root, group), pip, environment.site_packages)
    except installer.InstallFailed as error:
        sys.exit(f"{error}\nThe full log is {log}")
    except KeyboardInterrupt:
        say("Stopped. Start again to continue from here.")
        sys.exit(130)
    environment.mark(root, group)
    say("Installed.")


def _require_pip(environment: Environment, own: bool) -> None:
    """Make the environment, or bring pip into it. Raises InstallFailed."""
    from diffscaler.installer import InstallFailed

    if has_pip(environment.python):
        return
    if environment.python.exists():  # made without pip, by uv for example
        subprocess.run([str(environment.python), "-m", "ensurepip"], capture_output=True)
        if has_pip(environment.python):
            return
    if not own:
        raise InstallFailed(f"The active virtual environment {environment.prefix} has no working pip.")
    say(f"Making a virtual environment in {environment.prefix}.")
    problem = make(environment)
    if problem:
        raise InstallFailed(
            f"Python could not make a virtual environment: {problem}\n"
            "On Debian and Ubuntu this helps: sudo apt install python3-venv"
        )


@contextlib.contextmanager
def _locked(prefix: Path) -> Generator[int | None, None, None]:
    """Let one start at a time write into the environment. Yields the lock's file descriptor, None without locks.

    The system gives the lock back when its holders end, however they end.
    """
    prefix.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield None  # a lock there cannot be handed to pip; two first starts at once are not guarded against
        return
    import fcntl

    descriptor = os.open(prefix / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is installing into this folder; waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # a network drive without locks
        yield descriptor
    finally:
        os.close(descriptor)


def _restart(command: Sequence[str]) -> None:
    """Become `command`; on Windows, which cannot replace a process, run it and leave with its status."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execv(command[0], list(command))
    process = subprocess.Popen(list(command))
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            continue  # the child got Ctrl-C as well, and ends in its own time


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, flush=True)


def main(groups: Sequence[str]) -> int:
    """`python -m diffscaler.bootstrap [test]`: install without starting anything, as CI does."""
    root = Path(__file__).resolve().parents[1]
    if sys.prefix != sys.base_prefix:
        install_missing(root, Environment(Path(sys.prefix)), ("run", *groups), own=False)
        return 0
    environment = Environment(root / ".venv")
    install_missing(root, environment, ("run",))
    command = [str(environment.python), "-m", "diffscaler.bootstrap", *groups]
    return subprocess.run(command, cwd=root).returncode if groups else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
