"""Prepares a folder for training: finds its clips, cuts them into shots, scores those, writes the manifest.

Nothing of the folder is changed. Everything is written to the data set's own folder: the manifest, strips of pictures,
and the journal from which a stopped or killed preparing goes on.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from diffscaler.datasets import manifest as stored
from diffscaler.datasets.changes import read_changes, with_changes
from diffscaler.datasets.edits import edits_of, with_edits
from diffscaler.datasets.manifest import PICTURES, DatasetError, Manifest
from diffscaler.datasets.shot import Clip, Fault
from diffscaler.errors import DiffScalerError, NotEnoughRoom
from training.data.fingerprint import duplicates
from training.data.journal import Journal
from training.data.layouts.detect import read_layout
from training.data.layouts.listing import Entry, Listing
from training.data.looks import Looks
from training.data.measure import content_of, measured
from training.data.options import Options
from training.data.reporting import Report
from training.data.scorers import Models, ScorerFailed
from training.events import Stopped

#: Faults a manifest lists; a table may name ten million clips that are not here.
MOST_FAULTS = 1000
#: Seconds after which what is done so far is shown, and how much of the time writing that may take.
FIRST_LOOK_S, SHARE = 3.0, 1 / 20


def prepare(
    folder: Path,
    dataset: Path,
    options: Options,
    report: Report,
    stopped: Callable[[], bool],
    workers: int,
    models: Models | None = None,
) -> Manifest:
    """Prepare `folder` into the data set's folder `dataset`, whatever of it was done before is kept.

    stopped: asked with every frame; workers: clips read at once; models: what scores captions and pictures
    Raises RunError when there is nothing to prepare, Stopped once `stopped`, NotEnoughRoom, ScorerFailed.
    """

    def go_on() -> None:
        if stopped():
            raise Stopped

    listing = read_layout(folder.absolute())
    (dataset / PICTURES).mkdir(parents=True, exist_ok=True)
    report.found(listing)
    looks = Looks(models, dataset) if models else None
    making = Making(folder.absolute(), dataset, listing, options, looks)
    began, looked = time.monotonic(), 0.0
    journal = Journal(dataset, options.digest())
    for index, clip in measuring(listing.entries, journal, options, stopped, workers, looks, making.note):
        making.add(index, clip)
        report.clip(clip, stopped())
        now = time.monotonic()
        if now - began > FIRST_LOOK_S and now >= looked:
            making.write(complete=False)
            looked = now + max(FIRST_LOOK_S, (time.monotonic() - now) / SHARE)
    if looks:
        with suppress(Stopped):
            looks.finish(making.decided(making.found(complete=False)), go_on, report.scored)
    made = making.write(complete=not stopped())
    if not made.complete:
        raise Stopped
    report.done_with(made)
    return made


class Making:
    """The manifest as it fills. dataset: its folder"""

    def __init__(
        self, folder: Path, dataset: Path, listing: Listing, options: Options, looks: Looks | None = None
    ) -> None:
        self.folder, self.dataset, self.listing, self.options = folder, dataset, listing, options
        self.looks = looks
        self.done: dict[int, Clip | Fault] = {}
        self.notes: list[Fault] = []

    def add(self, index: int, made: Clip | Fault) -> None:
        """What came of an entry of the listing."""
        self.done[index] = made

    def note(self, fault: Fault) -> None:
        """What went wrong with a clip that is used all the same; from any thread."""
        self.notes.append(fault)

    def write(self, complete: bool) -> Manifest:
        """Put what there is in place, with people's edits and limits as they are now."""
        found = self.found(complete)  # takes a second or more of ten thousand: nobody's edit waits that long
        with stored.lock_of(self.dataset):
            made = self.decided(found)
            stored.write(self.dataset, made)
        return made

    def found(self, complete: bool) -> Manifest:
        """What there is in the folder."""
        made = [self.done[index] for index in sorted(self.done)]
        notes = sorted(self.notes, key=lambda fault: fault.where)
        faults = [*self.listing.faults, *(one for one in made if isinstance(one, Fault)), *notes]
        return Manifest(
            folder=str(self.folder),
            layout=self.listing.layout,
            options=self.options.row(),
            complete=complete,
            more_faults=max(0, len(faults) - MOST_FAULTS),
            clips=told_apart([one for one in made if isinstance(one, Clip)]),
            faults=tuple(faults[:MOST_FAULTS]),
        )

    def decided(self, found: Manifest) -> Manifest:
        """What there is, with what people decided and what networks say of it."""
        try:
            before = stored.read(self.dataset)
        except DatasetError:
            before = with_changes(found, read_changes(self.dataset))
        made = with_edits(replace(found, thresholds=before.thresholds), edits_of(before))
        return self.looks.scored(made) if self.looks else made


def measuring(
    entries: tuple[Entry, ...],
    journal: Journal,
    options: Options,
    stopped: Callable[[], bool],
    workers: int,
    looks: Looks | None = None,
    note: Callable[[Fault], None] = lambda fault: None,
) -> Iterator[tuple[int, Clip | Fault]]:
    """(index, clip or why it is none) of each entry, as they get done; ends early once `stopped`.

    note: told, by the thread that reads it, what went wrong with a clip that is yielded all the same
    """

    def go_on() -> None:
        if stopped():
            raise Stopped

    def work(entry: Entry) -> Clip | Fault:
        try:
            go_on()
            sha256 = content_of(entry.path)
            clip = journal.known(sha256)
            if clip is None:
                see = looks.see if looks else None
                clip = measured(entry.path, sha256, options, journal.pictures, go_on, see)
            elif looks and (missed := looks.see_again(entry.path, clip, options.folder_fps, go_on)):
                note(Fault(entry.where, missed))
            return replace(clip, path=str(entry.path), where=entry.where, captions=entry.captions)
        except (Stopped, NotEnoughRoom, ScorerFailed):
            raise
        except DiffScalerError as error:
            return Fault(entry.where, str(error))
        except OSError as error:
            return Fault(entry.where, f"{entry.path.name} could not be read: {error.strerror or error}.")
        except Exception as error:  # one clip that trips a decoder must not end the work on ten thousand
            traceback.print_exc(file=sys.stderr)
            return Fault(entry.where, f"{entry.path.name} could not be measured ({type(error).__name__}).")

    waiting = iter(enumerate(entries))
    with ThreadPoolExecutor(workers, "prepare") as pool:
        running: dict[Future[Clip | Fault], int] = {}
        while True:
            for index, entry in islice(waiting, 2 * workers - len(running)):
                running[pool.submit(work, entry)] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                try:
                    made = future.result()
                except Stopped:
                    continue
                if isinstance(made, Clip) and made.sha256 not in journal.clips:
                    journal.add(replace(made, path="", where="", captions=()))
                yield index, made
            if stopped():
                waiting = iter(())


def told_apart(clips: list[Clip]) -> tuple[Clip, ...]:
    """Clips whose shots say which earlier one they repeat. The same file twice, or one saved again smaller."""
    shots = [(number, shot) for number, clip in enumerate(clips) for shot in clip.shots]
    # Of equal shots the one with the most pixels stands for all; the order among equal sizes is the listing's.
    order = sorted(range(len(shots)), key=lambda i: -clips[shots[i][0]].width * clips[shots[i][0]].height)
    first = duplicates([shots[i][1].print for i in order])
    repeats = {order[at]: shots[order[of]][1].key for at, of in enumerate(first) if of is not None}
    made: list[list] = [[] for _ in clips]
    for i, (number, shot) in enumerate(shots):
        made[number].append(replace(shot, duplicate_of=repeats.get(i, "")))
    return tuple(replace(clip, shots=tuple(own)) for clip, own in zip(clips, made, strict=True))
