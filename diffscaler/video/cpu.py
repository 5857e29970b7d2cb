"""What the processor can do, as far as encoders must know."""

from __future__ import annotations

from typing import Any

import numpy as np


def has_avx512() -> bool:
    """Whether the processor has AVX-512."""
    # NumPy looks at the processor itself, on every operating system. X86_V4 is its name for the AVX-512 level.
    config: Any = np.show_config(mode="dicts")
    extensions = config.get("SIMD Extensions", {})
    names = [*extensions.get("baseline", []), *extensions.get("found", [])]
    return any(name == "X86_V4" or name.startswith("AVX512") for name in names)
