"""inswapper's path, with tiny random networks of the same signatures: no weights are needed."""

import contextlib
import io
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.ghost import load_converter, load_ghost
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.faceswap.network_swapper import IdentitySwapper
from diffscaler.faceswap.sessions import ALONE
from diffscaler.faceswap.swap_network import put_together, take_apart
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import DETECTOR, astronaut, frames_of, gather_tracks, somebody_else, still
from tests.faceswap.tiny_onnx import Spec

GHOST = (DETECTOR, *(ModelRef(name=name, revision="1") for name in ("ghost", "arcface", "crossface-ghost")))
MODELS = (DETECTOR, ModelRef(name="inswapper", revision="1"), ModelRef(name="arcface", revision="1"))


@pytest.fixture(scope="module")
def swapper_file(tmp_path_factory):
    return tiny_onnx.swapper(tmp_path_factory.mktemp("swapper") / "inswapper_128.onnx")


@pytest.fixture(scope="module")
def arcface_file(tmp_path_factory):
    return tiny_onnx.arcface(tmp_path_factory.mktemp("arcface") / "w600k_r50.onnx")


def test_the_swapper_is_read_as_insightface_reads_it(swapper_file):
    network = load_swapper(Spec(swapper_file), "cpu")
    basis = numpy_helper.to_array(onnx.load(str(swapper_file)).graph.initializer[-1])
    assert network.size == 128 and network.batch == 1 and not network.single
    features = [7 * np.eye(1, 512, dtype=np.float32)[0]]  # of any length
    assert np.allclose(network.latent(features), basis[:1] / np.linalg.norm(basis[0]), atol=1e-6)
    crops = np.full((2, 128, 128, 3), (10, 100, 250), np.uint8)
    drawn = network.draw(crops, np.zeros((2, 512), np.float32))
    assert np.array_equal(drawn[1, 64, 64], [245, 155, 5])  # 1 - target, colours in their order


def test_identities_are_one_long_and_differ(arcface_file, detector):
    recognizer = load_recognizer(Spec(arcface_file), "cpu")
    one, other = (
        recognizer.embed(picture, detector.detect(picture).landmarks[0]) for picture in (astronaut(), somebody_else())
    )
    assert one.shape == (512,) and np.isclose(np.linalg.norm(one), 1, atol=1e-5)
    assert one @ other < 0.999
    assert np.array_equal(
        load_recognizer(Spec(arcface_file.parent), "cpu").embed(astronaut(), detector.detect(astronaut()).landmarks[0]),
        one,
    )


def in_context(around_stage, swapper_file, arcface_file, **how):
    around_stage.models |= {
        "inswapper": load_swapper(Spec(swapper_file), **how),
        "arcface": load_recognizer(Spec(arcface_file)),
    }
    return around_stage


@pytest.mark.parametrize(("boost", "batch"), [(128, 1), (128, 3), (256, 3)])
def test_a_clip_is_swapped_with_it_whatever_its_chunks(
    around_stage, swapper_file, arcface_file, two_people, boost, batch
):
    around = in_context(around_stage, swapper_file, arcface_file, batch=batch)
    rng = np.random.default_rng(4)
    print("seed 4")
    frames = np.clip(still(two_people, 9) + rng.integers(-6, 7, (9, *two_people.shape)), 0, 255).astype(np.uint8)
    found = around.detect(frames)
    how = {"models": MODELS, "engine": "inswapper", "boost": boost}
    full = frames_of(around.swap(frames, found, 8, **how))
    for size in (1, 3):
        assert np.array_equal(full, frames_of(around.swap(frames, found, size, **how)))
    assert np.array_equal(full[5:], frames_of(around.swap(frames, found, 3, start=5, **how)))
    assert any("non-commercial research only" in note for note in around.notes)
    one = frames_of(around.swap(frames, found, tracks="largest", **how))
    apart = np.abs(one.astype(int) - frames)
    assert apart[0, 40:100, 110:160].mean() > 10 and apart[:, :, 250:].max() == 0
    assert np.abs(full.astype(int) - frames)[:, :, 250:].max() > 20


def test_several_photos_of_a_performer_are_one_average_identity(around_stage, swapper_file, two_people, tmp_path):
    convert = load_converter(Spec(tiny_onnx.converter(tmp_path / "crossface_ghost.onnx")))
    inswapper = load_swapper(Spec(swapper_file))
    ghost = load_ghost(Spec(tiny_onnx.swapper(tmp_path / "ghost_1_256.onnx", 256, emap=False)))
    basis, frames = 9 * np.eye(2, 512, dtype=np.float32), still(two_people, 1)
    found, mean = around_stage.detect(frames), basis.mean(0)
    wanted = {"inswapper": inswapper.latent([mean]), "ghost": convert(mean)}
    assert not np.allclose(inswapper.latent([basis[0]]), wanted["inswapper"], atol=1e-3)
    around_stage.models["crossface-ghost"] = lambda: convert
    for engine, network, models in (("inswapper", inswapper, MODELS), ("ghost", ghost, GHOST)):
        given = []
        asked = replace(network, latent=lambda of, own=network.latent: given.append(own(of)) or given[-1])  # noqa: B023
        seen = iter(basis)
        around_stage.models |= {engine: asked, "arcface": SimpleNamespace(features=lambda *_, seen=seen: next(seen))}
        around_stage.swap(frames, found, models=models, engine=engine, cast=[(("one", "two"), "all")])
        assert given and all(np.allclose(latent, wanted[engine], atol=1e-5) for latent in given)


def test_a_batch_draws_what_single_runs_draw(swapper_file):
    single, batched = load_swapper(Spec(swapper_file)), load_swapper(Spec(swapper_file), batch=4)
    assert (single.batch, batched.batch) == (1, 4)
    rng = np.random.default_rng(5)
    print("seed 5")
    crops = rng.integers(0, 256, (7, 128, 128, 3), np.uint8)
    latents = rng.normal(0, 0.05, (7, 512)).astype(np.float32)
    ticks = []
    assert np.array_equal(single.draw(crops, latents), batched.draw(crops, latents, lambda: ticks.append(1)))
    assert len(ticks) == 2


def test_a_file_made_for_one_face_at_a_time_is_run_so_and_that_is_said(
    tmp_path, around_stage, arcface_file, two_people
):
    file = tiny_onnx.swapper(tmp_path / "inswapper_128.onnx", fixed=True)
    network = load_swapper(Spec(file), batch=4)
    assert network.batch == 1 and "one face at a time" in network.single
    around = in_context(around_stage, file, arcface_file, batch=4)
    frames = still(two_people, 2)
    around.swap(frames, around.detect(frames), models=MODELS, engine="inswapper")
    assert any("one by one" in note for note in around.notes)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_interleaved_pictures_hold_every_pixel(side):
    crops = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    pieces, k = take_apart(crops, 128), side // 128
    assert pieces.shape == (2 * k * k, 3, 128, 128)
    assert np.array_equal(pieces[k * k + k - 1], crops[1, 0::k, k - 1 :: k].transpose(2, 0, 1))
    assert np.array_equal(put_together(pieces, side), crops)


def test_a_boosted_face_keeps_finer_detail(detector, tmp_path):
    frame = cv2.resize(astronaut()[:260, 100:360], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    track = gather_tracks(detector, still(frame, 1))[0]
    network = load_swapper(Spec(tiny_onnx.swapper(tmp_path / "inswapper_128.onnx", smooth=False)))
    frame = np.clip(frame + 30 * np.sin(np.arange(frame.shape[1]) * 0.7)[:, None], 0, 255).astype(np.uint8)
    detail = []
    for boost in (128, 256):
        swapper = IdentitySwapper(network, {track.id: [np.eye(1, 512, dtype=np.float32)[0]]}, [track], boost=boost)
        made = swapper.swap(frame[None], [Place(0, track, 0)], lambda _: None)[0].astype(float)
        x, y = track.landmarks[0][2].astype(int)
        detail.append(np.abs(np.diff(made[y - 60 : y + 60, x - 60 : x + 60], axis=1)).mean())
    assert detail[1] > 1.5 * detail[0]


def test_it_draws_what_insightface_draws(detector, swapper_file):
    """Where both masks are whole; the masks themselves differ: theirs is a box, ours the face."""
    from insightface.app.common import Face
    from insightface.model_zoo.inswapper import INSwapper

    frame = np.ascontiguousarray(somebody_else()[40:400, 60:512])
    track = gather_tracks(detector, still(frame, 1))[0]
    network, features = load_swapper(Spec(swapper_file)), np.random.default_rng(2).normal(0, 1, 512).astype(np.float32)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = INSwapper(str(swapper_file), network.session)
    target, source = Face(kps=track.landmarks[0]), Face(embedding=features)
    expected = theirs.get(np.ascontiguousarray(frame[..., ::-1]), target, source, paste_back=True)[..., ::-1]
    ours = IdentitySwapper(network, {track.id: [features]}, [track], colour=0)
    made = ours.swap(frame[None], [Place(0, track, 0)], lambda _: None)[0]
    eyes = np.linalg.norm(track.landmarks[0][1] - track.landmarks[0][0])
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    inner = np.hypot(x - track.landmarks[0][2][0], y - track.landmarks[0][2][1]) < 0.6 * eyes
    error = ((made[inner].astype(float) - expected[inner]) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 45


@pytest.mark.parametrize("load", [load_swapper, load_recognizer])
def test_networks_that_several_faces_go_through_at_once_take_one_thread_each(load, swapper_file, arcface_file):
    opened = load(Spec(swapper_file if load is load_swapper else arcface_file), "cpu")
    assert opened.session.get_session_options().intra_op_num_threads == ALONE


@pytest.mark.parametrize("load", [load_swapper, load_recognizer])
def test_a_missing_file_is_named(load, tmp_path):
    name = "inswapper_128.onnx" if load is load_swapper else "w600k_r50.onnx"
    with pytest.raises(ModelNotFound, match=name) as refused:
        load(Spec(tmp_path / name), "cpu")
    assert "models folder" in refused.value.hint
    with pytest.raises(ModelNotFound):
        load(Spec(None), "cpu")


def test_the_wrong_file_is_refused(arcface_file, swapper_file, tmp_path):
    with pytest.raises(ModelNotFound, match="not an inswapper"):
        load_swapper(Spec(arcface_file))
    with pytest.raises(ModelNotFound, match="not an ArcFace"):
        load_recognizer(Spec(swapper_file))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model at all")
    short = tmp_path / "short.onnx"
    short.write_bytes(swapper_file.read_bytes()[:-700])  # a download that broke off
    for file in (broken, short):
        for load in (load_swapper, load_recognizer):
            with pytest.raises(ModelNotFound, match="cannot be read"):
                load(Spec(file))


def test_results_change_only_with_the_version(around_stage, swapper_file, arcface_file, two_people):
    """Coarse, so that another machine's rounding passes: a new picture here needs a new `SwapFace.version`."""
    around = in_context(around_stage, swapper_file, arcface_file)
    frames = still(two_people, 2)
    made = frames_of(around.swap(frames, around.detect(frames), models=MODELS, engine="inswapper"))[1]
    cells = cv2.resize(made[30:150, 80:180], (4, 4), interpolation=cv2.INTER_AREA).astype(int)[..., 1]
    assert np.abs(cells - PINNED).max() <= 2, cells.tolist()


PINNED = np.array([[108, 68, 96, 88], [120, 117, 139, 102], [129, 61, 53, 45], [78, 41, 33, 43]])
