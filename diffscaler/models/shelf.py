"""What a person does with models: get, add, remove, check. The command line and the page ask here."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffscaler.errors import InvalidRequest, ModelNotFound, NotEnoughRoom
from diffscaler.library.files import remove_tree, room_for
from diffscaler.models.annotators import DOES, annotator_of, check_annotator
from diffscaler.models.catalogue import UPSCALER_SUFFIXES, Catalogue, names_family, plain, text2video_folder
from diffscaler.models.diffusion_upscalers import is_upscaler_folder
from diffscaler.models.links import link_path, write_link
from diffscaler.models.place import INCOMING, Place, size_of
from diffscaler.models.source import REPOSITORY, ModelSource, Record, read_record
from diffscaler.models.spec import Known
from diffscaler.models.traits import identify
from diffscaler.models.verify import Count, Damage, damages
from diffscaler.models.weights import free_bytes
from diffscaler.settings import GIB, Settings
from diffscaler.wording import bytes_in_words

# Folders of the models folder that are no models.
TAKEN = ("upscalers", "interpolators", "loras", "controlnets", "aesthetics")


# Kinds that are one file, and the folder their files lie in.
FILES = {"upscaler": "upscalers", "interpolator": "interpolators"}


@dataclass(frozen=True)
class Order:
    """A model to get. title: for people; source: where from"""

    name: str
    title: str
    source: ModelSource


@dataclass(frozen=True)
class Removal:
    """What removing a model deletes. paths: below the models folder; kept: where its files stay, for a link"""

    name: str
    paths: tuple[Path, ...]
    size_bytes: int
    kept: Path | None = None

    def __str__(self) -> str:
        if self.kept is not None:
            return f"{self.name} is forgotten; its files stay in {self.kept}."
        return f"{self.name}: {bytes_in_words(self.size_bytes)} in {', '.join(str(path) for path in self.paths)}."


class Shelf:
    """The models folder and what may be done in it."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.settings = settings
        self.root = settings.models_dir
        self.catalogue = catalogue

    def find(self, name: str) -> Known:
        """A model by its name, installed or not. Raises ModelNotFound."""
        every = self.catalogue.known()
        for known in every:
            if known.spec.name == name:
                return known
        names = ", ".join(known.spec.name for known in every)
        raise ModelNotFound(f"There is no model called {name[:60]!r}.", f"Known here: {names}; or give owner/name.")

    def order(self, text: str, name: str | None = None) -> Order:
        """What `get` means by a model's name, or by a repository of the hub: "owner/name" or "owner/name@revision".

        name: what to call a repository's model here
        Raises ModelNotFound, InvalidRequest for a model that is not fetched.
        """
        if "/" in text:
            return self._repository(text, name)
        known = self.find(text)
        spec, record = known.spec, read_record(known.spec.path) if known.spec.path else None
        if spec.built_in or spec.path is None:
            raise InvalidRequest(f"{spec.name} comes with the studio.", "There is nothing to download.")
        if known.linked:
            raise InvalidRequest(
                f"{spec.name} is used where it lies, in {spec.path}.", "Remove it first to download it instead."
            )
        if record is None and spec.source is None:
            raise InvalidRequest(f"{spec.name} is not from a hub.", spec.description or "Add its files yourself.")
        source = spec.source or ModelSource(repo=record.repo if record else "")
        return Order(spec.name, spec.title, source)

    def _repository(self, text: str, name: str | None) -> Order:
        repo, _, revision = text.partition("@")
        if not re.fullmatch(REPOSITORY, repo):
            raise InvalidRequest(f"{text[:80]!r} is neither a model nor a repository.", "Write it as owner/name.")
        source = ModelSource(repo=repo, revision=revision or "main")
        every = self.catalogue.known()
        if name is None and not revision:
            for known in every:
                if known.spec.source is not None and known.spec.source.repo == repo:
                    return self.order(known.spec.name)
        name = self.new_name(name or repo.partition("/")[2].lower(), source)
        return Order(name, repo, source)

    def new_name(self, name: str, source: ModelSource | None = None) -> str:
        """`name` as a name no other model has. source: whose own folder may be there, whole or not."""
        name = plain(name)
        record = read_record(self.root / name)
        own = source is not None and record is not None and record.repo == source.repo
        names = {known.spec.name.casefold() for known in self.catalogue.known()} | set(TAKEN)
        if (name.casefold() in names or (self.root / name).exists()) and not own:
            raise InvalidRequest(f"There is a model called {name} already.", "Choose another with --name.")
        return name

    def add(self, path: Path, name: str | None = None, copy: bool = False) -> Known:
        """Take in a model that lies on this machine: used where it is, or copied into the models folder.

        path: a diffusers folder, an annotator's folder (models/annotators.py), an upscaler file, or a file of a model
            that is known here by that file's name
        name: what to call it; a name known here and not installed says that this is that model
        Raises InvalidRequest, NotEnoughRoom.
        """
        path = path.expanduser().resolve()
        kind = kind_of(path)
        if path.is_relative_to(self.root):
            raise InvalidRequest(f"{path.name} lies in the models folder already.", "See `python app.py models list`.")
        described = self._described(path, name)
        if kind is None:
            check_annotator(path)
        if not fits(path, kind, described):
            raise InvalidRequest(
                f"{path.name} is no model that the studio knows.",
                "A text-to-video model is a folder with model_index.json, an upscaler a .safetensors or .pth file.",
            )
        if kind == "text2video" and text2video_folder(path).family is None:
            identify(path)  # says which pipeline it is, and which ones run here
        if described is not None:
            name = described.spec.name
        else:
            name = self.new_name(name or (path.stem if path.is_file() else path.name))
        if not copy:
            self.root.mkdir(parents=True, exist_ok=True)
            write_link(self.root, name, path, None if described else kind)
        elif described is not None and described.spec.path is not None:
            self._copy(path, described.spec.path)
        else:
            inside = f"{FILES[kind]}/{name}{path.suffix.lower()}" if path.is_file() and kind else name
            self._copy(path, self.root / inside)
        return self.find(name)

    def _described(self, path: Path, name: str | None) -> Known | None:
        """The model known here, and not installed, that a file or folder is."""
        for known in self.catalogue.known():
            spec = known.spec
            if known.installed or spec.path is None:
                continue
            if spec.name == name or (name is None and path.is_file() and path.name == spec.path.name):
                return known
        return None

    def _copy(self, path: Path, target: Path) -> None:
        """Copy a file or folder, whole or not at all; links inside a folder are followed."""
        size = size_of(path)
        free = free_bytes(self.root) - int(self.settings.disk_reserve_gb * GIB)
        if size > free:
            raise NotEnoughRoom(
                f"{path.name} needs {bytes_in_words(size)} of disk; {bytes_in_words(max(0, free))} are free.",
                "Make room, or leave out --copy to use it where it lies.",
            )
        part = self.root / INCOMING / f"{uuid.uuid4().hex}.copy"
        part.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with room_for(path.name):
                if path.is_dir():
                    shutil.copytree(path, part)
                else:
                    shutil.copyfile(path, part)
            os.replace(part, target)
        finally:
            remove_tree(part)

    def removal(self, name: str) -> Removal:
        """What `remove` would delete: shown before it does. Raises InvalidRequest for a model of the studio's own."""
        if name != plain(name):
            raise ModelNotFound(f"There is no model called {name[:60]!r}.", "See `python app.py models list`.")
        place = Place(self.root, name)
        started = [place.incoming] if place.incoming.is_dir() else []
        try:
            known = self.find(name)
        except ModelNotFound:
            if started:  # a repository whose download was stopped
                return Removal(name, tuple(started), size_of(place.incoming))
            raise
        spec = known.spec
        if known.linked:
            return Removal(name, (link_path(self.root, name),), 0, spec.path)
        if spec.built_in or spec.path is None:
            raise InvalidRequest(f"{name} comes with the studio and stays.", "It takes no room in the models folder.")
        paths = [spec.path, *started] if known.installed else started
        if not paths:
            raise InvalidRequest(f"{name} is not installed.", f"`python app.py models get {name}` would download it.")
        if not all(path.is_relative_to(self.root) for path in paths):  # a rule, should a description ever say so
            raise InvalidRequest(f"{name} does not lie in the models folder.", "Delete its files by hand.")
        return Removal(name, tuple(paths), sum(size_of(path) for path in paths))

    def remove(self, removal: Removal) -> None:
        """Carry it out. A folder leaves its place at once, so that half a model is never listed."""
        for path in removal.paths:
            gone = self.root / INCOMING / f"{uuid.uuid4().hex}.gone"
            gone.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.exists():
                os.replace(path, gone)
                remove_tree(gone)

    def record(self, name: str) -> Record | None:
        """What was noted when a model was downloaded; None for one that was not."""
        path = self.find(name).spec.path
        return read_record(path) if path is not None else None

    def check(self, name: str, stopped: Callable[[], bool], count: Count = lambda size: None) -> list[Damage]:
        """Compare an installed model with what was recorded at its download, without the hub.

        count: told of every byte checked
        Raises InvalidRequest when nothing was recorded, JobCancelled on Stop.
        """
        path, record = self.find(name).spec.path, self.record(name)
        if path is None or record is None:
            raise InvalidRequest(
                f"{name} was not downloaded by the studio, so there is nothing to compare it with.",
                f"`python app.py models get {name}` works for models from a hub.",
            )
        return damages(path, record, stopped, count)


def fits(path: Path, kind: str | None, described: Known | None) -> bool:
    """Whether a file or folder can be the model described, or a new one when none is."""
    if described is None:
        return kind is not None
    return kind == described.spec.kind if described.spec.kind in ("text2video", *DOES) else path.is_file()


def kind_of(path: Path) -> str | None:
    """ "text2video", "upscaler", "interpolator", an annotator's kind, or None for what is none of them.

    Raises InvalidRequest when there is nothing.
    """
    if not path.exists():
        raise InvalidRequest(f"There is no {path.name}.", "Check the path.")
    if is_upscaler_folder(path):
        return "upscaler"
    if path.is_dir():
        if (path / "model_index.json").is_file() or names_family(path):
            return "text2video"
        annotator = annotator_of(path)
        return annotator.kind if annotator else None
    if path.suffix.lower() == ".pkl":  # as RIFE's flownet.pkl is called
        return "interpolator"
    return "upscaler" if path.suffix.lower() in UPSCALER_SUFFIXES else None
