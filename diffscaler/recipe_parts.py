"""What every recipe is made of: the frames behind a clip, what is said about it, and the file at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from diffscaler import plan
from diffscaler.errors import InvalidRequest
from diffscaler.film.speak_stage import Speak
from diffscaler.library.clips import ClipLibrary
from diffscaler.models.catalogue import Catalogue
from diffscaler.plan import Node, node
from diffscaler.requests import Delivered, Request
from diffscaler.text2video.sound_stage import DecodeSound
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from diffscaler.upscale.pair.stage import DRAWN_LEVEL, PairParams, UpscalePair
from diffscaler.upscale.pair.tsr_stage import TIMES, InterpolatePair, InterpolatePairParams
from diffscaler.upscale.resize import Resize, ResizeParams
from diffscaler.upscale.sd.stage import SdParams, UpscaleSd
from diffscaler.upscale.siblings import needed_sibling
from diffscaler.upscale.stage import Upscale, UpscaleParams
from diffscaler.video.alpha_stage import Alpha, AlphaParams
from diffscaler.video.destination import check_encoder
from diffscaler.video.soundtrack import Soundtrack
from diffscaler.video.stage import Encode, EncodeParams

#: Stages whose output is heard: what else an encoder is given beside the frames is their transparency.
SOUNDS = (DecodeSound.name, Speak.name)

# How often a clip is encoded at most until its bitrate is met; two are usual.
BITRATE_PASSES = 4


@dataclass(frozen=True)
class Recipe:
    """A plan with what the page says about it. `request` is complete: asking again with it gives the same clip."""

    root: Node
    title: str
    request: Request

    def request_row(self) -> dict[str, Any]:
        """The request as JSON data that `request_from` reads back."""
        return {"type": type(self.request).__name__, **self.request.model_dump(mode="json")}


@dataclass(frozen=True)
class Heard:
    """sounds: inputs of the encoder; told: what it is told of a soundtrack that lays them out, {} for a plain sound"""

    sounds: tuple[Node, ...] = ()
    told: dict[str, Any] = field(default_factory=dict[str, Any])


class RecipeParts:
    """Parts of plans, with what is installed and what the library holds."""

    def __init__(self, library: ClipLibrary, catalogue: Catalogue) -> None:
        self.library = library
        self.catalogue = catalogue

    def _about(self, key: str) -> dict[str, str]:
        """What a delivered clip's own manifest says of prompt, seed and consent: it holds for what is made from it."""
        node = self.library.clip(key).node
        return dict(node.params["about"]) if node.stage == "encode" else {}

    def _prompt_of(self, key: str) -> str:
        """The words a clip was drawn from, "" where it was not."""
        return self._about(key).get("prompt", "")

    def _sound_of(self, key: str) -> tuple[Node, ...]:
        """The sound that was made for a delivered clip; nothing where its sound is an imported file's, or is laid out
        over a film."""
        return () if (heard := self._heard_of(key)).told else heard.sounds

    def _heard_of(self, key: str, times: int = 1) -> Heard:
        """What is heard with a delivered clip, and its subtitles, for another file of the same length.

        times: frames that file has for each one of the clip
        """
        at = self.library.clip(key).node
        if at.stage != Encode.name:
            return Heard()
        track = Soundtrack.model_validate(at.params.get("soundtrack", {})).times(times)
        sounds = tuple(source for source in at.inputs[1:] if source.stage in SOUNDS)
        return Heard(sounds, {} if track.empty else {"soundtrack": track})

    def _alpha_of(self, key: str) -> tuple[Node, ...]:
        """The transparency of a clip, as a grey clip: that of an imported file, or of what was made from one."""
        clip = self.library.clip(key)
        if clip.stage == plan.IMPORT and clip.meta.alpha:
            return (node(Alpha(AlphaParams(sha256=clip.node.params["sha256"]), ()), clip.node),)
        inputs = clip.node.inputs[1:] if clip.stage == "encode" else ()
        return tuple(at for at in inputs if at.stage not in SOUNDS)

    def frames_of(self, key: str) -> Node:
        """The best frames behind a clip: a delivered file stands for the lossless frames it was written from."""
        clip = self.library.clip(key)
        at = clip.node
        if at.stage == "encode":
            at = at.inputs[0]
        if clip.meta.kind == "tensors":
            raise InvalidRequest("That library entry holds data, not pictures.", "Pick a clip.")
        return at

    def _frames_there(self, key: str) -> Node:
        """The frames behind a clip where they are kept, else those in its file: drawing anew would take longer."""
        frames = self.frames_of(key)
        there = frames.stage == plan.IMPORT or self.library.complete(frames.key)
        return frames if there else self.library.clip(key).node

    def _photo(self, key: str) -> str:
        clip = self.library.clip(key)
        if clip.stage != plan.IMPORT or not clip.meta.still:
            raise InvalidRequest(f"{clip.title!r} is not a photo.", "Use a JPEG, PNG or WebP picture of the face.")
        return str(clip.node.params["sha256"])

    def _still(self, key: str) -> Node:
        if not self.library.clip(key).meta.still:
            raise InvalidRequest(
                f"{self.library.clip(key).title!r} is not a still picture.", "Use a JPEG, PNG or WebP picture."
            )
        return self.frames_of(key)

    def _upscaled(
        self, frames: Node, scale: int, upscaler: str, prompt: str, tile: int = 0, denoise_strength: float = 1.0
    ) -> Node:
        """prompt: what the clip shows, where that is known"""
        name = f"builtin-x{scale}" if upscaler == "builtin" else upscaler
        specs = [self.catalogue.spec(name, "upscaler")]
        if denoise_strength < 1:
            specs.append(needed_sibling(self.catalogue, upscaler))
        models = tuple(self.catalogue.ref(spec) for spec in specs)
        native = specs[0].native
        if "window" in native:  # the diffusion pair: it sees several frames at once
            drawn = any(at.stage == "decode" for at in plan.nodes(frames))
            given = native | {"scale": scale, "noise_level": DRAWN_LEVEL if drawn else 0.0}
            pair = PairParams.model_validate(given | ({"tile": tile} if tile else {}))
            return node(UpscalePair(pair, models), frames)
        if "guidance_scale" in native:  # a diffusion upscaler of the library
            each = min(scale, specs[0].scale)  # one that enlarges by two is run twice for four
            given = native | {"scale": each, "prompt": prompt} | ({"tile": max(64, tile)} if tile else {})
            for _ in range(scale.bit_length() - each.bit_length() + 1):
                frames = node(UpscaleSd(SdParams.model_validate(given), models), frames)
            return frames
        params = UpscaleParams(scale=scale, tile=tile, denoise_strength=denoise_strength)
        return node(Upscale(params, models), frames)

    def _alpha_larger(self, alpha: Node, size: tuple[int, int] | None, times: Literal[1, 2, 4]) -> Node:
        """Transparency at another size, by Lanczos, and a higher frame rate. size: width and height, None: its own"""
        if size is not None:
            alpha = node(Resize(ResizeParams(width=size[0], height=size[1]), ()), alpha)
        return node(Interpolate(InterpolateParams(times=times), ()), alpha) if times > 1 else alpha

    def _more_frames(self, frames: Node, times: Literal[2, 4], interpolator: str) -> Node:
        """times: the frame rate. Raises ModelNotFound."""
        if interpolator == "flow":
            return node(Interpolate(InterpolateParams(times=times), ()), frames)
        spec = self.catalogue.spec(interpolator, "interpolator")
        models = (self.catalogue.ref(spec),)
        if "pairs" not in spec.native:
            return node(Interpolate(InterpolateParams(times=times), models), frames)
        params = InterpolatePairParams.model_validate(spec.native)
        for _ in range(times // TIMES):
            frames = node(InterpolatePair(params, models), frames)
        return frames

    def _delivered(
        self,
        frames: Node,
        request: Delivered,
        title: str,
        about: dict[str, str],
        beside: tuple[Node, ...] = (),
        **for_destination: Any,
    ) -> Recipe:
        """beside: the sound made for the frames, their transparency"""
        check_encoder(request.encoding)
        params = EncodeParams(
            encoding=request.encoding,
            quality=request.quality,
            bitrate_mbps=request.bitrate_mbps,
            about=about,
            passes=1 if request.bitrate_mbps is None else BITRATE_PASSES,
            **for_destination,
        )
        return Recipe(node(Encode(params, ()), frames, *beside), title, request)


def consent_row(consents: list[str]) -> dict[str, str]:
    """What a delivered file says about the agreements behind the faces in it; nothing where all are ""."""
    said = "; ".join(dict.fromkeys(text for text in consents if text))
    return {"consent": said} if said else {}
