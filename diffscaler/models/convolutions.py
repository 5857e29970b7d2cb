"""How convolution networks that see whole pictures run best on a device."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.models.device import Device, DTypeName


@dataclass(frozen=True)
class Convolutions:
    """dtype: number format of weights and features
    workers: parts of a picture worked on side by side, each by one thread
    window_bytes: features of one layer that may be alive at once in a part
    winograd: 3x3 convolutions are quicker by Winograd's algorithm than by the library's
    """

    dtype: DTypeName
    workers: int
    window_bytes: int
    winograd: bool


def convolutions_on(device: Device, threads: int) -> Convolutions:
    """threads: that networks may use on a CPU

    On a CPU one thread a part beats all threads on every layer: they never wait for each other. A card gets the whole
    picture where a quarter of its memory holds the features.
    """
    if device.kind == "cpu":
        winograd = device.dtype == "float32"
        return Convolutions(device.dtype, max(1, threads), 2**29, winograd)
    return Convolutions(device.dtype, 1, max(2**29, device.total_bytes // 4), False)
