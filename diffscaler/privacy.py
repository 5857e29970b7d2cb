"""Libraries underneath that would tell their makers of the studio are told not to."""

from __future__ import annotations

import os

#: onnxruntime from 1.29 on would send the machine's name of system, processor and a number of its own to Microsoft as
#: it is imported, and keep that number in the home folder; it has gone by both names. The others are read by gradio,
#: huggingface_hub and by many more.
QUIET = {
    "ORT_DISABLE_TELEMETRY": "1",
    "ORT_TELEMETRY_DISABLED": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def tell_nobody() -> None:
    """Call it before onnxruntime, gradio or huggingface_hub is imported. Processes started from here inherit it; what
    the person has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
