"""From a shot to what a model is asked to draw, so that the film has the frames its shot list says."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from diffscaler.errors import ScriptError
from diffscaler.framing import FALLBACK, FALLBACK_SIZE, size_at
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import MAX_FRAMES, MAX_SEED, EncodingName, ShotRequest, Text2VideoRequest
from diffscaler.screenplay.prompts import Reduced, reduced
from diffscaler.screenplay.rates import RateName, rate_of
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import DISSOLVE_S, PLAIN, Edges, edges_of

#: auto: the film's shape, but for small models, which draw no other than they were taught: mini doubles its dogs.
Shape = Literal["auto", "film", "model"]

#: A draft takes half the steps, and of a large model's picture half the pixels. Small models draw none with fewer.
DRAFT_STEPS, DRAFT_PIXELS = 0.5, 0.5
SMALL_PIXELS = 256 * 256


@dataclass(frozen=True)
class Film:
    """What all shots of a film have in common.

    rate: a name of RATES; width, height: pixels, even; draft: quicker and coarser; smooth: frames are drawn between
    those of the model; shape: of what is drawn; takes: by shot id, 1 where there is none; encoding: of the shots' files
    dissolve_s: seconds of a dissolve and of a fade, 0 for cuts alone
    """

    model: ModelSpec
    rate: RateName = "24"
    width: int = 640
    height: int = 360
    draft: bool = False
    smooth: bool = False
    shape: Shape = "auto"
    takes: Mapping[str, int] = field(default_factory=dict)
    encoding: EncodingName = "auto"
    dissolve_s: float = DISSOLVE_S


@dataclass(frozen=True)
class CompiledShot:
    """words: the prompt as it is drawn, with what was dropped; None for a card. edges: of it in the whole film, for
    which its clip has the frames. draft: drawn quicker and coarser"""

    shot: Shot
    request: ShotRequest
    take: int = 1
    words: Reduced | None = None
    edges: Edges = PLAIN
    draft: bool = False

    @property
    def head(self) -> int:
        """Frames its clip has before the shot's first: those it was made with, whatever the film has come to need."""
        return self.edges.head if self.request.head is None else self.request.head

    @property
    def label(self) -> str:
        """As burnt in: "SC1_SH010  take 1 (draft)"; of a slate, its name alone."""
        if self.request.rows:
            return self.shot.name
        return f"{self.shot.name}  take {self.take}{' (draft)' if self.draft else ''}"


def compiled_film(shots: Sequence[Shot], film: Film, scenes: Container[str] | None = None) -> tuple[CompiledShot, ...]:
    """What to draw for the shots of a film, with the handles that its dissolves need.

    shots: all of the film; scenes: numbers of those to compile, None for all. What is left out still counts for
    handles, so a shot asks for the same clip whatever else is drawn. Raises what `compiled` raises.
    """
    edges = edges_of(shots, film.rate, film.dissolve_s)
    pairs = zip(shots, edges, strict=True)
    return tuple(compiled(shot, film, at) for shot, at in pairs if scenes is None or shot.scene in scenes)


def compiled(shot: Shot, film: Film, edges: Edges = PLAIN) -> CompiledShot:
    """What to draw for a shot. The same shot and take of the same film ask for the same clip, always.

    edges: how it begins and ends, by which its clip gets handles
    Raises ScriptError for a shot without a prompt, pydantic.ValidationError for one that is too long.
    """
    take, values = film.takes.get(shot.id, 1), {"encoding": film.encoding, "name": shot.name}
    frames = edges.head + shot.frames + edges.tail
    values |= {"frames": frames, "head": edges.head, "rate": film.rate, "width": film.width, "height": film.height}
    if shot.role == "title":
        return CompiledShot(shot, ShotRequest(**values, card=shot.text), take, edges=edges)
    if not shot.prompt.strip():
        raise ScriptError(f"{shot.name} has no prompt.", "Write one in the shot list, or take the shot out.")
    spec = film.model
    words = reduced(shot.prompt, spec.path) if spec.path else Reduced(shot.prompt)
    width, height = size_to_draw(film)
    steps = spec.native.get("num_inference_steps", FALLBACK["num_inference_steps"])
    drawn = Text2VideoRequest(
        prompt=words.text or shot.prompt,  # of a prompt without a word it knows, a model draws what it likes
        model=spec.name,
        num_frames=frames_to_draw(frames, film.rate, spec),
        width=width,
        height=height,
        num_inference_steps=max(spec.traits.min_steps, math.ceil(steps * DRAFT_STEPS)) if film.draft else None,
        seed=seed_of(shot.id, take),
    )
    return CompiledShot(shot, ShotRequest(**values, drawn=drawn, smooth=film.smooth), take, words, edges, film.draft)


def seed_of(shot_id: str, take: int) -> int:
    """0 to MAX_SEED: another one for every take of every shot."""
    digest = hashlib.sha256(f"{shot_id}\0{take}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (MAX_SEED + 1)


def size_to_draw(film: Film) -> tuple[int, int]:
    """(width, height) in pixels: of the film's shape, or of the model's own, which gets bars in the film."""
    native = film.model.native
    own = (int(native.get("width", FALLBACK_SIZE)), int(native.get("height", FALLBACK_SIZE)))
    small = own[0] * own[1] <= SMALL_PIXELS
    by_model = film.shape == "model" or (film.shape == "auto" and small)
    share = DRAFT_PIXELS if film.draft and not small else 1.0
    return size_at(own[0] / own[1] if by_model else film.width / film.height, film.model, share)


def frames_to_draw(frames: int, rate: str, spec: ModelSpec) -> int:
    """The fewest frames of a model that last as long as a shot, or as many as it draws, for a shot that is longer.

    frames: of the shot, at a rate of RATES
    """
    traits, native = spec.traits, spec.native
    needed = math.ceil(frames / rate_of(rate) * rate_of_model(spec))
    longest = MAX_FRAMES if traits.windows else min(MAX_FRAMES, int(native.get("max_frames", MAX_FRAMES)))
    count = traits.legal_frames(needed)
    while count < needed:
        count += traits.frame_step
    while count > longest and count > traits.frame_step:
        count -= traits.frame_step
    return count


def rate_of_model(spec: ModelSpec) -> Fraction:
    """Frames a second that a model draws."""
    return Fraction(str(spec.native.get("fps", 8)))
