"""Random streams by name: every part of the simulation has its own, so that no part depends on what was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator for the stream called `names` under `seed`; the same names give the same stream in any order of use."""
    digest = hashlib.sha256("|".join([str(seed), *map(str, names)]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def normal_by_name(seed: int, names: Iterable[str]) -> npt.NDArray[np.float64]:
    """One standard normal per name, whatever other names are asked for (an enumerator's error on one parcel)."""
    raw = [int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:8], "little") for name in names]
    return np.asarray(ndtri((np.asarray(raw, dtype=np.float64) + 0.5) / 2.0**64), dtype=np.float64)
