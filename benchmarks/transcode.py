"""Decode, do nothing, encode: our reader and writer beside bare ffmpeg with the same encoder settings, in turns."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.result import Result, make_clip, paired_seconds

FRAMES, WIDTH, HEIGHT = 48, 1920, 1080


def run(folder: Path) -> list[Result]:
    import imageio_ffmpeg

    from diffscaler.video.cpu import has_avx512
    from diffscaler.video.encodings import THREADS, Encoding
    from diffscaler.video.probe import meta_of, probe
    from diffscaler.video.reader import read_frames
    from diffscaler.video.writer import write_clip

    source = make_clip(folder / "source.mp4", FRAMES, WIDTH, HEIGHT)
    meta = meta_of(probe(source), None)

    # The same code paths in x264: without them bare ffmpeg would be timed with other assembler than ours.
    same_code = ["-x264-params", "asm=AVX2"] if has_avx512() else []

    def bare() -> None:
        subprocess.run(
            [
                imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(source),
                "-c:v", "libx264", "-preset", "medium", "-crf", "14", "-threads", str(THREADS), "-g", "48", *same_code,
                "-pix_fmt", "yuv420p", "-c:a", "copy", str(folder / "bare.mp4"),
            ],
            check=True,
        )  # fmt: skip

    def ours() -> None:
        write_clip(folder / "ours.mp4", meta, read_frames(source), Encoding(), sound=source, manifest={})

    seconds, ratio = paired_seconds(ours, bare)
    speed = FRAMES / seconds
    return [Result("transcode", speed, "frames/s", "bare ffmpeg, same settings", speed / ratio, "higher")]
