"""What a person can ask for. The page's controls, the command line, the API and the presets all read these fields."""

from diffscaler.requests.base import MAX_PROMPT, MAX_SEED, ClipKey, Delivered, EncodingName, Request, more
from diffscaler.requests.deliver import DeliverRequest, MeasureRequest
from diffscaler.requests.faceswap import (
    Correction,
    EngineChoice,
    FaceSwapRequest,
    FindPeopleRequest,
    FrontChoice,
    InspectPhotoRequest,
    Playing,
    ReviewSwapRequest,
)
from diffscaler.requests.film import AnimaticRequest, ShotRequest, SpokenLine
from diffscaler.requests.text2video import MAX_FRAMES, AspectName, ControlKind, SamplerName, Text2VideoRequest
from diffscaler.requests.upscale import Region, UpscaleRequest, region_from

__all__ = [
    "MAX_FRAMES",
    "MAX_PROMPT",
    "MAX_SEED",
    "AnimaticRequest",
    "AspectName",
    "ClipKey",
    "ControlKind",
    "Correction",
    "DeliverRequest",
    "Delivered",
    "EncodingName",
    "EngineChoice",
    "FaceSwapRequest",
    "FindPeopleRequest",
    "FrontChoice",
    "InspectPhotoRequest",
    "MeasureRequest",
    "Playing",
    "Region",
    "Request",
    "ReviewSwapRequest",
    "SamplerName",
    "ShotRequest",
    "SpokenLine",
    "Text2VideoRequest",
    "UpscaleRequest",
    "more",
    "region_from",
]
