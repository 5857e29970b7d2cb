"""The formats a clip can be delivered in, as encoders.toml lists them, and what each asks of its encoder.

Pure: nothing here encodes.

Sizes: H.264 and H.265 in 4:2:0 store even sizes only, and 4:4:4 does not play in browsers; FFmpeg's ProRes encoder
garbles the edge of odd sizes. There a clip with an odd side is delivered one pixel larger, its last row or column
repeated: no pixel is lost. WebM, GIF and PNG keep odd sizes.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Name = Literal[
    "h264",
    "h265",
    "h265_10bit",
    "av1",
    "prores",
    "prores4444",
    "dnxhr",
    "dnxhr_10bit",
    "webm",
    "gif",
    "png",
    "pictures",
]

TABLE = Path(__file__).with_name("encoders.toml")

# x264, x265 and VP9 give the same bytes for the same number of threads only, so it is fixed, whatever the machine.
THREADS = 4

KEY_INTERVAL_S = 2

# x265 takes the delay of its B-frames from the third frame's time; in shorter clips it stays uninitialised, and times
# of decoding are random (seen with x265 4.1 at 10 bits).
X265_DELAY = 3


class Format(BaseModel):
    """What a format name stands for: one table of encoders.toml.

    muxer, encoder, pix_fmt: FFmpeg's names; alpha_pix_fmt: that of a picture with transparency, "": it holds none
    quality: the default, lower is better; best, worst: its range, None where
    the format has no such choice; even: sides are stored rounded up to even; clock: ticks per second of the container
    where it is coarse, else 0; key_frames: how far apart they are is ours to say; smallest: (width, height) the encoder
    takes; codec_tag: the container's name for the codec where FFmpeg's own choice plays in fewer places
    audio_copy: sound codecs the container takes as they are; audio_encoder: what others become, None: it holds no sound
    text_codec: what text subtitles become; bytes_per_pixel: what a frame takes on disk, about
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    suffix: str
    muxer: str
    encoder: str
    pix_fmt: str
    alpha_pix_fmt: str = ""
    quality: int | None = None
    best: int = 0
    worst: int = 51
    even: bool = False
    clock: int = 0
    key_frames: bool = False
    smallest: tuple[int, int] = (1, 1)
    codec_tag: str = ""
    options: dict[str, str] = {}
    audio_copy: tuple[str, ...] = ()
    audio_encoder: str | None = None
    text_codec: str | None = None
    bytes_per_pixel: float = 0.12

    @property
    def deep(self) -> bool:
        """Whether it holds more than 8 bits a channel."""
        from av.video.format import VideoFormat

        return max(part.bits for part in VideoFormat(self.pix_fmt).components) > 8


@cache
def formats() -> dict[str, Format]:
    """Every format of the table, by name."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Format.model_validate(row) for name, row in table.items()}


class Encoding(BaseModel):
    """A format with its settings.

    quality: constant quality as the codec counts it (crf), lower is better; None takes the format's default
    bitrate_mbps: aim at this many megabits per second instead of a quality
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[Name, Field(title="Format", description="H.264 MP4 plays everywhere.")] = "h264"
    quality: Annotated[int | None, Field(title="Quality", description="Lower is better and larger.")] = None
    bitrate_mbps: Annotated[float | None, Field(title="Bitrate", description="Megabits per second.", gt=0, le=1000)] = (
        None
    )

    @model_validator(mode="after")
    def _settings_exist(self) -> Encoding:
        form = formats()[self.name]
        if form.quality is None and (self.quality is not None or self.bitrate_mbps is not None):
            raise ValueError(f"{form.title} has one quality only: leave quality and bitrate out.")
        if self.quality is not None and self.bitrate_mbps is not None:
            raise ValueError("Give a quality or a bitrate, not both.")
        if self.quality is not None and not form.best <= self.quality <= form.worst:
            raise ValueError(f"{form.title} takes a quality from {form.best} (best) to {form.worst}.")
        return self

    @property
    def format(self) -> Format:
        return formats()[self.name]

    @property
    def suffix(self) -> str:
        """The file name's ending, with its dot."""
        return self.format.suffix

    @property
    def pix_fmt(self) -> str:
        return self.format.pix_fmt

    @property
    def deep(self) -> bool:
        """Whether it holds more than 8 bits a channel."""
        return self.format.deep

    @property
    def carries_sound(self) -> bool:
        return self.format.audio_encoder is not None


def stored_size(encoding: Encoding, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the delivered file: rounded up to even where the format needs that."""
    if not encoding.format.even:
        return width, height
    return width + width % 2, height + height % 2


def encoder_options(
    encoding: Encoding, fps: Fraction, avx512: bool = False, num_frames: int | None = None
) -> dict[str, str]:
    """The encoder's options.

    fps sets how far apart key frames lie: 2 seconds, so that players seek quickly
    avx512: the processor has AVX-512, whose code in x264 must be avoided; num_frames: of the clip, where it is known
    """
    form = encoding.format
    options = dict(form.options)
    if not form.key_frames:
        return options
    options["g"] = str(max(1, min(250, round(fps * KEY_INTERVAL_S))))
    if form.encoder != "libsvtav1":
        options["threads"] = str(THREADS)
    if encoding.bitrate_mbps is None:
        options["crf"] = str(form.quality if encoding.quality is None else encoding.quality)
    if form.encoder == "libx264" and avx512:
        # x264's AVX-512 code gives different bytes each time (seen with x264 165); AVX2 and plain C agree.
        options["x264-params"] = "asm=AVX2"
    if form.encoder == "libx265":
        options["x265-params"] += f":keyint={options['g']}"
        if num_frames is not None and num_frames < X265_DELAY:
            options["x265-params"] += ":bframes=0"
    return options


def missing() -> dict[str, str]:
    """The formats that cannot be written here: name -> the encoder that this FFmpeg lacks."""
    return {name: form.encoder for name, form in formats().items() if not _there(form.encoder)}


def _there(encoder: str) -> bool:
    from av.codec.codec import Codec, UnknownCodecError

    try:
        return Codec(encoder, "w").is_encoder
    except UnknownCodecError:
        return False


def bit_rate(encoding: Encoding) -> int:
    """Bits per second to aim at; 0 for constant quality."""
    return round((encoding.bitrate_mbps or 0) * 1_000_000)


def muxer_options(encoding: Encoding) -> dict[str, str]:
    """The container's options: no time stamps or random ids (same frames, same bytes), the index first for the web."""
    options = {"fflags": "+bitexact"}
    if encoding.format.muxer == "mp4":
        options["movflags"] = "+faststart"
    if encoding.format.muxer == "mov":
        # QuickTime's own tags end at 64 KiB, too short for some manifests.
        options["movflags"] = "+faststart+use_metadata_tags"
    return options


def time_base(encoding: Encoding, fps: Fraction, vfr: bool) -> Fraction:
    """Seconds per tick in which frame times are written: exact for constant rates, 1/90000 s for others."""
    if encoding.format.clock:
        return Fraction(1, encoding.format.clock)
    if vfr or fps.numerator > 1_000_000:
        return Fraction(1, 90000)
    # A multiple of the rate, fine enough for a last frame that stays longer than the others.
    fold = -(-10_000 // fps.numerator)
    return Fraction(1, fps.numerator * fold)
