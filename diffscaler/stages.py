"""The stages there are, by the name that stands in plans. One visible list; nothing is discovered at import."""

from __future__ import annotations

from importlib import import_module
from typing import Any

STAGES: dict[str, str] = {
    "encode_text": "diffscaler.text2video.stages:EncodeText",
    "control_frames": "diffscaler.text2video.control_stage:ControlFrames",
    "control_depth": "diffscaler.text2video.control_stage:ControlDepth",
    "control_pose": "diffscaler.text2video.control_stage:ControlPose",
    "source_frames": "diffscaler.text2video.source_stage:SourceFrames",
    "encode_source": "diffscaler.text2video.source_stage:EncodeSource",
    "encode_reference": "diffscaler.text2video.reference_stage:EncodeReference",
    "denoise": "diffscaler.text2video.stages:Denoise",
    "decode": "diffscaler.text2video.stages:Decode",
    "decode_sound": "diffscaler.text2video.sound_stage:DecodeSound",
    "detect_faces": "diffscaler.faceswap.stage:DetectFaces",
    "identify_people": "diffscaler.faceswap.identity_stage:IdentifyPeople",
    "mask_faces": "diffscaler.faceswap.mask_stage:MaskFaces",
    "list_people": "diffscaler.faceswap.people_stage:ListPeople",
    "redraw_faces": "diffscaler.faceswap.redraw_stage:RedrawFaces",
    "swap_face": "diffscaler.faceswap.stage:SwapFace",
    "restore_faces": "diffscaler.faceswap.restore_stage:RestoreFaces",
    "correct_swap": "diffscaler.faceswap.correct_stage:CorrectSwap",
    "review_swap": "diffscaler.faceswap.review_stage:ReviewSwap",
    "inspect_photo": "diffscaler.faceswap.photo_stage:InspectPhoto",
    "upscale": "diffscaler.upscale.stage:Upscale",
    "upscale_pair": "diffscaler.upscale.pair.stage:UpscalePair",
    "upscale_sd": "diffscaler.upscale.sd.stage:UpscaleSd",
    "steady": "diffscaler.upscale.steady_stage:Steady",
    "excerpt": "diffscaler.upscale.excerpt:Excerpt",
    "resize": "diffscaler.upscale.resize:Resize",
    "interpolate": "diffscaler.upscale.interpolate:Interpolate",
    "interpolate_pair": "diffscaler.upscale.pair.tsr_stage:InterpolatePair",
    "fit_shot": "diffscaler.film.fit_stage:FitShot",
    "title_card": "diffscaler.film.card_stage:TitleCard",
    "slate": "diffscaler.film.slate_stage:Slate",
    "speak": "diffscaler.film.speak_stage:Speak",
    "join_shots": "diffscaler.film.join_stage:JoinShots",
    "beginning": "diffscaler.beginning:Beginning",
    "alpha": "diffscaler.video.alpha_stage:Alpha",
    "measure": "diffscaler.video.measure_stage:Measure",
    "encode": "diffscaler.video.stage:Encode",
}


def stage_class(name: str) -> Any:
    """The stage class called `name`. Raises KeyError when a plan names a stage this version does not have."""
    module, _, attribute = STAGES[name].partition(":")
    return getattr(import_module(module), attribute)
