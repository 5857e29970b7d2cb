"""Writing in a picture, found without a network: letters are small shapes of one ink that stand in rows.

Shapes come from thresholding against the surroundings, dark on light and light on dark. A row is a chain of shapes with
one foot line, little between them, mostly one height, and one tone; grass, leaves and bricks make shapes, but not that.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.data.footage import Picture

Numbers = npt.NDArray[np.float32]

#: Pixels: letters below this height cannot be told from noise; larger ones than that are signs, not pages.
LEAST_HEIGHT, MOST_HEIGHT = 4, 64
#: A shape may be a word whose letters touch.
MOST_WIDTH = 12
#: Levels between a letter and what surrounds it, 31 pixels wide.
CONTRAST = 20
#: Shapes that make a row.
LEAST_SHAPES = 6
#: A row's foot line may stray by this share of its letters' height, its tone by so many levels, and of its shapes this
#: share must have the height of the middle one, give or take a fifth.
FOOT, TONE, ALIKE = 0.08, 24.0, 0.5
#: Letters differ in width, bricks and windows do not: quartiles of a row's widths lie so far apart, over their median.
WIDTHS = 0.15
#: Shapes compared at once.
BLOCK = 128


@dataclass(frozen=True)
class Shapes:
    """What could be letters or words, from the highest foot to the lowest; float32 (N,) each, pixels and levels."""

    left: Numbers
    right: Numbers
    foot: Numbers
    height: Numbers
    tone: Numbers

    def __len__(self) -> int:
        return len(self.left)


#: No shapes that could make a row.
NONE = Shapes(*(np.empty(0, np.float32) for _ in range(5)))


def writing_share(picture: Picture) -> float:
    """Share of a picture, uint8 RGB (H, W, 3), that lies under rows of writing: 0..1. Made for 512 pixels a side."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    covered = np.zeros(grey.shape, np.uint8)
    for tone in (grey, 255 - grey):
        for left, top, right, bottom in rows_in(letters(tone)):
            covered[top:bottom, left:right] = 1
    return float(covered.mean())


def letters(grey: npt.NDArray[np.uint8]) -> Shapes:
    """Shapes darker than what surrounds them, none when they are too few for a row: uint8 (H, W)."""
    around = cv2.blur(grey, (31, 31))
    dark = np.asarray(cv2.subtract(around, grey) > CONTRAST, np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    left, top, width, height, area = stats.T
    good = (height >= LEAST_HEIGHT) & (height <= MOST_HEIGHT) & (width <= MOST_WIDTH * height)
    good &= area > 0.15 * width * height
    good[0] = False  # the ground
    if np.count_nonzero(good) < LEAST_SHAPES:
        return NONE
    tone = np.bincount(labels.ravel(), grey.ravel(), len(stats)) / np.maximum(area, 1)
    order = np.flatnonzero(good)
    order = order[np.argsort((top + height)[order], kind="stable")]
    columns = (left, left + width, top + height, height, tone)
    return Shapes(*(np.asarray(column[order], np.float32) for column in columns))


def rows_in(shapes: Shapes) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of the rows that shapes stand in."""
    after = next_ones(shapes)
    begins = np.ones(len(shapes), bool)
    begins[after[after >= 0]] = False
    found: list[tuple[int, int, int, int]] = []
    for first in np.flatnonzero(begins):
        row = [int(first)]
        while (following := int(after[row[-1]])) >= 0:
            row.append(following)
        at = np.array(row)
        if len(row) >= LEAST_SHAPES and is_writing(shapes, at):
            top = (shapes.foot[at] - shapes.height[at]).min()
            found.append(
                (int(shapes.left[at].min()), int(top), int(shapes.right[at].max()), int(shapes.foot[at].max()))
            )
    return found


def next_ones(shapes: Shapes) -> npt.NDArray[np.intp]:
    """For each shape the nearest one right of it in the same row, -1 for none: intp (N,)."""
    found = np.full(len(shapes), -1, np.intp)
    for start in range(0, len(shapes), BLOCK):
        own = slice(start, min(start + BLOCK, len(shapes)))
        reach = 0.35 * MOST_HEIGHT
        low = int(np.searchsorted(shapes.foot, shapes.foot[own.start] - reach))
        high = int(np.searchsorted(shapes.foot, shapes.foot[own.stop - 1] + reach, "right"))
        other = slice(low, high)
        mine, theirs = shapes.height[own, None], shapes.height[None, other]
        taller, lower = np.maximum(mine, theirs), np.minimum(mine, theirs)
        gap = shapes.left[None, other] - shapes.right[own, None]
        fits = (taller <= 2.2 * lower) & (np.abs(shapes.foot[own, None] - shapes.foot[None, other]) <= 0.35 * taller)
        fits &= (gap >= -0.3 * taller) & (gap <= 1.2 * taller)
        fits &= shapes.left[None, other] > shapes.left[own, None]
        gap = np.where(fits, gap, np.inf)
        nearest = gap.argmin(1)
        found[own] = np.where(np.isfinite(gap[np.arange(len(nearest)), nearest]), nearest + low, -1)
    return found


def is_writing(shapes: Shapes, at: npt.NDArray[np.intp]) -> bool:
    """Whether a chain of shapes has one foot line, one tone, mostly one height, and widths as letters have.

    Most letters have no tail, so that the middle deviation of the feet counts.
    """
    foot, height = shapes.foot[at], float(np.median(shapes.height[at]))
    middle, width = (shapes.left[at] + shapes.right[at]) / 2, shapes.right[at] - shapes.left[at]
    line = np.polyval(np.polyfit(middle, foot, 1), middle)
    narrow, usual, wide = np.quantile(width, (0.25, 0.5, 0.75))
    return (
        float(np.median(np.abs(foot - line))) <= max(0.5, FOOT * height)
        and float(shapes.tone[at].std()) <= TONE
        and float((np.abs(shapes.height[at] - height) <= max(1.0, 0.2 * height)).mean()) >= ALIKE
        and float(wide - narrow) >= WIDTHS * float(usual)
    )
