"""One face after the other, redrawn over all of its frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.crops import FFHQ, cut
from diffscaler.faceswap.photo import PhotoFace
from diffscaler.faceswap.redraw_stage import RedrawFacesParams, unfinished
from diffscaler.faceswap.track import Track
from diffscaler.media import FrameChunk
from diffscaler.stage import StageContext
from diffscaler.text2video.bypass import replaced_forward
from diffscaler.text2video.family import Array, RedrawingFamily, Reference, Sampling
from diffscaler.text2video.stages import PREVIEW_EVERY_S, PREVIEW_FRAMES, thrifty
from diffscaler.text2video.tape import Tape, networks, taped

if TYPE_CHECKING:
    from diffscaler.text2video.image_encoder import ImageEncoder

Frames = npt.NDArray[np.uint8]

PHOTO_PX = 512  # side of a photo's crop; image encoders shrink it to their own


class TrackPainter:
    """Collects the latents of faces as their frames pass, and draws each track once it is whole.

    tracks: how many there are in the clip, for the progress line; done: how many of them are drawn
    """

    def __init__(
        self,
        model: RedrawingFamily,
        adapter: Any,
        words: dict[str, Array],
        params: RedrawFacesParams,
        fps: float,
        ctx: StageContext,
        tracks: int,
    ) -> None:
        """adapter: an ip_adapter.IpAdapter; words: as the model's `encode_text` gives them"""
        self.model, self.adapter, self.words, self.params = model, adapter, words, params
        self.fps, self.ctx, self.tracks = fps, ctx, tracks
        self.done = self.asked = self.replayed = 0
        self.encoded: dict[int, list[Array]] = {}
        self.shown_at = 0.0

    def look(self, chunk: FrameChunk, tracks: list[Track]) -> None:
        """Encode the faces of these tracks in a chunk of frames; chunks come in order."""
        for track in tracks:
            frames = range(max(chunk.start, track.start), min(chunk.stop, track.stop))
            for index in frames:
                self._step(0)
                crop = crop_of(chunk.frames[index - chunk.start], track, index - track.start, self.params.side)
                latents = thrifty(self.model, self.ctx, partial(self.model.encode, crop[None]))
                self.encoded.setdefault(track.id, []).append(latents)

    def drawn(self, track: Track, looks: dict[str, Array]) -> Array:
        """The latents of a track whose frames have all been looked at, drawn anew: float32 (C, K, h, w).

        looks: of its performer, as `seen_in` gives them
        """
        source = np.concatenate(self.encoded.pop(track.id), axis=1).astype(np.float32)
        reference = Reference(self.adapter, looks, self.params.reference_scale)
        sampling = sampling_of(self.params, source, reference, self.fps)
        taken = 0

        def on_step(done: int, total: int, clean: Array) -> None:
            nonlocal taken
            taken = done
            self._step(done)
            if time.monotonic() - self.shown_at >= PREVIEW_EVERY_S:
                self.ctx.preview(self.model.preview(clean, PREVIEW_FRAMES))
                self.shown_at = time.monotonic()

        def draw() -> tuple[Array, Tape]:
            nonlocal taken
            tape = Tape(unfinished(self.ctx, track))
            taken = 0
            # A step of a long track is many windows: each of them is a moment to stop at.
            told = replaced_forward(networks(self.model), lambda _, forward: _told(forward, lambda: self._step(taken)))
            with taped(tape, self.model), told:
                return self.model.denoise(self.words, sampling, on_step), tape

        latents, tape = thrifty(self.model, self.ctx, draw)
        self.asked, self.replayed, self.done = self.asked + tape.asked, self.replayed + tape.replayed, self.done + 1
        return latents.astype(np.float32)

    @property
    def share_asked(self) -> float:
        """Share of the network's answers that were computed and not kept from a run that was stopped, 0..1."""
        return self.asked / (self.asked + self.replayed) if self.replayed else 1.0

    def _step(self, step: int) -> None:
        """Tell how far the clip is: `step` steps into the next track."""
        steps = max(1, self.params.steps_taken)
        self.ctx.step(self.done * steps + step, self.tracks * steps, "step")


def _told(forward: Callable[..., Any], tell: Callable[[], None]) -> Callable[..., Any]:
    def told(*args: Any, **named: Any) -> Any:
        tell()
        return forward(*args, **named)

    return told


def sampling_of(params: RedrawFacesParams, source: Array, reference: Reference, fps: float) -> Sampling:
    """What the model is asked for. source: latents (C, K, h, w) of a track's crops"""
    return Sampling(
        width=params.side,
        height=params.side,
        num_frames=source.shape[1],
        num_inference_steps=params.num_inference_steps,
        guidance_scale=params.guidance_scale,
        seed=params.seed,
        fps=fps,
        window=params.window,
        overlap=params.overlap,
        source=source,
        strength=params.strength,
        reference=reference,
    )


def crop_of(frame: Frames, track: Track, index: int, side: int) -> Frames:
    """The face in a track's frame `index`, aligned by its smoothed landmarks, so that it stays put.

    frame: uint8 RGB (H, W, 3); side: pixels. Returns uint8 RGB (side, side, 3).
    """
    return cut(frame, FFHQ, track.landmarks[index], side)[0]


def seen_in(encoder: ImageEncoder, photos: list[PhotoFace]) -> dict[str, Array]:
    """What an image encoder sees in a performer's photos, as `ImageEncoder.read` gives it; of several, the mean.

    Each is cut as the crops of a track are: patches of one place of the face are averaged with their likes.
    """
    seen = [encoder.read(cut(face.photo, FFHQ, face.landmarks, PHOTO_PX)[0]) for face in photos]
    return {name: np.mean([each[name] for each in seen], axis=0, dtype=np.float32) for name in seen[0]}
