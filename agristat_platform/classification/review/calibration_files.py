"""A calibration on disk: one JSON file of arrays and names under a seal; nothing in it can run code."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from agristat_platform.classification.errors import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
)
from agristat_platform.classification.review.calibration import METHODS, Calibration

FORMAT = "agristat calibration"
FORMAT_VERSION = 1
CALIBRATION_FILE = "calibration.json"


def save_calibration(calibration: Calibration, directory: Path | str) -> Path:
    """Write `calibration.json`, complete or not at all, and return its path. Numbers keep every bit."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CALIBRATION_FILE
    body = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "method": calibration.method,
        "classes": list(calibration.classes),
        "slopes": calibration.slopes.tolist(),
        "offsets": calibration.offsets.tolist(),
        "knots": [points.tolist() for points in calibration.knots],
        "heights": [points.tolist() for points in calibration.heights],
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(_sealed(body))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_calibration(directory: Path | str) -> Calibration:
    """Read a calibration written by `save_calibration`; it gives the same bytes as the one saved.

    Raises
    ------
    ModelFileMissingError, ModelFormatVersionError, ModelFileTamperedError
        No file; another format or version; a byte changed since writing.
    """
    path = Path(directory) / CALIBRATION_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError as reason:
        raise ModelFileMissingError(
            f"{CALIBRATION_FILE} is missing", where=str(path.parent), remedy="Restore it or calibrate again"
        ) from reason
    try:
        read = json.loads(content)
    except ValueError as reason:
        raise _tampered(path, f"it is not JSON: {reason}") from reason
    found = (read.get("format"), read.get("format_version")) if isinstance(read, dict) else (None, None)
    if found != (FORMAT, FORMAT_VERSION):
        raise ModelFormatVersionError(
            f"calibration format is {found}, this platform reads {(FORMAT, FORMAT_VERSION)}",
            where=str(path),
            remedy="Calibrate again, or load it with the version of the platform that wrote it",
        )
    body = {name: value for name, value in read.items() if name != "sha256"}
    if _sealed(body) != content:
        raise _tampered(path, "its content is not what was written")
    calibration = Calibration(
        body["method"],
        tuple(body["classes"]),
        np.array(body["slopes"], dtype=np.float64),
        np.array(body["offsets"], dtype=np.float64),
        tuple(np.array(points, dtype=np.float64) for points in body["knots"]),
        tuple(np.array(points, dtype=np.float64) for points in body["heights"]),
    )
    k = len(calibration.classes)
    curves = k if calibration.method == "isotonic" else 0
    lengths = [len(x) for x in calibration.knots], [len(y) for y in calibration.heights]
    if (
        calibration.method not in METHODS
        or {len(calibration.slopes), len(calibration.offsets)} != {k}
        or lengths[0] != lengths[1]
        or len(lengths[0]) != curves
    ):
        raise _tampered(path, "its arrays make no calibration")
    return calibration


def _sealed(body: dict[str, Any]) -> bytes:
    seal = hashlib.sha256(_canonical(body)).hexdigest()
    return _canonical({**body, "sha256": seal})


def _canonical(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _tampered(path: Path, reason: str) -> ModelFileTamperedError:
    return ModelFileTamperedError(
        f"{path.name} can't be trusted: {reason}", where=str(path), remedy="Restore the file or calibrate again"
    )
