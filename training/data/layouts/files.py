"""Clips with a .txt beside each, folders of frames with a prompt.txt, and bare footage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from diffscaler.datasets.shot import Fault
from training.data.layouts.finder import walked
from training.data.layouts.listing import CLIP_SUFFIXES, PICTURE_SUFFIXES, Entry, Listing, captions_in, gathered

#: The caption of a folder of frames, as Hotshot-XL's training script has it.
PROMPT = "prompt.txt"


def read_files(root: Path) -> Listing:
    """Everything below a folder that is a clip, captioned or not."""
    listing = gathered("", found_in(root))
    frames = sum(entry.path.is_dir() for entry in listing.entries)
    captioned = any(entry.captions for entry in listing.entries)
    if not captioned:
        layout = "bare footage, without captions"
    elif frames == len(listing.entries):
        layout = f"folders of frames, each with its {PROMPT}"
    elif frames:
        layout = "clips and folders of frames, with captions beside them"
    else:
        layout = "clips, each with a .txt of its name"
    return Listing(layout, listing.entries, listing.faults)


def found_in(root: Path) -> Iterator[Entry | Fault]:
    """Clips below a folder. Pictures are the frames of one clip, unless they lie beside videos or have captions."""
    for folder, files in walked(root):
        names = {file.name for file in files}
        videos = [file for file in files if file.suffix.lower() in CLIP_SUFFIXES]
        pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
        alone = [file for file in pictures if f"{file.stem}.txt" in names]
        for clip in (*videos, *alone):
            yield from captioned(root, clip, clip.with_suffix(".txt"))
        if pictures and (PROMPT in names or not (videos or alone)):
            yield from captioned(root, folder if len(pictures) > 1 else pictures[0], folder / PROMPT)


def captioned(root: Path, clip: Path, text: Path) -> Iterator[Entry | Fault]:
    """A clip with what its text file says; a text that cannot be read is told, and the clip goes without."""
    captions: tuple[str, ...] = ()
    try:
        captions = captions_in(text.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        pass
    except UnicodeDecodeError:
        yield Fault(named(root, text), f"{text.name} is not text in UTF-8: {clip.name} goes without a caption.")
    except OSError:
        yield Fault(named(root, text), f"{text.name} could not be opened: {clip.name} goes without a caption.")
    yield Entry(clip.absolute(), captions, named(root, clip))


def named(root: Path, path: Path) -> str:
    """A path as people know it: below the folder they gave."""
    return root.name if path == root else path.relative_to(root).as_posix()
