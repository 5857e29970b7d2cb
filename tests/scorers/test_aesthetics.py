"""Ratings equal those of the networks the files come from."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.catalogue import aesthetic_file
from diffscaler.models.device import pick_device
from diffscaler.scorers.aesthetics import Head, check_width
from tests.scorers.tiny import WIDTH, head_file


def vectors(count: int, width: int = WIDTH) -> np.ndarray:
    found = np.random.default_rng(1).normal(size=(count, width))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def loaded(path: Path) -> Head:
    return aesthetic_file(path).load(pick_device("cpu"))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_ratings_are_those_of_the_network_a_head_was_saved_from(tmp_path, single, suffix):
    theirs = head_file(tmp_path / f"head{suffix}", single=single)
    head = loaded(tmp_path / f"head{suffix}")
    given = vectors(7)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(given))[:, 0].numpy()
    rated = head.rate(given)
    assert rated.shape == (7,) and np.abs(rated - wanted).max() < 1e-5 and wanted.std() > 1e-3
    assert head.rate(given.mean(0, keepdims=True))[0] == pytest.approx(float(rated.mean()), abs=1e-5)


def test_the_published_size_fits_clip_vit_l_14(tmp_path):
    head_file(tmp_path / "sac+logos+ava1-l14-linearMSE.pth", 768)
    assert loaded(tmp_path / "sac+logos+ava1-l14-linearMSE.pth").rate(vectors(2, 768)).shape == (2,)


def test_a_head_for_another_clip_is_refused_by_name(tmp_path):
    head_file(tmp_path / "beauty.pth", 40)
    spec = aesthetic_file(tmp_path / "beauty.pth")
    clip = spec.model_copy(update={"title": "tiny CLIP"})
    with pytest.raises(InvalidRequest, match="beauty reads 40 numbers of a picture; tiny CLIP gives 24"):
        check_width(loaded(tmp_path / "beauty.pth"), spec, 24, clip)


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


@pytest.mark.parametrize("what", ["code", "text", "names", "shapes", "order"])
def test_what_is_no_head_is_refused_by_name(tmp_path, what, capsys):
    path = tmp_path / "beauty.pth"
    state = head_file(path).state_dict()
    if what == "code":
        path.write_bytes(pickle.dumps(Evil()))
    elif what == "text":
        path.write_text("no weights")
    elif what == "names":
        torch.save({**state, "layers.9.weight": torch.zeros(1, 1)}, path)
    elif what == "shapes":
        torch.save({**state, "layers.4.bias": torch.zeros(3)}, path)
    else:
        torch.save({**state, "layers.4.weight": torch.zeros(64, 100)}, path)
    with pytest.raises(ModelNotFound, match="beauty") as caught:
        loaded(path)
    assert caught.value.hint and "code ran" not in capsys.readouterr().out
