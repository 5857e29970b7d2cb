"""The stage that asks a network, face by face, where a swapped face may be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from diffscaler.faceswap.mask_params import LICENCES, REGIONS, MaskName, Region
from diffscaler.media import ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from diffscaler.faceswap.engines import Place
    from diffscaler.faceswap.track import Track


class MaskFacesParams(Params):
    """what: which mask; wishes: whose faces, the `tracks` of every `Role` of the swap, in order

    regions: that may be drawn over; of parsing only
    spans: frames [start, stop) that are looked at, for corrections; empty: all
    """

    what: MaskName
    wishes: tuple[Literal["all", "largest"] | tuple[int, ...], ...] = ("all",)
    regions: tuple[Region, ...] = REGIONS
    spans: tuple[tuple[int, int], ...] = ()

    def about(self, frame: int) -> bool:
        return not self.spans or any(start <= frame < stop for start, stop in self.spans)


class MaskFaces:
    """Frames and their detections -> one mask for each followed face of each frame; see `masks.StoredMasks`.

    Where the parser sees no face although the detector saw one, the mask is whole, so that the outline alone holds, and
    `found` says so: a face that came back for a frame would be worse, and would come unannounced.
    A mask depends on its frame and the detections alone, so chunks and resume leave no trace.
    models: the network
    """

    name: ClassVar[str] = "mask_faces"
    version: ClassVar[int] = 2
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = MaskFacesParams

    def __init__(self, params: MaskFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].data()

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises ModelNotFound when the network's file is missing or another one."""
        from diffscaler.faceswap.at_once import at_once, runs_at_once
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.masks import mask_rows
        from diffscaler.faceswap.track import assigned

        clip, total = inputs[0], inputs[0].meta.num_frames
        ctx.step(ctx.start, total, "frame")
        everyone = gather(inputs[1]).tracks(float(clip.meta.fps))
        chosen = assigned(everyone, self.params.wishes)
        tracks = [track for track in everyone if track.id in chosen]
        ctx.note(LICENCES[self.params.what])
        with ctx.acquire(self.models[0]) as network:
            draw = drawer(self.params, network)
            chunk: FrameChunk
            for chunk in clip:
                if chunk.stop <= ctx.start:
                    continue
                part = chunk.since(ctx.start)
                rows: list[tuple[int, int, Any, bool]] = []
                ctx.step(part.start, total, "frame")
                places = [
                    place
                    for place in places_in(tracks, part.start, part.stop)
                    if place.track.weights[place.index] > 0 and self.params.about(part.start + place.offset)
                ]
                drawn = at_once(
                    lambda place, frames=part.frames: draw(frames[place.offset], place.track, place.index),
                    places,
                    runs_at_once(network.session),
                    lambda place, start=part.start: ctx.step(start + place.offset, total, "frame"),
                )
                for place, mask in zip(places, drawn, strict=True):
                    found = mask is not None
                    rows.append((place.track.id, part.start + place.offset, mask if found else unseen(place), found))
                ctx.step(part.stop, total, "frame")
                yield TensorChunk(mask_rows(rows), part.start, len(part.frames))


def unseen(place: Place) -> Any:
    """The mask where the parser sees no face: all of it; nothing where the detector saw none either."""
    import numpy as np

    from diffscaler.faceswap.masks import SIDE

    return np.full((SIDE, SIDE), float(place.track.rows[place.index] >= 0), np.float32)


def drawer(params: MaskFacesParams, network: Any) -> Callable[[npt.NDArray[np.uint8], Track, int], Any]:
    """What makes the mask of a track's face in a frame (uint8 RGB (H, W, 3)): float32 (S, S), 0..1, in FFHQ's crop.

    What it makes gives None where the parser sees no face.
    """
    from diffscaler.faceswap.align import apply
    from diffscaler.faceswap.landmarks import outline_mask
    from diffscaler.faceswap.masks import CROP, SIDE, stored_crop, stored_matrix

    def parsed(frame: npt.NDArray[np.uint8], track: Track, index: int) -> Any:
        return network.mask(stored_crop(frame, track.landmarks[index], CROP), params.regions)

    def uncovered(frame: npt.NDArray[np.uint8], track: Track, index: int) -> Any:
        return network.mask(stored_crop(frame, track.landmarks[index], network.size))

    def outlined(frame: npt.NDArray[np.uint8], track: Track, index: int) -> Any:
        points = network.points(frame, track.boxes[index], track.landmarks[index])
        return outline_mask(apply(stored_matrix(track.landmarks[index]), points), SIDE)

    return {"parsing": parsed, "occluder": uncovered, "landmarks": outlined}[params.what]
