"""Installs the requirements into a virtual environment, in words a person can follow.

Only the standard library is used: nothing else is there on a fresh clone. Two things are decided that pip cannot:
which build of torch fits the machine, and which of the two onnxruntime wheels may own their common folder.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Say = Callable[[str], None]
Pip = Callable[[Sequence[str]], int]

LOG_NAME = "diffscaler-install.log"

# Room for the environment and pip's downloads beside it, as measured: 2.7 GB and 7.2 GB installed.
NEEDED_BYTES = {"cpu": 5 * 10**9, "cuda": 12 * 10**9}

# Where PyPI's own torch is not the build wanted: on Linux it carries CUDA (4 GB), on Windows it lacks it.
TORCH_INDEXES = {
    ("linux", "cpu"): "https://download.pytorch.org/whl/cpu",
    ("win32", "cuda"): "https://download.pytorch.org/whl/cu130",
}

_PROBE = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4).read(1)"


class InstallFailed(Exception):
    """The installation did not finish; the text says why and what to try. Running again continues where it stopped."""


def torch_build() -> str:
    """ "cuda" where an NVIDIA driver answers, else "cpu" (also on Macs, whose one build has Apple's GPU in it).

    DIFFSCALER_TORCH=cpu or =cuda decides by hand.
    """
    forced = os.environ.get("DIFFSCALER_TORCH", "").lower()
    if forced in ("cpu", "cuda"):
        return forced
    return "cuda" if has_nvidia_driver() else "cpu"


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver library loads, or its tool lists a card."""
    if sys.platform == "darwin":
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return True
    except OSError:
        pass
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        answer = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0 and "GPU" in answer.stdout


def torch_index(build: str, say: Say, platform: str = sys.platform) -> str | None:
    """PyTorch's own package index when it has a better build than PyPI and answers within seconds, else None.

    pip would retry an unreachable index for minutes, so it is asked here first, in a process that can be killed
    (a name server that does not answer ignores time limits). Unreachable is no error: PyPI's build works too.
    """
    url = TORCH_INDEXES.get((platform, build))
    if url is None:
        return None
    try:
        subprocess.run([sys.executable, "-c", _PROBE, f"{url}/torch/"], capture_output=True, timeout=8, check=True)
    except (OSError, subprocess.SubprocessError):
        say("PyTorch's own package index does not answer; taking torch from where pip usually looks.")
        return None
    return url


def install_run(root: Path, pip: Pip, say: Say, site_packages: Path) -> None:
    """Install requirements.txt. Raises InstallFailed.

    pip: runs pip with the arguments given and returns its exit status, see `pip_of`
    """
    build = torch_build()
    if not any(site_packages.glob("torch-*.dist-info")):
        _check_room(root, NEEDED_BYTES[build])
    drop_half_installed(site_packages)
    if build == "cuda":
        say("Step 1 of 3: torch for NVIDIA cards, about 3 GB to fetch.")
    else:
        say("Step 1 of 3: torch, about 200 MB to fetch where a CPU build is offered, else about 3 GB.")
    install_torch(root, pip, say)
    say("Step 2 of 3: everything else, about 1 GB to fetch. A few minutes on a good line.")
    _require(pip(["install", "-r", str(root / "requirements.txt")]), "the requirements")
    say("Step 3 of 3: settling onnxruntime.")
    mend_onnxruntime(build, pip, say, site_packages)


def install_torch(root: Path, pip: Pip, say: Say, again: bool = False) -> None:
    """Install the build of torch and torchvision that fits the machine. Raises InstallFailed.

    again: put it in anew even if this version is there, in another build or damaged
    """
    text = (root / "requirements.txt").read_text("utf-8")
    packages = [line.strip() for line in text.splitlines() if re.match(r"torch(vision)?\b", line)]
    command = ["install", *(["--force-reinstall", "--no-deps"] if again else [])]
    index = torch_index(torch_build(), say)
    if index is None or pip([*command, "--extra-index-url", index, *packages]) != 0:
        _require(pip([*command, *packages]), "torch")
    if again:
        _require(pip(["install", *packages]), "torch")  # the libraries it needs


def install_packages(packages: Sequence[str], pip: Pip, site_packages: Path) -> None:
    """Install further packages, such as the test tools. Raises InstallFailed."""
    drop_half_installed(site_packages)
    _require(pip(["install", *packages]), ", ".join(packages))


def mend_onnxruntime(build: str, pip: Pip, say: Say, site_packages: Path) -> bool:
    """On an NVIDIA machine give the `onnxruntime` folder back to the GPU wheel; returns whether that was needed.

    insightface requires the CPU wheel, which writes into the same folder after the GPU wheel and wins. Uninstalling
    it would remove files of both, so the GPU wheel is laid over it. On a CPU machine the CPU wheel is the right one.
    """
    if build != "cuda" or onnxruntime_owner(site_packages) == "onnxruntime-gpu":
        return False
    wheel = next(site_packages.glob("onnxruntime_gpu-*.dist-info"), None)
    if wheel is None:
        return False  # no such wheel for this machine
    version = wheel.name.removesuffix(".dist-info").split("-")[1]
    say(f"Giving onnxruntime back to its GPU build ({version}).")
    _require(pip(["install", "--force-reinstall", "--no-deps", f"onnxruntime-gpu=={version}"]), "onnxruntime-gpu")
    return True


def onnxruntime_owner(site_packages: Path) -> str:
    """The wheel whose files lie in the `onnxruntime` folder: "onnxruntime", "onnxruntime-gpu" or "" when none."""
    try:
        text = (site_packages / "onnxruntime" / "capi" / "build_and_package_info.py").read_text("utf-8")
    except OSError:
        return ""
    found = re.search(r"package_name\s*=\s*['\"]([\w-]+)", text)
    return found[1] if found else ""


def drop_half_installed(site_packages: Path) -> list[str]:
    """Forget packages that a killed pip left half written, so that the next pip installs them again.

    pip takes a package for installed as soon as its metadata lies there, but writes RECORD only after the last file.
    """
    dropped = [folder for folder in site_packages.glob("*.dist-info") if not (folder / "RECORD").exists()]
    dropped += site_packages.glob("~*")  # pip's name for a package in the middle of being replaced
    for path in dropped:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path.name for path in dropped]


def pip_of(python: Path, log: Path, say: Say, pass_fds: Sequence[int] = ()) -> Pip:
    """A function that runs pip of the interpreter `python`, keeps what it says in `log` and reports progress.

    pass_fds: open files pip inherits (POSIX), so that a lock on one lasts until pip itself has ended
    """

    def run(arguments: Sequence[str]) -> int:
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        if arguments[0] == "install":
            command += ["--progress-bar", "off", "--no-warn-script-location"]
        environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"}
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(command)}\n")
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
                errors="replace", env=environment, pass_fds=tuple(pass_fds),
            )  # fmt: skip
            try:
                return _follow(process, file.write, say)
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise

    return run


def _follow(process: subprocess.Popen[str], write: Callable[[str], object], say: Say) -> int:
    """Copy the output of pip to its log; say now and then how far it is. Returns its exit status."""
    started, collected, last_lines = time.monotonic(), set[str](), list[str]()
    fetched_mb, doing = [0.0], ["fetching"]

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            write(line)
            last_lines[:] = [*last_lines[-11:], line.rstrip()]
            if name := re.match(r"\s*Collecting ([\w.-]+)", line):
                collected.add(name[1].lower())
            elif size := re.search(r"Downloading .*\(([\d.]+) (kB|MB|GB)\)", line):
                fetched_mb[0] += float(size[1]) * {"kB": 0.001, "MB": 1.0, "GB": 1000.0}[size[2]]
            elif "Installing collected packages" in line:
                doing[0] = "unpacking"

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(15)
        if reader.is_alive():
            seconds = int(time.monotonic() - started)
            say(f"  ... {doing[0]}, {len(collected)} packages, {fetched_mb[0]:.0f} MB so far, "
                f"{seconds // 60} min {seconds % 60:02d} s")  # fmt: skip
    status = process.wait()
    if status != 0:
        say("\n".join(f"    {line}" for line in last_lines if "is ignored: it is neither" not in line))
    return status


def _require(status: int, what: str) -> None:
    if status != 0:
        raise InstallFailed(
            f"Installing {what} did not finish (see above). Check the internet connection and the free disk space, "
            "then start again: it continues where it stopped."
        )


def _check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise InstallFailed(
            f"The packages need about {needed_bytes / 1e9:.0f} GB of disk while installing; {folder} has "
            f"{free / 1e9:.1f} GB free. Make room and start again."
        )
