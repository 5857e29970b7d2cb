"""A picture inside the film's frame: at its own shape, black around it, never distorted."""

from __future__ import annotations

import numpy as np

from diffscaler.media import Frames

#: Shapes this near to each other are filled: a sliver of picture is lost where a thin line of black would stay.
NEARLY_ALIKE = 0.04


def placed_in(frame: Frames, width: int, height: int) -> Frames:
    """A frame in the middle of one of another size, scaled by Lanczos.

    frame: uint8 RGB (H, W, 3); returns uint8 RGB (height, width, 3) with bars left and right or above and below, none
    where the shapes differ by less than 4 percent, which is cut off
    """
    from PIL import Image, ImageOps

    picture = Image.fromarray(frame)
    shape, wanted = picture.width / picture.height, width / height
    if (width, height) == picture.size:
        return frame
    if max(shape / wanted, wanted / shape) <= 1 + NEARLY_ALIKE:
        return np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
    scale = min(width / picture.width, height / picture.height)
    inside = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    made = np.zeros((height, width, 3), np.uint8)
    made[top : top + inside[1], left : left + inside[0]] = np.asarray(picture.resize(inside, Image.Resampling.LANCZOS))
    return made
