"""Smoothing of a face's landmarks over time, offline: no lag, little noise, and no blur of quick movements.

Local quadratic fits (Savitzky and Golay 1964) over growing windows; at every instant the window grows only as long as
the longer fit agrees with the shorter one within the noise (Lepski 1990). Still faces get long windows, quick ones
short, and a clip without noise is returned as it came.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
WINDOWS_S = (0.2, 0.36, 0.6, 1.0)  # seconds; at 25 frames a second 5, 9, 15 and 25 frames
AGREEMENT = 2.0  # standard deviations within which two fits agree


def smooth_track(values: npt.NDArray[np.floating], fps: float) -> Floats:
    """Values of one track without their frame-to-frame noise.

    values: (K, ...), one row per consecutive frame, any unit, all of the same unit (pixels of landmarks)
    fps: frames per second. Returns float32 of the same shape. Linear in position: a moving picture does not lag.
    """
    from scipy.signal import savgol_coeffs, savgol_filter

    rows = values.reshape(len(values), -1).astype(np.float64)
    noise = noise_level(rows)
    if noise <= 1e-6:
        return values.astype(np.float32)
    result, trust, spread = rows, np.ones((len(rows), 1)), noise
    for window in _windows(len(rows), fps):
        longer = np.asarray(savgol_filter(rows, window, 2, axis=0, mode="interp"), np.float64)
        apart = np.sqrt(np.mean((longer - result) ** 2, axis=1, keepdims=True))
        agreement = np.exp(-0.5 * (apart / (AGREEMENT * spread)) ** 2)
        trust = trust * _local_mean(_local_low(agreement))  # never regained: a window may grow only while all agreed
        result = result + trust * (longer - result)
        spread = noise * float(np.linalg.norm(np.asarray(savgol_coeffs(window, 2), np.float64)))
    return result.reshape(values.shape).astype(np.float32)


def noise_level(rows: npt.NDArray[np.floating]) -> float:
    """Standard deviation of the noise in rows (K, D), robust, from fifth differences: movement leaves little."""
    if len(rows) < 8:
        return 0.0
    fifth = np.diff(rows, 5, axis=0)
    return float(np.median(np.abs(fifth)) / 0.6745 / np.sqrt(252))  # of white noise they have variance 252


def _windows(count: int, fps: float) -> list[int]:
    windows: list[int] = []
    for seconds in WINDOWS_S:
        window = max(5, 2 * round(seconds * fps / 2) + 1)
        if window <= count and window not in windows:
            windows.append(window)
    return windows


def _local_low(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.pad(weights, ((1, 1), (0, 0)), mode="edge")
    return np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])


def _local_mean(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.pad(weights, ((2, 2), (0, 0)), mode="edge")
    kernel = (1, 2, 3, 2, 1)
    return np.sum([part * padded[i : i + len(weights)] for i, part in enumerate(kernel)], axis=0) / 9
