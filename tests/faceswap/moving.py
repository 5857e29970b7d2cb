"""Small clips with real faces whose true movement is known, and a stage's surroundings without an engine."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from diffscaler.faceswap.casting import CastParams, Role
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.stage import DetectFaces, DetectFacesParams, SwapFace
from diffscaler.media import ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, StageContext

FPS = 25
DETECTOR = ModelRef(name="centerface", revision="1")


def astronaut():
    """Eileen Collins, NASA, public domain: uint8 RGB (512, 512, 3)."""
    from skimage import data

    return data.astronaut()


def somebody_else():
    """A face unlike the performer's, made from the same photo so that tests need no other person's picture.

    Mirrored, longer, darker and ruddier, soft as cheap footage: uint8 RGB (560, 512, 3).
    """
    mirrored = np.ascontiguousarray(astronaut()[:, ::-1])
    longer = cv2.GaussianBlur(cv2.resize(mirrored, (512, 560), interpolation=cv2.INTER_AREA), (0, 0), 1.5)
    lab = cv2.cvtColor(longer.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) * (0.62, 1.0, 0.9) + (4, 6, 0)
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB) * 255, 0, 255).astype(np.uint8)


def scene():
    """Two people side by side, the right one smaller, on plain ground: uint8 RGB (270, 421, 3), an odd width."""
    ground = np.full((270, 421, 3), (70, 90, 100), np.uint8)
    one = cv2.resize(somebody_else(), (240, 262), interpolation=cv2.INTER_AREA)
    other = cv2.resize(somebody_else()[:, ::-1].copy(), (171, 187), interpolation=cv2.INTER_AREA)
    ground[8:, :240], ground[83:, 250:] = one, other
    return ground


def moved(photo, box, matrices, size):
    """Frames of a photo's box pasted under each similarity (2, 3) on a drifting background: uint8 (N, H, W, 3).

    box: x1 y1 x2 y2 of the photo; matrices: photo pixels -> frame pixels; size: (width, height)
    """
    rng = np.random.default_rng(7)
    print("seed 7")
    scenery = cv2.GaussianBlur(rng.integers(0, 255, (size[1] + 200, size[0] + 200, 3)).astype(np.float32), (0, 0), 12)
    scenery = (scenery - scenery.min()) / np.ptp(scenery) * 220
    cut_out = np.zeros(photo.shape[:2], np.float32)
    centre, axes = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2), ((box[2] - box[0]) // 2, (box[3] - box[1]) // 2)
    cv2.ellipse(cut_out, centre, axes, 0, 0, 360, 1.0, -1)
    cut_out = cv2.GaussianBlur(cut_out, (0, 0), 3)
    frames = []
    for index, matrix in enumerate(matrices):
        behind = scenery[index % 200 : index % 200 + size[1], index % 200 : index % 200 + size[0]]
        front = cv2.warpAffine(photo.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
        alpha = cv2.warpAffine(cut_out, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        frames.append(np.rint(behind * (1 - alpha) + front * alpha).astype(np.uint8))
    return np.stack(frames)


def around(centre, to, scale, degrees):
    """The similarity (2, 3) that brings the photo point `centre` to the frame point `to`."""
    matrix = cv2.getRotationMatrix2D(centre, degrees, scale)
    matrix[:, 2] += np.subtract(to, centre)
    return matrix


def still(picture, count):
    return np.repeat(picture[None], count, axis=0)


def meta_of(frames):
    return ClipMeta(
        kind="frames",
        width=frames.shape[2],
        height=frames.shape[1],
        num_frames=len(frames),
        fps=Fraction(FPS),
        duration_s=len(frames) / FPS,
    )


def chunked(frames, size, start=0):
    for at in range(start, len(frames), size):
        part = frames[at : at + size]
        yield FrameChunk(part, at, (at + np.arange(len(part))) / FPS)


class Surroundings:
    """A StageContext's maker: lends models by name, collects notes."""

    def __init__(self, models, photo=None):
        self.models, self.photo, self.notes = models, photo, []

    def context(self, start=0):
        @contextmanager
        def acquire(ref):
            model = self.models[ref.name]
            yield model() if callable(model) else model

        return StageContext(
            start,
            acquire,
            lambda *_: None,
            lambda _: None,
            self.notes.append,
            Path("."),
            Path("unfinished"),
            lambda _: self.photo,
            lambda _: self.photo.name,
            {},
        )

    def detect(self, frames, size=8, start=0):
        stage = DetectFaces(DetectFacesParams(), (DETECTOR,))
        source = Stream(meta_of(frames), chunked(frames, size, max(0, start - stage.lookback)))
        return list(stage.run((source,), self.context(start)))

    def swap(self, frames, found, size=8, start=0, models=(DETECTOR,), tracks="all", cast=None, **params):
        """cast: ((photos), tracks) of each role; one role with the photo "face" when it is not given"""
        roles = tuple(Role(photos=photos, tracks=of) for photos, of in cast or [(("face",), tracks)])
        stage = SwapFace(CastParams(cast=roles, **params), models)
        detections = Stream(meta_of(frames).change(kind="tensors"), iter(found))
        source = Stream(meta_of(frames), chunked(frames, size, start))
        return list(stage.run((source, detections), self.context(start)))


def gather_tracks(detector, frames):
    """The people in a few frames, as the stages see them."""
    found = Surroundings({"centerface": detector}).detect(frames)
    return gather(found).tracks(FPS)


def frames_of(chunks):
    return np.concatenate([chunk.frames for chunk in chunks])
