"""Torch as the encoders use it: imported late, on a chosen device, one thread, and the same bytes from the same seed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agristat_platform.classification.encoders.errors import DeviceError, TorchMissingError


def require_torch() -> Any:
    """The torch module.

    Raises
    ------
    TorchMissingError
        It is not installed.
    """
    try:
        import torch
    except ImportError as reason:
        raise TorchMissingError(
            "temporal encoders need torch, which is not installed",
            remedy='Install the extra "neural": pip install -c constraints.txt -e ".[neural]"',
        ) from reason
    return torch


def find_device(name: str) -> Any:
    """The torch device "cpu", "cuda" or "cuda:1"; "auto" is the GPU where there is one.

    Raises
    ------
    DeviceError
        Torch doesn't know the name, or the machine doesn't have the device.
    """
    torch = require_torch()
    gpu = torch.cuda.is_available()
    try:
        device = torch.device(("cuda" if gpu else "cpu") if name == "auto" else name)
    except (RuntimeError, TypeError) as reason:
        raise _no_device(name) from reason
    absent = device.type == "cuda" and (not gpu or (device.index or 0) >= torch.cuda.device_count())
    if device.type not in ("cpu", "cuda") or absent:
        raise _no_device(name)
    return device


@contextmanager
def steady(device: Any, seed: int) -> Iterator[None]:
    """One thread, deterministic algorithms and a seeded generator; what was set before is put back.

    On a GPU an operation without a deterministic form warns instead of failing.
    """
    torch = require_torch()
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    lenient = torch.is_deterministic_algorithms_warn_only_enabled()
    cuda = device.type == "cuda"
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=cuda)
    try:
        with torch.random.fork_rng(devices=[device.index or 0] if cuda else []):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=lenient)
        torch.set_num_threads(threads)


def _no_device(name: str) -> DeviceError:
    return DeviceError(
        f"device {name!r} is not there",
        where="encoder",
        remedy='Take "cpu", "cuda" with a GPU and its driver, or "auto"',
    )
