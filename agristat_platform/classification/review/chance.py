"""A random number for each parcel that depends on its own number, a seed and what it is for, and on no other parcel."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def uniform(keys: NDArray[Any], seed: int, purpose: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each key (splitmix64, Steele et al. 2014); another purpose gives independent numbers."""
    start = int.from_bytes(hashlib.sha256(f"{seed}|{purpose}".encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) / 2**53)
