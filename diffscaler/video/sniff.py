"""What a file is, judged by its first bytes, so that a wrong file gets a sentence of its own."""

from __future__ import annotations

from pathlib import Path

from diffscaler.errors import MediaError

TRY_VIDEO = "Try MP4, MOV, MKV, WebM or GIF."
TRY_PICTURE = "Try JPEG, PNG, WebP or HEIC."
TRY_AGAIN = "Copy or download it again, or export it anew from the program that made it."

HEAD_BYTES = 4096

#: Endings of still pictures.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")

# First bytes -> what a person calls such a file. Only kinds that people do drop on a video page.
KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a text document"),
)


def head_of(path: Path) -> bytes:
    """The first 4096 bytes of a file.

    Raises MediaError when the file is missing, is a folder, is empty or may not be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise MediaError(f"{path.name} is not there.", "It may have been moved or renamed: choose it again.") from None
    except IsADirectoryError:
        raise MediaError(f"{path.name} is a folder, not a file.", TRY_VIDEO) from None
    except (OSError, ValueError):  # ValueError: a name with a NUL in it
        raise MediaError(f"{path.name} could not be opened.", "Check that you may read this file.") from None
    if not head:
        raise MediaError(f"{path.name} is empty (0 bytes).", TRY_AGAIN)
    return head


def is_text(head: bytes) -> bool:
    """Whether bytes look like text: UTF-8 or UTF-16 with a mark, and next to no control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        # A mark alone proves little (MP3 frames begin with FF FE too): every second byte of plain text is 0.
        return len(head) >= 4 and (head[3::2].count(0) > len(head) // 4 or head[2::2].count(0) > len(head) // 4)
    for cut in range(4):  # the head may end inside a character
        try:
            text = head[: len(head) - cut].decode("utf-8")
            break
        except UnicodeDecodeError:
            continue
    else:
        return False
    odd = sum(1 for letter in text if ord(letter) < 32 and letter not in "\t\n\r\f\x1b")
    return bool(text) and odd == 0


def refuse_other(name: str, head: bytes) -> None:
    """Raise MediaError when `head` is plainly something else than picture or sound; return otherwise."""
    for magic, what in KNOWN_OTHERS:
        if head.startswith(magic):
            raise not_what_it_says(name, f"it is {what}")
    if is_text(head):
        raise not_what_it_says(name, "it starts like a text file")


def not_what_it_says(name: str, why: str) -> MediaError:
    """The sentence for a file that is not what its ending says, a picture or else a video."""
    if name.lower().endswith(PICTURE_SUFFIXES):
        return MediaError(f"{name} is not a picture: {why}.", TRY_PICTURE)
    return MediaError(f"{name} is not a video: {why}.", TRY_VIDEO)


def is_picture(head: bytes) -> bool:
    """Whether the bytes begin a picture that Pillow reads: PNG, JPEG, WebP, BMP, TIFF, AVIF, HEIC. GIF is a video."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")):
        # An animated PNG is a video: FFmpeg reads it with its frame times.
        return b"acTL" not in head[:HEAD_BYTES]
    if head.startswith(b"BM") and len(head) >= 18 and head[14:18] in _BMP_HEADER_SIZES:
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    return head[4:12] in (b"ftypavif", b"ftypavis") or is_heic(head)


def is_heic(head: bytes) -> bool:
    """Whether the bytes begin a still HEIF picture, as telephones take them. Of several it counts as its main one."""
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"mif1")


_BMP_HEADER_SIZES = tuple(bytes((size, 0, 0, 0)) for size in (12, 40, 52, 56, 64, 108, 124))
