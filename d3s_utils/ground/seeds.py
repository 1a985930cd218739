"""Randomness by key: each draw depends on what it is for, never on what was drawn before it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_for(*key: object) -> int:
    """A 63-bit seed that depends on `key` alone, e.g. `seed_for(seed, "placement", image_id)`.

    The parts are joined with their lengths, so ("a", "bc") and ("ab", "c") differ.
    """
    text = "".join(f"{len(part)}:{part}" for part in map(str, key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_for(*key: object) -> np.random.Generator:
    """A NumPy generator that depends on `key` alone."""
    return np.random.default_rng(seed_for(*key))


def torch_rng_for(*key: object) -> torch.Generator:
    """A CPU torch generator that depends on `key` alone."""
    return torch.Generator().manual_seed(seed_for(*key))


_GLOBAL = threading.RLock()


@contextmanager
def seeded(*key: object) -> Iterator[None]:
    """Everything torch draws inside depends on `key` alone, and nothing outside notices; one thread at a time.

    For layers, which draw their first weights from torch's global generator and offer no other way.
    """
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(*key))
        yield
