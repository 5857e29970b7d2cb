"""Swapping by identity: a network draws the performer's face in the target's pose, expression and light."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import Matrix
from diffscaler.faceswap.at_once import at_once, runs_at_once
from diffscaler.faceswap.colour_match import match_colour
from diffscaler.faceswap.crops import Template, cut, mask_for, paste
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.head import fit_poses
from diffscaler.faceswap.swap_network import SwapNetwork
from diffscaler.faceswap.track import Track

Floats = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

#: What the page and the file must say, by the name of the engine.
LICENCES = {
    "inswapper": "Face swap: inswapper, for non-commercial research only (insightface).",
    "ghost": "Face swap: GHOST (Apache-2.0), with insightface's recogniser, for non-commercial research only.",
}
COLOUR = 0.5  # networks keep the target's light themselves, not always its hue


class IdentitySwapper:
    """A swap network on tracks; see `engines.Swapper`."""

    def __init__(
        self,
        network: SwapNetwork,
        features: dict[int, list[Floats]],
        tracks: list[Track],
        strength: float = 1.0,
        boost: int = 128,
        colour: float = COLOUR,
        mask: Callable[[Template, int, Track, int], Floats] | None = None,
    ) -> None:
        """features: track id -> one (512,) per photo of the performer it gets, as `Recognizer.features` gives them

        boost: side of the crops, pixels; networks of a larger side keep theirs; others run several times for each face
        colour: how far the drawn face takes on mean and spread of the target's colours, 0..1
        mask: where the crop (of so many pixels) of a track's frame is drawn, float32 (M, M), 0..1; None: everywhere a
        generic face is
        """
        self.network, self.strength, self.colour = network, strength, colour
        self.side = max(network.size, boost // network.size * network.size)
        self.latents = {track: network.latent(vectors) for track, vectors in features.items()}
        poses = {} if mask else {track.id: fit_poses(track.landmarks) for track in tracks}
        self.mask = mask or (lambda template, size, track, index: mask_for(template, size, poses[track.id][index]))

    def swap(self, frames: Frames, places: list[Place], tick: Callable[[int], None]) -> Frames:
        """See `Swapper`. Faces are cut from the frames as they came, so that overlapping ones do not see each other."""
        result, batch = frames.copy(), self.network.batch
        groups = [places[start : start + batch] for start in range(0, len(places), batch)]

        def drawn(group: list[Place]) -> list[tuple[Place, Frames, Frames, Matrix]]:
            return self._drawn(frames, group)

        threads = runs_at_once(self.network.session)
        for faces in at_once(drawn, groups, threads, lambda group: tick(group[0].offset)):
            for place, face, crop, matrix in faces:
                weight = np.float32(self.strength * place.track.weights[place.index])
                if weight == 0:
                    continue
                mask = self.mask(self.network.template, self.side, place.track, place.index)
                face = match_colour(face, crop, mask, self.colour)
                paste(result[place.offset], face, matrix, mask * weight)
        return result

    def _drawn(self, frames: Frames, group: list[Place]) -> list[tuple[Place, Frames, Frames, Matrix]]:
        """Of every place the face that the network draws, the crop it replaces, and that crop's matrix."""
        cuts = [
            cut(frames[place.offset], self.network.template, place.track.landmarks[place.index], self.side)
            for place in group
        ]
        crops, matrices = zip(*cuts, strict=True)
        latents = np.concatenate([self.latents[place.track.id] for place in group])
        faces = self.network.draw(np.stack(crops), latents)
        return list(zip(group, faces, crops, matrices, strict=True))
