"""Where heavy work is done: the device that a profile names."""

from __future__ import annotations

import torch


def pick_device(wanted: str) -> torch.device:
    """The device a profile's `device` means; "auto" takes CUDA, then Apple's MPS, then the CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
