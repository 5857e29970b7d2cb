"""What stays in front of a face, with small networks of the published ones' signatures whose answers are known."""

import contextlib
import io

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.align import apply
from diffscaler.faceswap.casting import CastParams, Role
from diffscaler.faceswap.correct_stage import CorrectionParams, CorrectSwap, CorrectSwapParams
from diffscaler.faceswap.crops import (
    ARCFACE_128,
    FFHQ,
    FRONTAL,
    MASK_SIZE,
    border,
    mask_for,
    traced_mask,
    traced_places,
)
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.diffusion_swapper import DiffusionSwapper
from diffscaler.faceswap.engines import places_in
from diffscaler.faceswap.ghost import load_converter, load_ghost
from diffscaler.faceswap.head import LANDMARKS_MM, fit_pose
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.faceswap.landmarks import BROWS, CHIN, OUTLINE, load_landmarker, outline_mask
from diffscaler.faceswap.mask_params import MaskParams
from diffscaler.faceswap.mask_stage import MaskFaces, MaskFacesParams
from diffscaler.faceswap.masks import SIDE, FaceMasks, StoredMasks, compose, mask_rows
from diffscaler.faceswap.occluder import load_occluder
from diffscaler.faceswap.parsing import LABELS, load_parser
from diffscaler.faceswap.restore import Restorer
from diffscaler.faceswap.restore_stage import RestoreFaces, RestoreFacesParams
from diffscaler.faceswap.stage import SwapFace
from diffscaler.media import Stream, TensorChunk
from diffscaler.stage import ModelRef
from diffscaler.stages import stage_class
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import DETECTOR, FPS, astronaut, chunked, frames_of, gather_tracks, meta_of, still
from tests.faceswap.tiny_onnx import BLUE, GREEN, Spec

N = 7
LOADERS = {"parsing": load_parser, "occluder": load_occluder, "landmarks": load_landmarker}
MAKERS = {"parsing": tiny_onnx.parser, "occluder": tiny_onnx.occluder, "landmarks": tiny_onnx.landmarker}
ENGINES = {"builtin": (), "inswapper": ("inswapper", "arcface"), "ghost": ("ghost", "arcface", "crossface-ghost")}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Loaded networks by the name of what they do."""
    root = tmp_path_factory.mktemp("masks")
    convert = load_converter(Spec(tiny_onnx.converter(root / "crossface_ghost.onnx")))
    made = {name: LOADERS[name](Spec(make(root / f"{name}.onnx"))) for name, make in MAKERS.items()}
    return made | {
        "crossface-ghost": lambda: convert,
        "inswapper": load_swapper(Spec(tiny_onnx.swapper(root / "inswapper_128.onnx"))),
        "ghost": load_ghost(Spec(tiny_onnx.swapper(root / "ghost_1_256.onnx", 256, emap=False))),
        "arcface": load_recognizer(Spec(tiny_onnx.arcface(root / "w600k_r50.onnx"))),
    }


@pytest.fixture(scope="module")
def clip(two_people, detector):
    """The left one's face with a blue hand over the mouth in the middle frames, and its detections without the hand."""
    clean = still(two_people, N)
    track = max(gather_tracks(detector, clean), key=lambda track: track.size)
    mouth = track.landmarks[0][3:].mean(0)
    hand = np.zeros(two_people.shape[:2], np.uint8)
    cv2.ellipse(hand, tuple(int(v) for v in mouth), (26, 9), 20, 0, 360, 1, -1)
    frames = clean.copy()
    frames[2:5][:, hand > 0] = BLUE
    inner = cv2.erode(hand, np.ones((3, 3), np.uint8)) > 0
    return frames, clean, inner


def masked(around, frames, found, what, size=8, start=0, **params):
    stage = MaskFaces(MaskFacesParams(what=what, **params), (ModelRef(name=what, revision="1"),))
    streams = Stream(meta_of(frames), chunked(frames, size, start)), of_faces(frames, found)
    return list(stage.run(streams, around.context(start)))


def of_faces(frames, found):
    return Stream(meta_of(frames).change(kind="tensors"), iter(found))


def swapped(around, frames, found, engine, in_front, masks=(), size=8, **params):
    """masks: name and chunks"""
    models = (DETECTOR, *(ModelRef(name=name, revision="1") for name in ENGINES[engine]))
    given = CastParams(
        cast=(Role(photos=("face",)),), engine=engine, in_front=in_front, masks=tuple(n for n, _ in masks), **params
    )
    streams = (Stream(meta_of(frames), chunked(frames, size)), of_faces(frames, found))
    streams += tuple(of_faces(frames, chunks) for _, chunks in masks)
    return frames_of(SwapFace(given, models).run(streams, around.context()))


@pytest.fixture
def around(around_stage, networks):
    around_stage.models |= networks
    return around_stage


@pytest.fixture
def found(around_stage, clip):
    return around_stage.detect(clip[1])


def apart(one, other):
    return np.abs(one.astype(int) - other).max(-1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["parsing", "occluder"])
def test_a_hand_that_a_network_sees_stays_in_front_whatever_the_engine(around, clip, found, engine, what):
    frames, clean, hand = clip
    masks = masked(around, frames, found, what)
    made = swapped(around, frames, found, engine, (what,), ((what, masks),))
    bare = swapped(around, frames, found, engine, ())
    steady = [swapped(around, frames, found, engine, (what,), ((what, masks),), size, steady=0.08) for size in (2, 8)]
    assert np.array_equal(*steady), "frames that have a say in a mask may lie in other chunks"
    covered, drawn = apart(made, frames)[2:5][:, hand], apart(bare, frames)[2:5][:, hand]
    assert drawn.mean() > 30, "without a mask the face is drawn over the hand"
    assert covered.mean() < 0.12 * drawn.mean(), (covered.mean(), drawn.mean())
    elsewhere = (apart(bare, frames)[3] > 25) & ~cv2.dilate(hand.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert elsewhere.sum() > 60 and apart(made, frames)[3][elsewhere].mean() > 20
    assert np.array_equal(made[:1], swapped(around, clean, found, engine, (what,), ((what, masks),))[:1])


def test_the_looks_keep_a_hand_in_front_of_a_networks_face_too(around, clip):
    frames, _, hand = clip
    frames = np.concatenate([frames[:1].repeat(5, 0), frames[2:5], frames[:1].repeat(5, 0)])
    found = around.detect(frames)
    bare, made = (swapped(around, frames, found, "inswapper", front) for front in (None, ("looks",)))
    covered, drawn = (apart(each, frames)[5:8][:, hand].mean() for each in (made, bare))
    print(f"where the hand is, {drawn:.1f} levels change without and {covered:.1f} with it")
    assert drawn > 30 and covered < 0.4 * drawn
    assert apart(made, frames)[1][hand].mean() > 20  # nothing is in front there
    assert np.array_equal(made, swapped(around, frames, found, "inswapper", ("looks",), size=3))


def test_a_restored_face_leaves_the_hand_alone(around, clip, found):
    class Negative(torch.nn.Module):
        def forward(self, x, w=1.0, adain=False):
            return -x, None

    frames, _, hand = clip
    around.models["restorer"] = Restorer(Negative(), "codeformer", torch.device("cpu"), torch.float32)
    masks = masked(around, frames, found, "occluder")
    results = []
    for params in ({}, {"in_front": ("occluder",), "masks": ("occluder",)}):
        stage = RestoreFaces(RestoreFacesParams(**params), (ModelRef(name="restorer", revision="1"),))
        streams = [Stream(meta_of(frames), chunked(frames, 4)), of_faces(frames, found)]
        streams += [of_faces(frames, masks)] if params else []
        results.append(apart(frames_of(stage.run(tuple(streams), around.context())), frames)[3][hand].mean())
    assert results[0] > 100 and results[1] < 15, results
    # What was restored before a correction comes between: only frames that it is about are restored anew.
    rows = ({"start": 3, "stop": 4, "how": "occluder"},)
    params = RestoreFacesParams(in_front=(), masks=("occluder",), corrections=rows)
    stage = RestoreFaces(params, (ModelRef(name="restorer", revision="1"),))
    streams = (Stream(meta_of(frames), chunked(frames, 4)), of_faces(frames, found))
    streams += (Stream(meta_of(frames), chunked(255 - frames, 4)), of_faces(frames, masks))
    made = frames_of(stage.run(streams, around.context()))
    assert np.array_equal(np.delete(made, 3, 0), np.delete(255 - frames, 3, 0))
    assert apart(made, frames)[3][hand].mean() < 15 and apart(made, frames)[3].max() > 60


def test_a_redrawn_face_leaves_the_hand_alone(around, clip, found):
    frames, _, hand = clip
    faces = gather(found)
    tracks, stored = faces.tracks(FPS), {"occluder": StoredMasks(masked(around, frames, found, "occluder"))}
    masks = FaceMasks(MaskParams(masks=("occluder",), blur=0.02), tracks, FPS, stored, dict)
    drawn = {track.id: np.zeros((4, len(track.rows), 8, 8), np.float32) for track in tracks}
    paint = np.full((1, 512, 512, 3), (90, 160, 60), np.uint8)
    results = []
    for mask in (None, lambda side, track, index: masks.crop(FFHQ, side, track, index, ("occluder",))):
        swapper = DiffusionSwapper(lambda latents: paint, drawn, faces, tracks, FPS, colour=0.0, mask=mask)
        results.append(apart(swapper.swap(frames, places_in(tracks, 0, N), lambda _: None), frames)[3])
    assert results[0][hand].mean() > 60 and results[1][hand].mean() < 10
    assert results[1].max() > 60


def test_regions_say_what_is_drawn_over(around, clip, found):
    _, clean, hand = clip
    frames = clean.copy()
    frames[:, hand] = GREEN  # the network takes it for glasses
    changed = []
    for regions in (("skin", "nose"), ("skin", "glasses"), ("eyes",)):
        masks = masked(around, frames, found, "parsing", regions=regions)
        made = swapped(around, frames, found, "inswapper", ("parsing",), (("parsing", masks),))
        changed.append((apart(made, frames)[3][hand].mean(), apart(made, frames)[3].max()))
    assert changed[0][0] < 15 < 60 < changed[1][0] and changed[0][1] > 60
    assert changed[2][1] == 0  # it sees no eyes anywhere


@pytest.mark.parametrize("what", MAKERS)
def test_masks_depend_on_no_chunk(around, clip, found, what):
    frames = clip[0]
    whole = masked(around, frames, found, what)[0].tensors
    assert whole["mask"].shape == (2 * N, SIDE, SIDE)
    for size, start in ((1, 0), (3, 0), (2, 4)):
        parts = masked(around, frames, found, what, size, start)
        assert (parts[0].start, parts[0].count) == (start, min(size, N))
        late = whole["frame"] >= start
        for name, value in whole.items():
            assert np.array_equal(value[late], np.concatenate([part.tensors[name] for part in parts]))
    assert stage_class("mask_faces") is MaskFaces


def test_masks_change_only_with_the_version(around, clip, found):
    """Coarse, so that another machine's rounding passes: another mask here needs a new `MaskFaces.version`."""
    assert MaskFaces.version == 1
    mask = masked(around, clip[0], found, "occluder", wishes=("largest",))[0].tensors["mask"][3]
    cells = cv2.resize(mask, (4, 4), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cells - PINNED).max() <= 3, cells.tolist()


def test_only_the_faces_meant_are_looked_at(around, clip, found):
    tensors = masked(around, clip[0], found, "occluder", wishes=("largest",))[0].tensors
    assert len(set(tensors["track"].tolist())) == 1 and len(tensors["mask"]) == N
    assert masked(around, clip[0], found, "occluder", wishes=((9,),))[0].tensors["mask"].shape == (0, SIDE, SIDE)
    assert any("XSeg" in note for note in around.notes)


def corrected(around, frames, found, base, correction, masks=(), **params):
    given = CorrectSwapParams(
        cast=(Role(photos=("face",)),), corrections=(CorrectionParams(**correction),),
        masks=tuple(name for name, _ in masks), **params,
    )  # fmt: skip
    streams = (Stream(meta_of(frames), chunked(frames, 4)), of_faces(frames, found))
    streams += (Stream(meta_of(frames), chunked(base, 4)), *(of_faces(frames, chunks) for _, chunks in masks))
    models = (DETECTOR, *(ModelRef(name=name, revision="1") for name in ENGINES["inswapper"]))
    return frames_of(CorrectSwap(given, models).run(streams, around.context()))


def test_another_mask_corrects_the_frames_meant_alone(around, clip, found):
    frames, _, hand = clip
    masks = (("parsing", masked(around, frames, found, "parsing")),)
    few = (("parsing", masked(around, frames, found, "parsing", spans=((2, 5),))),)
    assert len(few[0][1][0].tensors["mask"]) == 6
    base = swapped(around, frames, found, "inswapper", ())
    how = {"start": 3, "stop": 4, "how": "parsing"}
    made = corrected(around, frames, found, base, how, few, engine="inswapper", in_front=(), steady=0.04)
    assert np.array_equal(np.delete(made, 3, 0), np.delete(base, 3, 0))
    expected = swapped(around, frames, found, "inswapper", ("parsing",), masks, steady=0.04)
    assert np.array_equal(made[3], expected[3])
    plain = swapped(around, frames, found, "builtin", None)
    made = corrected(around, frames, found, plain, how, few, engine="builtin")
    assert np.array_equal(np.delete(made, 3, 0), np.delete(plain, 3, 0)) and apart(made, plain)[3][hand].max() > 20
    full = swapped(around, frames, found, "inswapper", ("parsing",), masks)
    how = {"start": 2, "stop": 4, "how": "over everything"}
    back = corrected(around, frames, found, full, how, masks, engine="inswapper", in_front=("parsing",))
    assert np.array_equal(back[2:4], base[2:4]) and apart(back, frames)[2][hand].mean() > 30


@pytest.mark.parametrize("template", [ARCFACE_128, FRONTAL, FFHQ], ids=lambda template: template.name)
def test_the_looks_are_laid_where_a_crop_shows_the_face(detector, template):
    points = detector.detect(astronaut()).landmarks[0]
    at = apply(template.cells(points, 256, MASK_SIZE), points)
    mask, places = traced_mask(at, MASK_SIZE), traced_places(at, MASK_SIZE)
    column, row = np.rint(at).astype(int).T
    off = np.linalg.norm(places[row, column] - LANDMARKS_MM[:, :2], axis=-1)
    print("mm off at eyes, nose and mouth:", off.round(1))
    assert off.max() < 4 and mask[row, column].min() > 0.9  # a cell is 3 to 4 mm


def test_a_mask_is_its_outline_times_what_is_allowed():
    outline = np.ones((64, 64), np.float32)
    allowed = np.ones((128, 128), np.float32)
    allowed[50:70, 50:70] = 0
    mask = compose(outline, [allowed, np.full((32, 32), 0.5, np.float32)], blur=0.0)
    assert mask.shape == (128, 128) and mask[60, 60] == 0 and np.isclose(mask[30, 60], 0.5)
    assert not mask[0].any() and not mask[:, -1].any()
    soft = compose(outline, [allowed], blur=0.02)
    assert not soft[allowed == 0].any() and 0.1 < soft[60, 71:75].mean() < 0.9 and soft[60, 85] > 0.98
    wide, narrow = (compose(mask_for(ARCFACE_128, 128, STRAIGHT), (), padding=share) for share in (0, 0.1))
    assert 0.4 * wide.sum() < narrow.sum() < 0.8 * wide.sum() and (narrow <= wide + 1e-6).all()
    assert np.array_equal(wide, np.minimum(mask_for(ARCFACE_128, 128, STRAIGHT), border(64)))


STRAIGHT = fit_pose(np.array([[38.0, 51], [73, 51], [56, 71], [41, 92], [70, 92]]))


def stored(masks, first=0):
    rows = [(3, first + index, mask) for index, mask in enumerate(masks)]
    return StoredMasks([TensorChunk(mask_rows(rows), first, len(rows))])


def test_what_flickers_for_a_frame_is_dropped_and_an_edge_that_passes_is_neither_late_nor_blurred():
    moving = np.ones((9, SIDE, SIDE), np.float32)
    for index in range(9):
        moving[index, :, : 10 * index] = 0
    flickering = moving.copy()
    flickering[4] = 1 - flickering[4]
    masks = stored(flickering, 20)
    for index in (1, 2, 6, 7):
        assert np.array_equal(masks.at(3, 20 + index, 1), moving[index])
    assert np.abs(masks.at(3, 24, 1) - moving[4])[:, :30].max() == 0
    assert np.array_equal(masks.at(3, 24, 0), flickering[4])
    assert np.array_equal(masks.at(3, 20, 5), moving[0])  # nothing comes before it
    rng = np.random.default_rng(3)
    print("seed 3")
    noisy = stored(np.clip(rng.normal(0.5, 0.2, (30, SIDE, SIDE)), 0, 1))
    restless = [np.abs(np.diff([noisy.at(3, i, reach) for i in range(4, 26)], axis=0)).mean() for reach in (0, 1, 3)]
    print("change from frame to frame:", restless)
    assert restless[1] < 0.65 * restless[0] and restless[2] < 0.35 * restless[0]
    with pytest.raises(KeyError):
        noisy.at(3, 99, 1)


def test_networks_are_given_what_facefusion_gives_them(tmp_path):
    """Its preparation in its own order of channels: BGR crops, turned over for the parser and not for the occluder."""
    crop = np.ascontiguousarray(astronaut())
    bgr = crop[..., ::-1]
    file = tiny_onnx.parser(tmp_path / "parser.onnx", random=5)
    values = (bgr[:, :, ::-1].astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    feed = {"input": values.transpose(2, 0, 1)[None].astype(np.float32)}
    expected = onnxruntime.InferenceSession(str(file)).run(None, feed)[0][0].argmax(0)
    parser = load_parser(Spec(file))
    assert len(np.unique(expected)) > 3 and (parser.scores(crop).argmax(0) != expected).mean() < 1e-4
    for regions in (("skin", "glasses"), tuple(LABELS)):
        wanted = np.isin(expected, [label for region in regions for label in LABELS[region]])
        assert 0 < wanted.mean() < 1 and (parser.mask(crop, regions) != wanted).mean() < 1e-4
    file = tiny_onnx.occluder(tmp_path / "occluder.onnx", random=6)
    small = cv2.resize(bgr, (256, 256), interpolation=cv2.INTER_AREA)
    feed = {"in_face:0": small[None].astype(np.float32) / 255}
    expected = onnxruntime.InferenceSession(str(file)).run(None, feed)[0][0, ..., 0]
    assert np.allclose(load_occluder(Spec(file)).mask(small[..., ::-1]), expected, atol=1e-6) and expected.std() > 0.1


@pytest.mark.parametrize("scales", [False, True])
def test_landmarks_are_where_insightface_finds_them(tmp_path, scales):
    from insightface.app.common import Face
    from insightface.model_zoo.landmark import Landmark

    file = tiny_onnx.landmarker(tmp_path / "2d106det.onnx", scales=scales)
    box, frame = np.array([170, 60, 290, 220], np.float32), np.ascontiguousarray(astronaut())
    points = np.array([[200, 110], [255, 110], [228, 140], [205, 170], [250, 170]], np.float32)
    network = load_landmarker(Spec(file))
    with contextlib.redirect_stdout(io.StringIO()):
        expected = Landmark(str(file), network.session).get(np.ascontiguousarray(frame[..., ::-1]), Face(bbox=box))
    assert network.scales == scales and np.ptp(expected) > 5
    assert np.abs(network.points(frame, box, points) - expected).max() < 0.05
    turned, side = np.ascontiguousarray(np.rot90(frame)), frame.shape[1]  # a face that lies on its side
    there = np.array([box[1], side - box[2], box[3], side - box[0]])
    lying = np.stack([points[:, 1], side - points[:, 0]], 1)
    found = network.points(turned, there, lying)
    assert np.abs(np.stack([side - found[:, 1], found[:, 0]], 1) - expected).max() < 1.5


def oval(width):
    """106 landmarks of a plain face, -1..1: an outline, brows, and the rest in its middle."""
    angle = np.linspace(0, np.pi, 32)
    points = np.zeros((106, 2))
    points[OUTLINE] = [[0, 0.6], *np.stack([width * np.cos(angle), 0.6 * np.sin(angle)], 1)]
    points[BROWS] = np.stack([np.linspace(-0.7 * width, 0.7 * width, 18), np.full(18, -0.12)], 1)
    assert CHIN == 0
    return points


def test_the_outline_of_landmarks_bounds_the_drawn_face(around, clip, found, tmp_path):
    frames = clip[1]
    sizes = []
    for width in (0.25, 0.5):
        file = tiny_onnx.landmarker(tmp_path / f"{width}.onnx", oval(width))
        around.models["landmarks"] = load_landmarker(Spec(file))
        masks = (("landmarks", masked(around, frames, found, "landmarks")),)
        made = swapped(around, frames, found, "inswapper", (), masks)
        columns = np.flatnonzero((apart(made, frames)[0, :, :240] > 8).any(0))
        sizes.append(np.ptp(columns))
    assert 1.5 < sizes[1] / sizes[0] < 2.5, sizes
    mask = outline_mask(64 + 50 * oval(0.5), SIDE)
    assert mask[64, 64] == 1 and mask[52, 64] == 1 and mask[45, 64] == 0  # the forehead, then the hair
    assert mask[64, 64 + 30] == 0 and 0 < mask.mean() < 0.5
    assert any("106 landmarks" in note for note in around.notes)


@pytest.mark.parametrize("what", LOADERS)
def test_a_missing_a_damaged_and_another_file_are_told_apart(tmp_path, what):
    load, file = LOADERS[what], MAKERS[what](tmp_path / f"{what}.onnx")
    load(Spec(file))
    with pytest.raises(ModelNotFound, match="missing") as refused:
        load(Spec(tmp_path / "none.onnx"))
    assert "models folder" in refused.value.hint
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ModelNotFound, match="cannot be read") as refused:
        load(Spec(file))
    assert refused.value.hint
    other = (
        tiny_onnx.occluder(tmp_path / "other.onnx") if what != "occluder" else tiny_onnx.arcface(tmp_path / "o.onnx")
    )
    with pytest.raises(ModelNotFound, match=rf"{other.name} (is not|gives no)") as refused:
        load(Spec(other))
    assert ".onnx" in refused.value.hint


PINNED = np.array([[255, 255, 255, 255], [255, 255, 255, 255], [225, 66, 155, 254], [255, 214, 125, 227]])
