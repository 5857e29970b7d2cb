"""Face restoration with small networks of the real ones' interface; the real ones, of random weights, are slow."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.crops import FFHQ
from diffscaler.faceswap.restore import Restorer, family_of, load_restorer, read_weights
from diffscaler.faceswap.restore_stage import RestoreFaces, RestoreFacesParams
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.stages import stage_class
from tests.faceswap.moving import astronaut, chunked, frames_of, meta_of, still
from tests.faceswap.tiny_onnx import Spec

CPU = SimpleNamespace(torch_name="cpu", dtype="bfloat16")
MODEL = (ModelRef(name="restorer", revision="1"),)


class Same(torch.nn.Module):
    """Gives back what it gets, mixed with its negative as fidelity falls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x, w=1.0, adain=False, return_rgb=True, randomize_noise=True):
        assert x.shape == (1, 3, 512, 512) and x.min() >= -1 and x.max() <= 1
        self.calls.append((w, adain, return_rgb, randomize_noise))
        return x * (2 * w - 1), None


def restored(around, frames, found, size=8, start=0, family="codeformer", before=None, **params):
    network = Same()
    around.models["restorer"] = Restorer(network, family, torch.device("cpu"), torch.float32)
    stage = RestoreFaces(RestoreFacesParams(**params), MODEL)
    detections = Stream(meta_of(frames).change(kind="tensors"), iter(found))
    streams = [Stream(meta_of(frames), chunked(frames, size, start)), detections]
    if before is not None:
        streams.append(Stream(meta_of(frames), chunked(before, 5, start)))
    return frames_of(stage.run(tuple(streams), around.context(start))), network.calls


@pytest.fixture
def found(around_stage, two_people):
    return around_stage.detect(still(two_people, 9))


@pytest.fixture
def frames(two_people):
    return still(two_people, 9)


def test_a_network_that_changes_nothing_changes_nothing(around_stage, frames, found):
    made, calls = restored(around_stage, frames, found, fidelity=1)
    assert len(calls) == 18 and calls[0] == (1.0, True, True, True)
    apart = np.abs(made.astype(int) - frames)
    assert apart.mean(axis=(1, 2, 3)).max() < 0.1
    changed = apart.max(axis=(0, 3)) > 0
    assert apart[:, changed].mean() < 2
    landmarks = found[0].tensors["landmarks"][0]
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    points = np.stack([x, y], -1).astype(np.float32)
    far = np.hypot(*(points - landmarks.mean(0)).transpose(2, 0, 1)) > 3.2 * np.linalg.norm(landmarks[1] - landmarks[0])
    assert apart[0, :, :240][far[:, :240]].max() == 0
    assert any("S-Lab" in note for note in around_stage.notes)


def test_blend_0_is_bit_equal_and_runs_no_network(around_stage, frames, found):
    made, calls = restored(around_stage, frames, found, fidelity=0, blend=0)
    assert np.array_equal(made, frames) and calls == []


def test_blend_and_fidelity_mix(around_stage, frames, found):
    whole, half = (restored(around_stage, frames, found, fidelity=0, blend=b)[0].astype(int) for b in (1.0, 0.5))
    assert 0.45 < np.abs(half - frames).mean() / np.abs(whole - frames).mean() < 0.55
    close = restored(around_stage, frames, found, fidelity=0.9)[0].astype(int)
    assert np.abs(close - frames).mean() < 0.3 * np.abs(whole - frames).mean()


@pytest.mark.parametrize("size", [1, 3])
def test_chunks_and_resume_leave_no_trace(around_stage, frames, found, size):
    whole, _ = restored(around_stage, frames, found, fidelity=0.2)
    parts, _ = restored(around_stage, frames, found, size, fidelity=0.2)
    assert np.array_equal(whole, parts)
    rest, _ = restored(around_stage, frames, found, size, start=4, fidelity=0.2)
    assert np.array_equal(whole[4:], rest)


def test_only_the_faces_chosen(around_stage, frames, found):
    made, calls = restored(around_stage, frames, found, fidelity=0, wishes=("largest",))
    assert len(calls) == 9 and np.array_equal(made[:, :, 250:], frames[:, :, 250:])
    again, _ = restored(around_stage, frames, found, fidelity=0, tracks="largest")  # as plans of version 1 said it
    assert np.array_equal(again, made)


def test_faces_that_keep_their_original_are_left_alone(around_stage, frames, found):
    rows = [{"start": 2, "stop": 6, "tracks": [1], "how": "skip"}, {"start": 5, "stop": 6, "how": "builtin"}]
    made, calls = restored(around_stage, frames, found, fidelity=0, wishes=((1,),), corrections=rows)
    assert len(calls) == 9 - 3 and np.array_equal(made[2:5], frames[2:5])
    assert not np.array_equal(made[1], frames[1]) and not np.array_equal(made[5], frames[5])
    assert np.array_equal(made[:, :, :240], frames[:, :, :240])


@pytest.mark.parametrize(("size", "start"), [(8, 0), (1, 0), (3, 4)])
def test_after_a_correction_only_the_corrected_frames_are_restored(around_stage, frames, found, size, start):
    before, _ = restored(around_stage, frames, found, fidelity=0.2)
    swapped = frames.copy()
    swapped[3:6] = 255 - swapped[3:6]  # what a correction made of them
    rows = [{"start": 3, "stop": 5, "tracks": [0], "how": "builtin"}, {"start": 5, "stop": 6, "how": "skip"}]
    whole, _ = restored(around_stage, swapped, found, fidelity=0.2, corrections=rows)
    made, calls = restored(around_stage, swapped, found, size, start, fidelity=0.2, corrections=rows, before=before)
    assert np.array_equal(made, whole[start:])
    assert len(calls) == 2 * len(range(max(3, start), 5))  # both people of the frames that are not left as they were


def test_a_face_is_restored_as_far_as_it_was_swapped(around_stage, two_people):
    frames = np.concatenate([np.full((6, *two_people.shape), 90, np.uint8), still(two_people, 20)])
    found = around_stage.detect(frames)
    for chunk in found:
        chunk.tensors["cut"][:] = 0  # both come while the shot goes on
    made, _ = restored(around_stage, frames, found, fidelity=0)
    changed = np.abs(made.astype(int) - frames)[:, :, :240].mean(axis=(1, 2, 3))
    assert changed[:6].max() == 0 and changed[6] < 0.5 * changed[20]


def test_gfpgan_draws_no_new_noise(around_stage, frames, found):
    _, calls = restored(around_stage, frames, found, family="gfpgan")
    assert calls[0] == (1.0, False, False, False)
    assert any("GFPGAN" in note for note in around_stage.notes)


def test_the_stage_is_known_by_name():
    assert stage_class("restore_faces") is RestoreFaces
    assert np.abs(np.array(FFHQ.points)[:, 0] - 0.5).max() < 0.2  # in the middle of the crop


def test_files_in_the_models_folder_are_found(tmp_path):
    settings = Settings(data_dir=tmp_path)
    (settings.models_dir / "face_restorers").mkdir(parents=True)
    for name in ("codeformer.pth", "face_restorers/mine.safetensors"):
        (settings.models_dir / name).write_bytes(b"weights")
    specs = {spec.name: spec for spec in Catalogue(settings).specs("face_restorer")}
    assert set(specs) == {"codeformer", "mine"}
    assert "non-commercial" in specs["codeformer"].licence and not specs["codeformer"].commercial


def test_files_are_told_apart_by_their_keys_and_code_is_refused(tmp_path):
    keys = torch.zeros(1)
    assert family_of({"position_emb": keys, "quantize.embedding.weight": keys}) == "codeformer"
    assert family_of({"toRGB.0.weight": keys, "stylegan_decoder.style_mlp.1.weight": keys}) == "gfpgan"
    other = tmp_path / "other.pth"
    torch.save({"params_ema": {"conv.weight": keys}}, other)
    assert set(read_weights(other)) == {"conv.weight"}
    with pytest.raises(ModelNotFound, match="restores no faces"):
        load_restorer(Spec(other), CPU)
    from safetensors.torch import save_file

    save_file({"conv.weight": keys}, str(tmp_path / "other.safetensors"))
    assert set(read_weights(tmp_path / "other.safetensors")) == {"conv.weight"}
    torch.save(SimpleNamespace(), tmp_path / "code.pth")
    with pytest.raises(ModelNotFound, match="more than weights"):
        load_restorer(Spec(tmp_path / "code.pth"), CPU)
    torch.save({"position_emb": keys, "quantize.embedding.weight": keys}, tmp_path / "part.pth")
    with pytest.raises(ModelNotFound, match="cannot be loaded"):
        load_restorer(Spec(tmp_path / "part.pth"), CPU)
    with pytest.raises(ModelNotFound, match="missing"):
        load_restorer(Spec(tmp_path / "none.pth"), CPU)


@pytest.mark.slow
def test_codeformer_of_random_weights_runs(tmp_path):
    from diffscaler import compat

    compat.install()
    from codeformer.basicsr.archs.codeformer_arch import CodeFormer

    torch.manual_seed(0)
    network = CodeFormer(dim_embd=512, n_layers=2, codebook_size=64, connect_list=["32", "256"])
    torch.save({"params_ema": network.state_dict()}, tmp_path / "codeformer.pth")
    restorer = load_restorer(Spec(tmp_path / "codeformer.pth"), CPU)
    assert restorer.family == "codeformer"
    crop = np.ascontiguousarray(astronaut())
    made = restorer.restore(crop, 0.5)
    assert made.shape == crop.shape and made.dtype == np.uint8
    with torch.inference_mode():
        given = torch.from_numpy(crop.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
        expected = network.eval()(given, w=0.5, adain=True)[0][0]
    levels = ((expected + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(levels - made).max() < 1


@pytest.mark.slow
def test_gfpgan_of_random_weights_runs_and_repeats_itself(tmp_path):
    from diffscaler import compat

    compat.install()
    from gfpgan.archs.gfpganv1_clean_arch import GFPGANv1Clean

    torch.manual_seed(0)
    network = GFPGANv1Clean(
        512, channel_multiplier=2, fix_decoder=False, input_is_latent=True, different_w=True, sft_half=True
    )
    torch.save({"params_ema": network.state_dict()}, tmp_path / "GFPGANv1.4.pth")
    restorer = load_restorer(Spec(tmp_path / "GFPGANv1.4.pth"), CPU)
    assert restorer.family == "gfpgan"
    crop = np.ascontiguousarray(astronaut())
    made = restorer.restore(crop, 0.5)
    assert made.shape == crop.shape and np.array_equal(made, restorer.restore(crop, 0.9))


def test_results_change_only_with_the_version(around_stage, frames, found):
    """Coarse, so that another machine's rounding passes: a new picture here needs a new `RestoreFaces.version`."""
    made, _ = restored(around_stage, frames[:2], around_stage.detect(frames[:2]), fidelity=0.3)
    cells = cv2.resize(made[1, 30:150, 80:180], (4, 4), interpolation=cv2.INTER_AREA).astype(int)[..., 1]
    assert RestoreFaces.version == 3
    assert np.abs(cells - PINNED).max() <= 2, cells.tolist()


PINNED = np.array([[108, 65, 93, 88], [120, 108, 130, 102], [129, 60, 53, 45], [78, 41, 33, 43]])
