"""The transforms of Winograd's convolution F(4x4, 3x3), compiled for the processor at hand on first use.

Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", section 4.3: B and A below are theirs.
Arrays are float32, channels last. A picture is walked in tiles of 4x4 output pixels, numbered row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Sums may be fused and reordered in sign only: the result of a pixel does not depend on where its tile lies.
_COMPILED: Any = {"nogil": True, "cache": True, "fastmath": {"contract", "nsz"}}


@njit(**_COMPILED)
def _row(a0, a1, a2, a3, a4, a5, t0, t1, t2, t3, t4, t5):  # type: ignore[no-untyped-def]
    """B^T of six vectors, into six."""
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for c in range(a0.shape[0]):
        d0, d1, d2, d3, d4, d5 = a0[c], a1[c], a2[c], a3[c], a4[c], a5[c]
        even, odd = d4 - four * d2, d3 - four * d1
        near, turn = d4 - d2, two * (d3 - d1)
        t0[c] = four * d0 - five * d2 + d4
        t1[c] = even + odd
        t2[c] = even - odd
        t3[c] = near + turn
        t4[c] = near - turn
        t5[c] = four * d1 - five * d3 + d5


@njit(**_COMPILED)
def transform_input(x: Any, first: int, tiles: int, v: Any) -> None:
    """B^T d B of the 6x6 pixels under each tile, zeros outside the picture.

    x: (H, W, C); v: (36, tiles, C), filled for the tiles [first, first + tiles)
    """
    height, width, channels = x.shape
    across = (width + 3) // 4
    half = np.empty((6, 6, channels), np.float32)
    patch = np.zeros((6, 6, channels), np.float32)
    for n in range(tiles):
        top, left = (first + n) // across * 4 - 1, (first + n) % across * 4 - 1
        inside = top >= 0 and left >= 0 and top + 6 <= height and left + 6 <= width
        if inside:
            d = x[top : top + 6, left : left + 6]
        else:
            patch[:] = 0
            for i in range(max(0, -top), min(6, height - top)):
                for j in range(max(0, -left), min(6, width - left)):
                    patch[i, j] = x[top + i, left + j]
            d = patch
        for j in range(6):
            _row(
                d[0, j], d[1, j], d[2, j], d[3, j], d[4, j], d[5, j],
                half[0, j], half[1, j], half[2, j], half[3, j], half[4, j], half[5, j],
            )  # fmt: skip
        for i in range(6):
            at = 6 * i
            _row(
                half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5],
                v[at, n], v[at + 1, n], v[at + 2, n], v[at + 3, n], v[at + 4, n], v[at + 5, n],
            )  # fmt: skip


@njit(**_COMPILED)
def transform_output(m: Any, first: int, tiles: int, bias: Any, slope: Any, out: Any) -> None:
    """A^T m A of each tile, plus the bias, times the slope where that is negative (PReLU; slope 1: as it is).

    m: (36, tiles, O); bias, slope: (O,); out: (H, W, O), filled under the tiles [first, first + tiles)
    """
    height, width, channels = out.shape
    across = (width + 3) // 4
    half = np.empty((4, 6, channels), np.float32)
    spare = np.empty((4, channels), np.float32)
    two, four, eight, zero = np.float32(2), np.float32(4), np.float32(8), np.float32(0)
    for n in range(tiles):
        top, left = (first + n) // across * 4, (first + n) % across * 4
        for j in range(6):
            m0, m1, m2, m3, m4, m5 = m[j, n], m[6 + j, n], m[12 + j, n], m[18 + j, n], m[24 + j, n], m[30 + j, n]
            h0, h1, h2, h3 = half[0, j], half[1, j], half[2, j], half[3, j]
            for c in range(channels):
                a, b, e, f = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                h0[c] = m0[c] + a + e
                h1[c] = b + two * f
                h2[c] = a + four * e
                h3[c] = b + eight * f + m5[c]
        whole = left + 4 <= width
        for i in range(min(4, height - top)):
            m0, m1, m2, m3, m4, m5 = half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5]
            if whole:
                o0, o1, o2, o3 = (
                    out[top + i, left], out[top + i, left + 1], out[top + i, left + 2], out[top + i, left + 3]
                )  # fmt: skip
            else:
                o0, o1, o2, o3 = spare[0], spare[1], spare[2], spare[3]
            for c in range(channels):
                a, b, e, f = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                more, steep = bias[c], slope[c]
                p0 = m0[c] + a + e + more
                p1 = b + two * f + more
                p2 = a + four * e + more
                p3 = b + eight * f + m5[c] + more
                o0[c] = p0 if p0 > zero else p0 * steep
                o1[c] = p1 if p1 > zero else p1 * steep
                o2[c] = p2 if p2 > zero else p2 * steep
                o3[c] = p3 if p3 > zero else p3 * steep
            if not whole:
                for j in range(width - left):
                    out[top + i, left + j] = spare[j]
