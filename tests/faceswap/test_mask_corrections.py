"""Faces that are redrawn, restored or corrected leave alone what is in front of them, as a swap does."""

import numpy as np
import torch

from diffscaler.faceswap.casting import Role
from diffscaler.faceswap.correct_stage import CorrectionParams, CorrectSwap, CorrectSwapParams
from diffscaler.faceswap.crops import (
    FFHQ,
)
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.diffusion_swapper import DiffusionSwapper, by_frame
from diffscaler.faceswap.engines import places_in
from diffscaler.faceswap.mask_params import MaskParams
from diffscaler.faceswap.masks import FaceMasks, StoredMasks
from diffscaler.faceswap.restore import Restorer
from diffscaler.faceswap.restore_stage import RestoreFaces, RestoreFacesParams
from diffscaler.media import Stream
from diffscaler.stage import ModelRef
from tests.faceswap.masking import ENGINES, N, apart, masked, of_faces, swapped
from tests.faceswap.moving import DETECTOR, FPS, chunked, frames_of, meta_of


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
    drawn = by_frame(tracks, [{str(track.id): np.zeros((4, len(track.rows), 8, 8), np.float32) for track in tracks}])
    paint = np.full((1, 512, 512, 3), (90, 160, 60), np.uint8)
    results = []
    for mask in (None, lambda side, track, index: masks.crop(FFHQ, side, track, index, ("occluder",))):
        swapper = DiffusionSwapper(lambda latents: paint, drawn, faces, tracks, FPS, colour=0.0, mask=mask)
        results.append(apart(swapper.swap(frames, places_in(tracks, 0, N), lambda _: None), frames)[3])
    assert results[0][hand].mean() > 60 and results[1][hand].mean() < 10
    assert results[1].max() > 60


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
