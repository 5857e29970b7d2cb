"""Processes of one run end together: a failure in one of them is heard by all, wherever they wait for each other."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from training.events import RunError, Stopped

#: Seconds between two looks at whether another process has ended, and those in which all are to have looked.
LOOK_S, HEARD_S = 0.25, 5.0
ENDED, HEARD, FINISHED = "ended", "heard", "finished"


@contextmanager
def ending_together(accelerator: Any) -> Iterator[None]:
    """Whatever ends one process of a run inside, ends all: at once, with its sentence on everyone's stderr.

    Processes that wait for each other hear nothing, and torch lets them wait until its timeout. The first to fail
    leaves word in a store beside torch's own, and goes on with its exception once the others have it; those leave from
    a thread of their own, for nothing else runs in a process that waits.
    """
    if accelerator.num_processes == 1:
        yield
        return
    word = Word(accelerator)
    threading.Thread(target=word.listen, name="ends", daemon=True).start()
    try:
        yield
    except Stopped:
        word.leave("", 0)
        raise
    except RunError as error:
        word.leave(f"{error} {error.hint}".strip(), 1)
        raise
    except Exception as error:
        word.leave(f"Another process of this run failed: {type(error).__name__}: {error}", 1)
        raise
    word.finish()


class Word:
    """What the first process that ended said. It lies with process 0, on a port that is free there."""

    def __init__(self, accelerator: Any) -> None:
        from accelerate.utils import broadcast_object_list
        from torch.distributed import TCPStore

        self.process, self.others = accelerator.process_index, accelerator.num_processes - 1
        self.done, self.ending = threading.Event(), threading.Lock()
        first, host, wait = self.process == 0, os.environ["MASTER_ADDR"], timedelta(seconds=60)
        store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait) if first else None
        port = broadcast_object_list([store.port if store else 0])[0]
        self.store = store or TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=wait)

    def leave(self, sentence: str, status: int) -> None:
        """Tell the others and wait until they have it, or end as they do when one of them was first."""
        own = json.dumps({"process": self.process, "sentence": sentence, "status": status})
        try:
            told = self.store.compare_set(ENDED, "", own).decode()
        except RuntimeError:  # process 0 is gone, and the word with it
            return
        if told != own:
            self.end(told)
        self.done.set()
        self._wait_for_others(HEARD)

    def finish(self) -> None:
        """At the good end: the word's keeper goes last."""
        self.done.set()
        if self.process:
            with suppress(RuntimeError):
                self.store.add(FINISHED, 1)
        else:
            self._wait_for_others(FINISHED)

    def _wait_for_others(self, at: str) -> None:
        end = time.monotonic() + HEARD_S
        with suppress(RuntimeError):  # process 0 goes last: if it has gone, all have heard
            while time.monotonic() < end and self.store.add(at, 0) < self.others:
                time.sleep(LOOK_S / 5)

    def listen(self) -> None:
        """Look until this process is done; ends it when another has left word, or the keeper of it is gone."""
        while not self.done.wait(LOOK_S):
            try:
                told = self.store.get(ENDED).decode() if self.store.check([ENDED]) else ""
            except RuntimeError:
                if not self.done.is_set():
                    self.end(json.dumps({"sentence": "The first process of this run is gone.", "status": 1}))
                return
            if told and json.loads(told)["process"] != self.process:
                self.end(told)

    def end(self, told: str) -> None:
        """Leave this process, which may be waiting for one that is no more. What it wrote is whole or not there."""
        self.ending.acquire()  # never given back: one of two threads tells it
        said = json.loads(told)
        if said["sentence"]:
            print(said["sentence"], file=sys.stderr, flush=True)
        with suppress(RuntimeError):  # the keeper of the word may be gone
            self.store.add(HEARD, 1)
        if self.process == 0:
            self._wait_for_others(HEARD)
        os._exit(said["status"])
