"""The formats a clip can be delivered in, and what each asks of its encoder. Pure: nothing here encodes.

Sizes: H.264 and H.265 in 4:2:0 store even sizes only, and 4:4:4 does not play in browsers; FFmpeg's ProRes encoder
garbles the edge of odd sizes. There a clip with an odd side is delivered one pixel larger, its last row or column
repeated: no pixel is lost. WebM, GIF and PNG keep odd sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Literal["h264", "h265", "prores", "webm", "gif", "png"]

# x264, x265 and VP9 give the same bytes for the same number of threads only, so it is fixed, whatever the machine.
THREADS = 4

# x265 refuses smaller pictures.
X265_SIDE = 16

KEY_INTERVAL_S = 2


@dataclass(frozen=True)
class Format:
    """What a format name stands for.

    muxer, encoder, pix_fmt: FFmpeg's names; quality: the default, lower is better; best, worst: its range, None where
    the format has no such choice; even: sides are stored rounded up to even; clock: ticks per second of the container
    where it is coarse, else 0
    """

    title: str
    suffix: str
    muxer: str
    encoder: str
    pix_fmt: str
    quality: int | None = None
    best: int = 0
    worst: int = 51
    even: bool = False
    clock: int = 0
    options: dict[str, str] = field(default_factory=dict[str, str])
    audio_copy: tuple[str, ...] = ()
    audio_encoder: str | None = None
    text_codec: str | None = None


_MP4_AUDIO = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
_X265 = f"pools={THREADS}:frame-threads=2:log-level=error"

FORMATS: dict[Name, Format] = {
    "h264": Format(
        "H.264 MP4", ".mp4", "mp4", "libx264", "yuv420p", 14, even=True, options={"preset": "medium"},
        audio_copy=_MP4_AUDIO, audio_encoder="aac", text_codec="mov_text",
    ),
    "h265": Format(
        "H.265 MP4", ".mp4", "mp4", "libx265", "yuv420p", 16, even=True,
        options={"preset": "medium", "x265-params": _X265},
        audio_copy=_MP4_AUDIO, audio_encoder="aac", text_codec="mov_text",
    ),
    "prores": Format(
        "ProRes 422 HQ MOV", ".mov", "mov", "prores_ks", "yuv422p10le", even=True,
        options={"profile": "3", "vendor": "apl0"},
        audio_copy=("aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s16be", "pcm_f32le"),
        audio_encoder="aac", text_codec="mov_text",
    ),
    "webm": Format(
        "VP9 WebM", ".webm", "webm", "libvpx-vp9", "yuv420p", 18, worst=63, clock=1000,
        options={"deadline": "good", "cpu-used": "4", "row-mt": "0", "tile-columns": "2"},
        audio_copy=("opus", "vorbis"), audio_encoder="libopus", text_codec="webvtt",
    ),
    "gif": Format("GIF", ".gif", "gif", "gif", "pal8", clock=100),
    "png": Format("PNG", ".png", "", "png", "rgb24"),
}  # fmt: skip


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
        form = FORMATS[self.name]
        if form.quality is None and (self.quality is not None or self.bitrate_mbps is not None):
            raise ValueError(f"{form.title} has one quality only: leave quality and bitrate out.")
        if self.quality is not None and self.bitrate_mbps is not None:
            raise ValueError("Give a quality or a bitrate, not both.")
        if self.quality is not None and not form.best <= self.quality <= form.worst:
            raise ValueError(f"{form.title} takes a quality from {form.best} (best) to {form.worst}.")
        return self

    @property
    def format(self) -> Format:
        return FORMATS[self.name]

    @property
    def suffix(self) -> str:
        """The file name's ending, with its dot."""
        return self.format.suffix

    @property
    def pix_fmt(self) -> str:
        return self.format.pix_fmt

    @property
    def carries_sound(self) -> bool:
        return self.format.audio_encoder is not None


def stored_size(encoding: Encoding, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the delivered file: rounded up to even where the format needs that."""
    if not encoding.format.even:
        return width, height
    return width + width % 2, height + height % 2


def encoder_options(encoding: Encoding, fps: Fraction, avx512: bool = False) -> dict[str, str]:
    """The encoder's options.

    fps sets how far apart key frames lie: 2 seconds, so that players seek quickly
    avx512: the processor has AVX-512, whose code in x264 must be avoided
    """
    form = encoding.format
    options = dict(form.options)
    if form.quality is None:
        return options
    options["g"] = str(max(1, min(250, round(fps * KEY_INTERVAL_S))))
    options["threads"] = str(THREADS)
    if encoding.bitrate_mbps is None:
        options["crf"] = str(form.quality if encoding.quality is None else encoding.quality)
    if form.encoder == "libx264" and avx512:
        # x264's AVX-512 code gives different bytes each time (seen with x264 165); AVX2 and plain C agree.
        options["x264-params"] = "asm=AVX2"
    if form.encoder == "libx265":
        options["x265-params"] += f":keyint={options['g']}"
    return options


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
