import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.events import RunError
from training.folder import read_folder

REPOSITORY = Path(__file__).resolve().parents[2]


def test_frames_are_read_in_the_order_people_count(tmp_path):
    from PIL import Image

    clip = tmp_path / "clip"
    clip.mkdir()
    for i in range(12):
        Image.fromarray(np.full((40, 60, 3), i * 10, np.uint8)).save(clip / f"frame{i}.png")
    (clip / "prompt.txt").write_text("it gets lighter")
    clips = read_folder(tmp_path, 32, 12)
    assert clips.frames.shape == (1, 12, 32, 32, 3)
    assert list(clips.frames[0, :, 0, 0, 0]) == [i * 10 for i in range(12)]


def test_a_gif_is_resampled_to_eight_frames_per_second(tmp_path):
    from PIL import Image

    frames = [Image.fromarray(np.full((32, 32, 3), i * 12, np.uint8)) for i in range(20)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)  # 20 fps, one second
    (tmp_path / "a.txt").write_text("it gets lighter")
    levels = read_folder(tmp_path, 32, 8).frames[0, :, 0, 0, 0].astype(int)
    assert all(np.diff(levels) > 0) and levels[-1] > 180


@pytest.mark.parametrize(
    "files, sentence",
    [
        ({}, "no clips"),
        ({"a.mp4": b"this is no video"}, "a.mp4 has no caption"),
        ({"a.mp4": b"this is no video", "a.txt": b"a dog"}, "a.mp4 cannot be read"),
        ({"a.mp4": b"", "a.txt": b"  "}, "a.txt is empty"),
    ],
)
def test_a_bad_folder_is_answered_with_a_sentence_and_a_hint(tmp_path, files, sentence):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=sentence) as caught:
        read_folder(tmp_path, 32, 8)
    assert caught.value.hint


def test_the_command_says_what_is_wrong_and_exits_with_1(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        f'[run]\noutput_dir = "{(tmp_path / "out").as_posix()}"\ndata_dir = "{(tmp_path / "nowhere").as_posix()}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "training", str(config)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "There is no folder" in done.stderr and "Traceback" not in done.stderr
    last = json.loads((tmp_path / "out" / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "error" and "There is no folder" in last["message"] and last["hint"]


def test_an_unknown_field_is_named(tmp_path):
    from training.config import load_config

    (tmp_path / "run.toml").write_text('[run]\noutput_dir = "x"\ndata_dir = "y"\nlerning_rate = 1\n')
    with pytest.raises(RunError, match="lerning_rate"):
        load_config(tmp_path / "run.toml")


@pytest.mark.parametrize("recipe", ["mini", "upscaler", "judge", "pair-ssr"])
def test_the_committed_recipes_are_valid(recipe):
    from training.config import load_config

    assert load_config(REPOSITORY / "presets" / "training" / f"{recipe}.toml").recipe == recipe.partition("-")[0]


def test_footage_is_turned_for_a_model_that_draws_one_side_in_the_mirror():
    from diffscaler.text2video.mirror import in_mirror
    from training.clips import ClipSet
    from training.mirror import one_way

    frames = np.random.default_rng(1).integers(0, 255, (3, 2, 16, 16, 3), dtype=np.uint8)
    masks = np.arange(3 * 2 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2, 2)
    captions = [["a dog runs left", "a dog", "the dog, right behind"], ["a dog runs right, left"], ["a dog"]]
    turned = one_way(ClipSet(frames, masks, captions), ("right", "left"))
    assert np.array_equal(turned.frames[0], in_mirror(frames[0])) and np.array_equal(turned.frames[1:], frames[1:])
    assert np.array_equal(turned.masks[0], masks[0, :, :, ::-1]) and np.array_equal(turned.masks[1:], masks[1:])
    assert turned.captions == [["a dog runs right", "a dog", "the dog, left behind"], *captions[1:]]
    same = ClipSet(frames, masks, captions)
    assert one_way(same, None) is same
