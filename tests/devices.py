"""Devices that tests load networks on."""

from __future__ import annotations

from dataclasses import replace

from diffscaler.models.device import Device, pick_device


def exact_cpu() -> Device:
    """The CPU in float32, also where it is quicker in bfloat16: for what must equal another program's numbers."""
    return replace(pick_device("cpu"), dtype="float32", dtype_reason="a test wants exact numbers")
