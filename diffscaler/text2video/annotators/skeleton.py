"""People drawn as OpenPose shows them, which is what ControlNets for poses were taught to read. Cao et al. 2019."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from math import atan2, degrees, hypot

import numpy as np
import numpy.typing as npt

from diffscaler.media import Frames

#: float32 (N, joints, 3): x and y in pixels, score 0..1.
Joints = npt.NDArray[np.float32]

COCO_JOINTS = 17
NECK = 1
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6  # of COCO

#: OpenPose's 18 joints by their number in COCO; the neck, None, is not one of COCO's.
FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)

#: Which of the 18 joints each limb is between: shoulders, arms, right leg, left leg, head.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip

#: RGB, once around the circle of hues: joint i and limb i have colour i.
COLOURS = tuple(tuple(round(255 * part) for part in hsv_to_rgb(i / 18, 1, 1)) for i in range(18))
#: Limbs are this much darker than joints.
LIMB_LIGHT = 0.6
#: A limb is 8 pixels thick and a joint 8 wide on a picture of 512; larger pictures have thicker ones.
RADIUS, ON_SIDE = 4, 512
#: Joints that a network is less sure of are not drawn: a limb in a wrong place misleads more than none.
LEAST_SCORE = 0.3


def openpose_from_coco(people: Joints) -> Joints:
    """(N, 17, 3) in COCO's order -> (N, 18, 3) in OpenPose's. The neck is midway between the shoulders, and as sure as
    the less sure one of them."""
    found = np.zeros((len(people), len(FROM_COCO), 3), np.float32)
    for joint, coco in enumerate(FROM_COCO):
        if coco is not None:
            found[:, joint] = people[:, coco]
    shoulders = people[:, [LEFT_SHOULDER, RIGHT_SHOULDER]]
    found[:, NECK, :2] = shoulders[..., :2].mean(axis=1)
    found[:, NECK, 2] = shoulders[..., 2].min(axis=1)
    return found


def draw_people(people: Joints, width: int, height: int) -> Frames:
    """Skeletons on black, uint8 RGB (height, width, 3). people: float32 (N, 17, 3) in COCO's order

    A joint is drawn when it is in the picture and its score is LEAST_SCORE or more, a limb when both its ends are.
    Nobody gives a black picture.
    """
    import cv2

    picture = np.zeros((height, width, 3), np.uint8)
    radius = max(1, round(RADIUS * min(width, height) / ON_SIDE))
    for joints in openpose_from_coco(people):
        # OpenPose sees no joints beyond the picture either.
        inside = ((joints[:, :2] >= 0) & (joints[:, :2] <= (width - 1, height - 1))).all(axis=1)
        sure = inside & (joints[:, 2] >= LEAST_SCORE)
        for limb, (a, b) in enumerate(LIMBS):
            if sure[a] and sure[b]:
                (ax, ay), (bx, by) = joints[a, :2].tolist(), joints[b, :2].tolist()
                size = hypot(bx - ax, by - ay), 2.0 * radius
                middle, angle = ((ax + bx) / 2, (ay + by) / 2), degrees(atan2(by - ay, bx - ax))
                cv2.ellipse(picture, (middle, size, angle), [int(part * LIMB_LIGHT) for part in COLOURS[limb]], -1)
        for joint in np.flatnonzero(sure):
            x, y = joints[joint, :2].round().astype(int).tolist()
            cv2.circle(picture, (x, y), radius, COLOURS[joint], -1)
    return picture
