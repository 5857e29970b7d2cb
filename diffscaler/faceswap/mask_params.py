"""What can be said about the masks of faces: which there are, what may be drawn over, how soft and steady they are."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from diffscaler.stage import Params

Region = Literal["skin", "brows", "eyes", "nose", "mouth", "lips", "glasses"]
#: What tells which things stay in front of a face: two networks, and how the face looks at other times (occlusion.py).
Front = Literal["parsing", "occluder", "looks"]
MaskName = Literal["parsing", "occluder", "landmarks"]

#: What glasses, hats and hair leave free.
REGIONS: tuple[Region, ...] = ("skin", "brows", "eyes", "nose", "mouth", "lips")
#: Which kind of model draws which mask.
KINDS: dict[MaskName, Literal["face_parser", "face_occluder", "face_landmarker"]] = {
    "parsing": "face_parser",
    "occluder": "face_occluder",
    "landmarks": "face_landmarker",
}
#: What the page and the file must say.
LICENCES: dict[MaskName, str] = {
    "parsing": "Face regions by BiSeNet (MIT), trained on CelebAMask-HQ, which is for non-commercial research only.",
    "occluder": "What is in front of faces by XSeg (GPL-3.0, DeepFaceLab).",
    "landmarks": "Face outlines by 106 landmarks, for non-commercial research only (insightface).",
}


class MaskParams(Params):
    """What a stage that draws faces does with masks.

    in_front: what keeps things in front of the faces, all of it at once; empty: nothing does; None: as it was before
    this could be said, the looks for the built-in engine, nothing for the others
    masks: which masks the stage's last inputs hold, in their order; "landmarks" takes the place of the generic outline
    padding: how far the outline is drawn in, blur: of the mask, each as a share of the crop's side
    steady: seconds around a frame whose masks have a say in its own
    """

    in_front: tuple[Front, ...] | None = None
    masks: tuple[MaskName, ...] = ()
    padding: float = Field(0.0, ge=0, le=0.2)
    blur: float = Field(0.0, ge=0, le=0.1)
    steady: float = Field(0.0, ge=0, le=0.3)
    later: ClassVar[frozenset[str]] = frozenset({"in_front", "masks", "padding", "blur", "steady"})
