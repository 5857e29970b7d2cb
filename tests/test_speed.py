"""What a model's card says of its speed: nothing before it drew here, then what its latest clip took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffscaler.jobs.lender import place_in
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import TensorChunk
from diffscaler.models.spec import Known, ModelSpec
from diffscaler.plan import Node, node
from diffscaler.progress import units
from diffscaler.speed import Speed, measured
from diffscaler.stage import ModelRef
from diffscaler.text2video.stages import Decode, DecodeParams, Denoise, DenoiseParams
from ui.models_shelf import card

MODEL = ModelSpec(name="hotshot_xl", title="Hotshot-XL", kind="text2video", loader="")


def drawing(name: str = "hotshot_xl", *others: str, frames: int = 16, seed: int = 0) -> Node:
    """A plan's node that draws `frames` of 512 x 512 in 25 steps, decoded."""
    models = tuple(ModelRef(name=each, revision="r1") for each in (name, *others))
    params = DenoiseParams(
        width=512, height=512, num_frames=frames, num_inference_steps=25, guidance_scale=7.5, seed=seed
    )
    return node(Decode(DecodeParams(), models[:1]), node(Denoise(params, models)))


def drew(library: ClipLibrary, decoded: Node, seconds: float, decoding: float = 1.0) -> None:
    """Leave in the library what the engine leaves of a run: the latents, their notes, and how long things took."""
    drawn = decoded.inputs[0]
    meta = drawn.build().describe(())
    library.open(drawn, meta)
    library.store(drawn.key, TensorChunk({"latents": np.zeros((4, meta.num_frames, 2, 2), np.float32)}, 0, 1))
    library.finish(drawn.key, meta)
    library.note(drawn.key, "Hotshot-XL, on NVIDIA H200, bfloat16")
    for at, spent in ((drawn, seconds), (decoded, decoding)):
        work = units(meta, getattr(at.build(), "effort", 1.0))
        library.record_pace(at.stage, "+".join(model.name for model in at.models), spent / work)


def test_a_model_that_never_drew_here_says_nothing(library: ClipLibrary) -> None:
    assert measured(library, MODEL) is None
    # The name of another model may look like a pattern for this one.
    drew(library, drawing("hotshot-xl"), 40.0)
    assert measured(library, MODEL) is None


def test_the_latest_clip_tells_size_steps_seconds_and_place(library: ClipLibrary) -> None:
    drew(library, drawing(), 40.0)
    speed = measured(library, MODEL)
    assert str(speed) == "16 frames of 512x512, 25 steps took about 41 s here (NVIDIA H200, bfloat16)"
    drew(library, drawing(frames=8, seed=1), 20.0, 0.5)
    speed = measured(library, MODEL)
    assert speed is not None and speed.num_frames == 8 and speed.seconds == pytest.approx(20.5, abs=0.2)


def test_a_run_with_a_lora_is_told_by_its_own_pace(library: ClipLibrary) -> None:
    drew(library, drawing(), 40.0)
    drew(library, drawing("hotshot_xl", "noir"), 60.0)
    speed = measured(library, MODEL)
    assert speed is not None and speed.seconds == pytest.approx(61.0, abs=0.5)
    assert measured(library, MODEL.model_copy(update={"name": "noir", "title": "noir"})) is None


def test_a_delivered_clip_tells_after_what_it_was_made_from_was_trimmed(library: ClipLibrary) -> None:
    decoded = drawing()
    drew(library, decoded, 40.0)
    file = Node("encode", 1, {}, (), (decoded,))
    meta = decoded.inputs[0].build().describe(())
    library.open(file, meta)
    library.store(file.key, TensorChunk({"bytes": np.zeros(1)}, 0, 1))
    library.finish(file.key, meta)
    library._delete(decoded.inputs[0])
    assert str(measured(library, MODEL)) == "16 frames of 512x512, 25 steps took about 41 s here", (
        "where, nobody knows now"
    )


def test_a_clip_of_another_version_of_the_studio_is_passed_over(library: ClipLibrary) -> None:
    drew(library, drawing(), 40.0)
    older = Node("denoise", 1, {"strange": 1}, (ModelRef(name="hotshot_xl", revision="r0"),))
    library.open(older, drawing().inputs[0].build().describe(()))
    library.finish(older.key, drawing().inputs[0].build().describe(()))
    assert measured(library, MODEL) is not None


def test_one_frame_and_minutes_in_words() -> None:
    assert str(Speed(1024, 576, 1, 1, 600.0)) == "1 frame of 1024x576, 1 step took about 10 min here"
    assert place_in(("LoRA: noir at 1", "mini, on CPU, 2 cores, float32"), "mini") == "CPU, 2 cores, float32"


def test_the_card_has_the_line_only_when_there_is_something_to_say(tmp_path: Path) -> None:
    known = Known(spec=MODEL.model_copy(update={"path": tmp_path}), installed=True)
    assert "took" not in card(known, chosen=False, fetching=False)
    speed = Speed(512, 512, 16, 25, 41.0, "A & B, float16")
    assert "<li>16 frames of 512x512, 25 steps took about 41 s here (A &amp; B, float16)</li>" in card(
        known, chosen=False, fetching=False, speed=speed
    )
