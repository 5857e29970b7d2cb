"""`python app.py models list|get|add|rm|check|export`: the same as the page's models, from the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.models.hub import hub_of
from diffscaler.models.place import size_of
from diffscaler.models.spec import Known
from diffscaler.settings import GIB, Settings
from diffscaler.speed import measured
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, FAILED, STOPPED, show_line, show_progress, write_json
from diffscaler.text2video.export import FORMATS, export
from diffscaler.wording import bytes_in_words


def add_commands(commands: Any) -> None:
    """Add `models` to an argparse subparsers object; each of its verbs sets `run`."""
    at = commands.add_parser("models", help="get, add, remove and check models")
    verbs = at.add_subparsers(dest="verb", required=True, metavar="VERB")

    row = verbs.add_parser("list", help="what is installed, and what could be")
    row.set_defaults(run=list_models)

    row = verbs.add_parser("get", help="download a model, or mend one; a stopped download continues")
    row.add_argument("model", help="a name from `models list`, or owner/name[@revision] at the hub")
    row.set_defaults(run=get)
    add_naming(row)

    row = verbs.add_parser("add", help="use a model that is on this machine already")
    row.add_argument("model", metavar="PATH_OR_REPO", help="a model's folder, an upscaler file, or owner/name")
    row.add_argument("--copy", action="store_true", help="copy it into the models folder instead of using it there")
    row.set_defaults(run=add)
    add_naming(row)

    row = verbs.add_parser("rm", help="delete a model's files; a folder that was only added stays where it is")
    row.add_argument("model")
    row.add_argument("--yes", action="store_true", help="do not ask")
    row.set_defaults(run=remove)

    row = verbs.add_parser("check", help="compare models with the checksums of their download")
    row.add_argument("model", nargs="?", help="all that were downloaded when none is named")
    row.set_defaults(run=check)

    row = verbs.add_parser("export", help="write a model's network under the names another program reads")
    row.add_argument("model")
    row.add_argument("folder", type=Path, help="a new folder; nothing is written over")
    row.add_argument(
        "--as",
        dest="format",
        choices=sorted(FORMATS),
        required=True,
        help="hotshot: an SDXL motion model's network as Hotshot-XL has it, which ComfyUI's AnimateDiff nodes read",
    )
    row.set_defaults(run=export_model)

    for row in verbs.choices.values():
        row.add_argument("--json", action="store_true", help="one JSON object a line on stdout")


def add_naming(at: argparse.ArgumentParser) -> None:
    at.add_argument("--name", help="what to call it here")
    at.add_argument("--token-from-env", action="store_true", help="fail unless HF_TOKEN, used where set, has a token")


def list_models(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    for known in studio.catalogue.known():
        speed = measured(studio.library, known.spec) if known.installed else None
        if args.json:
            write_json(row_of(known) | {"speed": speed.row() if speed else None})
        else:
            licence = f"{known.spec.licence}{', asks to accept it first' if known.spec.gated else ''}"
            told = f"{known.spec.title} ({licence})" + (f"; {speed}" if speed else "")
            sys.stdout.write(f"{known.spec.name:<20}  {state_of(known):<22}  {told}\n")
    return DONE


def get(args: argparse.Namespace, settings: Settings) -> int:
    """Queue the download and follow it to its end."""
    studio = Studio(settings)
    if args.name and "/" not in args.model:
        raise InvalidRequest("--name is for a repository of the hub.", "Write the model as owner/name.")
    if args.token_from_env and not hub_of(settings).token:
        raise InvalidRequest("There is no token in HF_TOKEN.", "Set it in this terminal, then try again.")
    submitted = studio.get_model(args.model, as_name=args.name)
    job, name = submitted, str(submitted.payload["model"])
    try:
        for job in studio.follow(submitted.id):
            say(job, args.json)
    except KeyboardInterrupt:
        studio.queue.stop(submitted.id)
        job = studio.queue.get(submitted.id)
    show_line("")
    if not job.ended or job.state == "stopped":
        sys.stderr.write("Stopped. What was fetched is kept: the same command continues from there.\n")
        return STOPPED
    if job.state == "failed":
        raise DiffScalerError(job.sentence, job.hint)
    return told(studio.shelf.find(name), args.json)


def say(job: Job, as_json: bool) -> None:
    if as_json:
        write_json(job.event())
    elif job.state == "queued":
        show_line("In the queue; it begins when the download before it has ended.")
    else:
        show_progress(job)


def add(args: argparse.Namespace, settings: Settings) -> int:
    """Link or copy what is on this machine; a repository is fetched."""
    path = Path(args.model).expanduser()
    if not path.exists() and args.model.count("/") == 1 and args.model[0] not in "./~":
        return get(args, settings)
    return told(Studio(settings).shelf.add(path, args.name, args.copy), args.json)


def remove(args: argparse.Namespace, settings: Settings) -> int:
    """Say what would be deleted, ask, delete."""
    studio = Studio(settings)
    removal = studio.shelf.removal(args.model)
    if removal.kept is None and not args.yes:
        if not sys.stdin.isatty():
            raise InvalidRequest(f"This would delete {removal}", "Say --yes to do it.")
        sys.stderr.write(f"Delete {removal} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.stderr.write("Nothing was deleted.\n")
            return FAILED
    studio.remove_model(removal)
    if args.json:
        write_json({"state": "removed", "name": removal.name, "bytes": removal.size_bytes})
    else:
        sys.stdout.write(f"{removal}\n" if removal.kept else f"Removed {removal}\n")
    return DONE


def check(args: argparse.Namespace, settings: Settings) -> int:
    """Check one model, or all that have a record. Exits with 1 when a file is damaged."""
    studio = Studio(settings)
    every = [known.spec.name for known in studio.catalogue.known() if known.installed]
    names = [args.model] if args.model else [name for name in every if studio.shelf.record(name)]
    code = DONE
    for name in names:
        try:
            code = max(code, check_one(studio, name, args.json))
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return STOPPED
    if not names and not args.json:
        sys.stdout.write("No model here was downloaded by the studio, so there is nothing to check.\n")
    return code


def check_one(studio: Studio, name: str, as_json: bool) -> int:
    record = studio.shelf.record(name)
    total, done = record.size_bytes if record else 0, 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        show_line(f"{done / max(1, total):4.0%}  Checking {name}")

    found = studio.shelf.check(name, lambda: False, count)
    show_line("")
    if as_json:
        damaged = [{"file": damage.file.path, "reason": damage.reason} for damage in found]
        write_json({"name": name, "state": "damaged" if found else "sound", "bytes": total, "damaged": damaged})
        return FAILED if found else DONE
    if not found:
        sys.stdout.write(f"{name}: all files are as they were downloaded ({bytes_in_words(total)}).\n")
        return DONE
    for damage in found:
        sys.stdout.write(f"{name}: {damage}.\n")
    size = bytes_in_words(sum(damage.file.size_bytes for damage in found))
    sys.stderr.write(f"`python app.py models get {name}` fetches only that again ({size}).\n")
    return FAILED


def export_model(args: argparse.Namespace, settings: Settings) -> int:
    """Write a model's network in another program's format."""
    spec = Studio(settings).catalogue.spec(args.model)
    target = export(spec, args.folder, args.format, int(settings.disk_reserve_gb * GIB))
    size = size_of(target)
    if args.json:
        write_json({"state": "exported", "name": spec.name, "path": str(target), "bytes": size})
    else:
        sys.stdout.write(f"{spec.name}: {bytes_in_words(size)} in {target}\n")
    return DONE


def told(known: Known, as_json: bool) -> int:
    """Say what a model is now."""
    if as_json:
        write_json(row_of(known))
    else:
        sys.stdout.write(f"{known.spec.name}: {state_of(known)} in {known.spec.path}\n")
    return DONE


def row_of(known: Known) -> dict[str, Any]:
    """A model as one line of `--json` output. bytes: on the disk; download_bytes: 0 while the hub was not asked."""
    spec = known.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "kind": spec.kind,
        "state": state_of(known).partition(",")[0],
        "installed": known.installed,
        "path": str(spec.path) if spec.path is not None else None,
        "bytes": size_of(spec.path) if known.installed and spec.path is not None else known.part_bytes,
        "download_bytes": spec.download_bytes,
        "repo": spec.source.repo if spec.source else None,
        "licence": spec.licence,
        "commercial": spec.commercial,
        "gated": spec.gated,
    }


def state_of(known: Known) -> str:
    """Whether a model is there, and how much of it."""
    spec = known.spec
    if spec.built_in or spec.path is None:
        return "built in"
    if known.installed:
        return f"{'linked' if known.linked else 'installed'}, {bytes_in_words(size_of(spec.path))}"
    if known.part_bytes:
        return f"begun, {bytes_in_words(known.part_bytes)}"
    return "its files are gone" if known.linked else "not installed"
