"""`python app.py swap`, `people`, `review` and `cast`: what the Face swap tab does, from the command line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from diffscaler.delivery import JsonLines, Lines, deliver, given, how_to_write
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.faceswap.identity_stage import told_apart
from diffscaler.faceswap.mask_params import Region
from diffscaler.faceswap.people import read_people
from diffscaler.faceswap.remarks import read_facts, remarks_on
from diffscaler.library.clips import Clip
from diffscaler.requests import (
    Correction,
    EngineChoice,
    FaceSwapRequest,
    FindPeopleRequest,
    FrontChoice,
    InspectPhotoRequest,
    Playing,
    Request,
    ReviewSwapRequest,
)
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.terminal import DONE, write_json

#: Options of the diffusion engine, as the request names them.
REDRAWING = (
    "redraw_model", "ip_adapter", "redraw_strength", "reference_scale", "num_inference_steps", "face_prompt", "seed",
)  # fmt: skip
#: The ways to correct a face.
HOW: tuple[str, ...] = get_args(Correction.model_fields["how"].annotation)


def add_commands(commands: Any, add_output: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add these commands to an argparse subparsers object; each sets `run`."""
    at = commands.add_parser("swap", help="faces onto the people in a clip")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--face", action="append", type=Path, default=[], help="a photo; may be given several times")
    at.add_argument("--consent", help="who agreed to lend the face of --face, and when")
    at.add_argument(
        "--cast", action="append", default=[], metavar="NAME[:PEOPLE]",
        help="a performer of the cast, and the numbers of those they play, as `people` lists them: Anna:0,2",
    )  # fmt: skip
    at.add_argument(
        "--correct", action="append", default=[], metavar="FROM-TO[:PEOPLE][=HOW]",
        help="frames that are done otherwise: 40-52 leaves the original, 40-52:1='over everything', 40-52=parsing",
    )  # fmt: skip
    at.add_argument("--engine", choices=get_args(EngineChoice))
    at.add_argument("--people", choices=("all", "largest"))
    at.add_argument("--strength", type=float)
    at.add_argument("--in-front", choices=get_args(FrontChoice), help="what keeps hands, hair and glasses in front")
    at.add_argument(
        "--regions", metavar="REGION,...", type=lambda text: tuple(text.split(",")),
        help=f"what the new face covers where a face parser looks: {', '.join(get_args(Region))}",
    )  # fmt: skip
    for name, what in (("padding", "share of the crop the outline is drawn in"), ("blur", "share of the crop"),
                       ("steady", "seconds of frames that have a say in a mask")):  # fmt: skip
        at.add_argument(f"--mask-{name}", type=float, help=what)
    at.add_argument("--commercial-only", action="store_true", default=None, help="leave out research-only models")
    own = at.add_argument_group("of --engine diffusion")
    own.add_argument("--model", dest="redraw_model", help="the text-to-video model that redraws the faces")
    own.add_argument("--ip-adapter", help="reads the photos; from models/ip_adapters")
    own.add_argument("--redraw-strength", type=float, help="0 keeps the face that was there, 1 leaves nothing of it")
    own.add_argument("--reference-scale", type=float, help="how closely the photos are followed, 0 to 1")
    own.add_argument("--steps", dest="num_inference_steps", type=int)
    own.add_argument("--face-prompt", help="what the model is told of every face")
    own.add_argument("--seed", type=int)
    add_output(at)
    at.set_defaults(run=swap)

    at = commands.add_parser("people", help="who is in a clip, with the numbers that swap --cast takes")
    at.add_argument("clip", help="a file, or a key from the library")
    at.add_argument("--json", action="store_true")
    at.set_defaults(run=people)

    at = commands.add_parser("review", help="how well a swapped clip of the library came out")
    at.add_argument("clip", help="a key from the library")
    at.add_argument("--json", action="store_true")
    at.set_defaults(run=review)

    at = commands.add_parser("cast", help="the performers whose faces may be used")
    verbs = at.add_subparsers(dest="verb", required=True, metavar="VERB")
    row = verbs.add_parser("list")
    row.set_defaults(run=list_cast)
    row = verbs.add_parser("add", help="a performer who agreed")
    row.add_argument("name")
    row.add_argument("--photo", action="append", type=Path, required=True, help="may be given several times")
    row.add_argument("--consent", required=True, help="who agreed to lend the face, and when")
    row.set_defaults(run=add_member)
    row = verbs.add_parser("rm", help="take somebody out of the cast; photos and clips stay")
    row.add_argument("name")
    row.set_defaults(run=remove_member)
    for row in verbs.choices.values():
        row.add_argument("--json", action="store_true")


def swap(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    cast = tuple(playing(studio, text) for text in args.cast)
    corrections = tuple(correction(text) for text in args.correct)
    masks = ("in_front", "regions", "mask_padding", "mask_blur", "mask_steady")
    own = ("consent", "engine", "people", "strength", "commercial_only")
    values = given(args, *own, *masks, *REDRAWING) | how_to_write(args)
    if not cast and not args.face:
        raise InvalidRequest("Nobody is to be swapped in.", "Give a photo with --face, or a performer with --cast.")
    faces = tuple(studio.add_file(path).key for path in args.face)
    clip = clip_of(studio, args.clip).key
    return deliver(studio, FaceSwapRequest(clip=clip, faces=faces, cast=cast, corrections=corrections, **values), args)


def playing(studio: Studio, text: str) -> Playing:
    """ "Anna" or "Anna:0,2". Raises InvalidRequest for who is not in the cast and for what are no numbers."""
    people: Any = "all"
    try:
        member = studio.cast.find(text)  # a name may have a colon itself
    except InvalidRequest:
        name, colon, numbers = text.rpartition(":")
        if not colon:
            raise
        member, people = studio.cast.find(name), _numbers(numbers)
    return Playing(name=member.name, faces=member.photos, consent=member.statement, people=people)


def correction(text: str) -> Correction:
    """ "40-52", "40-52:1", "40-52=builtin", "17:0,1=over everything"; frames count from 0, the last one included."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?::([\d,]+))?(?:=(.+))?", text.strip())
    if match is None:
        raise InvalidRequest(f"{text!r} names no frames.", "Write it as 40-52, 40-52:1 or 40-52=builtin.")
    first, last, numbers, how = match.groups()
    people = _numbers(numbers) if numbers else ()
    if int(last or first) < int(first):
        raise InvalidRequest(f"{text!r} ends before it begins.", f"Write it as {last}-{first}.")
    if (how := how or "skip") not in HOW:
        raise InvalidRequest(f"{how!r} is no way to correct a face.", f"Choose {', '.join(HOW)}.")
    return Correction(start=int(first), stop=int(last or first) + 1, people=people, how=how)  # type: ignore[arg-type]


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidRequest(f"{text!r} is no list of people's numbers.", "See `python app.py people CLIP`.") from None


def clip_of(studio: Studio, text: str) -> Clip:
    """A file on disk, or else a library key."""
    path = Path(text)
    if path.exists() or path.suffix or not text.isalnum():
        return studio.add_file(path)
    return studio.library.clip(text)


@contextmanager
def looked_up(studio: Studio, request: Request, args: argparse.Namespace) -> Iterator[tuple[Clip, Any]]:
    """The result of a request that only finds something out: its clip and chunks. Raises what ended the job."""
    recipe = studio.recipe(request)
    if not studio.library.complete(recipe.root.key):
        say = JsonLines() if args.json else Lines()
        for job in studio.follow(studio.submit_recipe(recipe).id):
            if not job.ended:
                say.job(job)
        if job.state != "done":
            raise DiffScalerError(job.sentence or "The job was stopped.", job.hint)
    yield studio.library.clip(recipe.root.key), studio.library.read(recipe.root.key)


def people(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    clip = clip_of(studio, args.clip)
    with looked_up(studio, FindPeopleRequest(clip=clip.key), args) as (found, chunks):
        everyone, how = read_people(chunks), told_apart(found.node)
    if args.json:
        write_json({"clip": clip.key, "people": [vars(person) for person in everyone], "told_apart": how})
        return DONE
    fps = float(clip.meta.fps)
    for person in everyone:
        sys.stdout.write(
            f"{person.track:>3}  {person.start / fps:6.1f} to {person.stop / fps:.1f} s, "
            f"person {person.person}, {person.best_box[3] - person.best_box[1]:.0f} px high, "
            f"{person.confidence:.0%} sure\n"
        )
    if len(everyone) > 1:
        sys.stdout.write(f"The first number is what --cast takes; people told apart {how}.\n")
    sys.stdout.write(f"In the library: {clip.key[:12]}\n" if everyone else "No face was found in this clip.\n")
    return DONE


def review(args: argparse.Namespace, settings: Settings) -> int:
    from diffscaler.faceswap.review import Review

    studio = Studio(settings)
    clip = studio.library.clip(args.clip)
    with looked_up(studio, ReviewSwapRequest(clip=clip.key), args) as (found, chunks):
        seen = Review.read(chunks, found.meta.num_frames)
    card = {name: None if value != value else round(value, 4) for name, value in seen.card().items()}
    if args.json:
        rows = [vars(concern) for concern in seen.concerns()]
        write_json({"clip": clip.key, "card": card, "skipped": seen.skipped(), "concerns": rows})
        return DONE
    for name, value in card.items():
        sys.stdout.write(f"{name:<11} {'not measured' if value is None else value}\n")
    for why, count in seen.skipped().items():
        sys.stdout.write(f"{'skipped':<11} {count} frame{'s' if count > 1 else ''}: {why}\n")
    for concern in seen.concerns():
        sys.stdout.write(f"frames {concern.start}-{concern.stop - 1}, person {concern.track}: {concern.what}\n")
    return DONE


def list_cast(args: argparse.Namespace, settings: Settings) -> int:
    members = Studio(settings).cast.list()
    if args.json:
        write_json({"cast": [member.model_dump(mode="json") for member in members]})
        return DONE
    for member in members:
        sys.stdout.write(f"{member.statement}, {len(member.photos)} photo{'s' if len(member.photos) > 1 else ''}\n")
    return DONE


def add_member(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    keys = tuple(studio.add_file(path).key for path in args.photo)
    for path, key in zip(args.photo, keys, strict=True):
        with looked_up(studio, InspectPhotoRequest(photo=key), args) as (_, chunks):
            grade, said = remarks_on(read_facts(next(iter(chunks)).tensors))
        if grade == "bad":
            raise InvalidRequest(f"{path.name}: {said[0]}", "Use another photo.")
        for text in said:
            sys.stderr.write(f"{path.name}: {text}\n")
    member = studio.cast.add(args.name, keys, args.consent, True)
    if args.json:
        write_json({"member": member.model_dump(mode="json")})
    else:
        sys.stdout.write(f"In the cast: {member.statement}\n")
    return DONE


def remove_member(args: argparse.Namespace, settings: Settings) -> int:
    studio = Studio(settings)
    member = studio.cast.find(args.name)
    studio.cast.remove(member.id)
    if args.json:
        write_json({"removed": member.id})
    else:
        sys.stdout.write(f"{member.name} is no longer in the cast.\n")
    return DONE
