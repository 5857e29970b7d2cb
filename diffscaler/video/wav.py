"""Sound that was made here, as a file that a delivered clip's sound is copied from."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def write_wav(path: Path, samples: npt.NDArray[Any], rate: int) -> Path:
    """Write samples, float (channels, N) in -1..1, as 16-bit PCM and return `path`. What is louder is cut off."""
    whole = np.clip(samples.T * 32767.0, -32768, 32767).round().astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return path
