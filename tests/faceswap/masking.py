"""A clip with a hand before a face, networks of the published signatures whose answers are known, and their masks."""

import cv2
import numpy as np

from diffscaler.faceswap.casting import CastParams, Role
from diffscaler.faceswap.ghost import load_converter, load_ghost
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.faceswap.landmarks import load_landmarker
from diffscaler.faceswap.mask_stage import MaskFaces, MaskFacesParams
from diffscaler.faceswap.occluder import load_occluder
from diffscaler.faceswap.parsing import load_parser
from diffscaler.faceswap.stage import SwapFace
from diffscaler.media import Stream
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import DETECTOR, chunked, frames_of, gather_tracks, meta_of, still
from tests.faceswap.tiny_onnx import BLUE, Spec

N = 7
LOADERS = {"parsing": load_parser, "occluder": load_occluder, "landmarks": load_landmarker}
MAKERS = {"parsing": tiny_onnx.parser, "occluder": tiny_onnx.occluder, "landmarks": tiny_onnx.landmarker}
ENGINES = {"builtin": (), "inswapper": ("inswapper", "arcface"), "ghost": ("ghost", "arcface", "crossface-ghost")}


def load_networks(root):
    """Loaded networks by the name of what they do; their files are written to the folder `root`."""
    convert = load_converter(Spec(tiny_onnx.converter(root / "crossface_ghost.onnx")))
    made = {name: LOADERS[name](Spec(make(root / f"{name}.onnx"))) for name, make in MAKERS.items()}
    return made | {
        "crossface-ghost": lambda: convert,
        "inswapper": load_swapper(Spec(tiny_onnx.swapper(root / "inswapper_128.onnx"))),
        "ghost": load_ghost(Spec(tiny_onnx.swapper(root / "ghost_1_256.onnx", 256, emap=False))),
        "arcface": load_recognizer(Spec(tiny_onnx.arcface(root / "w600k_r50.onnx"))),
    }


def with_hand(two_people, detector):
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


def apart(one, other):
    return np.abs(one.astype(int) - other).max(-1)
