"""Small real work for the doctor: a network of one node, and clips of a few frames."""

from __future__ import annotations

import importlib
import io
import subprocess
from typing import Any

FFMPEG_ENCODERS = ("libx264", "libx265", "prores_ks")


def onnx_session(providers: list[Any]) -> tuple[str, str]:
    """Run a one-node network. Returns onnxruntime's version and the provider that computed it."""
    import numpy as np

    onnxruntime: Any = importlib.import_module("onnxruntime")
    onnx: Any = importlib.import_module("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doctor",
        [helper.make_tensor_value_info("x", number, [4])],
        [helper.make_tensor_value_info("y", number, [4])],
    )
    # Old versions of format and operators, so that any onnxruntime reads what any onnx writes.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a provider that does not load is the doctor's finding, not a page of log
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
    ones = np.ones(4, np.float32)
    if not np.array_equal(session.run(None, {"x": ones})[0], ones + ones):
        raise ArithmeticError("1 + 1 is not 2 in onnxruntime")
    return str(onnxruntime.__version__), str(session.get_providers()[0])


def ffmpeg_encodes() -> str:
    """The bundled ffmpeg encodes two frames with every encoder that deliveries use."""
    imageio_ffmpeg: Any = importlib.import_module("imageio_ffmpeg")
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    picture = ["-f", "lavfi", "-i", "testsrc=size=128x128:rate=8", "-frames:v", "2"]
    for encoder in FFMPEG_ENCODERS:
        command = [binary, "-v", "error", *picture, "-c:v", encoder, "-f", "null", "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{encoder}: {done.stderr.strip()[-200:]}")
    return f"{imageio_ffmpeg.get_ffmpeg_version()} encodes {', '.join(FFMPEG_ENCODERS)}"


def deliveries() -> str:
    """PyAV, which writes every delivery, encodes two frames for each of its formats."""
    import tempfile
    from fractions import Fraction
    from pathlib import Path

    import numpy as np

    from diffscaler.media import ClipMeta, FrameChunk
    from diffscaler.video.encodings import Encoding, formats, missing
    from diffscaler.video.writer import write_clip

    lacking = missing()
    frames = np.zeros((2, 128, 256, 3), np.uint8)
    meta = ClipMeta(kind="frames", width=256, height=128, num_frames=2, fps=Fraction(8), duration_s=0.25)
    titles: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, form in formats().items():
            if name == "png" or name in lacking:
                continue
            chunk = FrameChunk(frames, 0, np.arange(2) / 8)
            encoding = Encoding.model_validate({"name": name})
            write_clip(Path(folder) / f"{name}{form.suffix}", meta, [chunk], encoding, manifest={})
            titles.append(form.title)
    if lacking:
        words = ", ".join(f"{formats()[name].title} (FFmpeg lacks {encoder})" for name, encoder in lacking.items())
        raise LookupError(f"not offered: {words}; these work: {', '.join(titles)}")
    return ", ".join(titles)


def pyav_round_trip() -> str:
    """PyAV writes three frames of H.264 and reads three back."""
    import numpy as np

    av: Any = importlib.import_module("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for value in (0, 128, 255):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), value, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as back:
        frames = [int(frame.to_ndarray(format="rgb24").mean()) for frame in back.decode(video=0)]
    if len(frames) != 3 or not frames[0] < frames[1] < frames[2]:
        raise ArithmeticError(f"wrote 3 frames, read {len(frames)} with brightness {frames}")
    return f"{av.__version__} wrote and read back 3 frames"
