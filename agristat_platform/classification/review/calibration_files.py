"""A calibration on disk: one JSON file of arrays and names under a seal; nothing in it can run code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agristat_platform.classification.review.calibration import METHODS, Calibration
from agristat_platform.classification.sealed_files import SealedFormat, write_whole

CALIBRATION_FILE = "calibration.json"
SEALED = SealedFormat(
    name="agristat calibration",
    version=1,
    again="calibrate again",
    content=None,
    kind="calibration",
    file_words="",
    restore="Restore the file",
    seal="sha256",
    nan=False,
)


def save_calibration(calibration: Calibration, directory: Path | str) -> Path:
    """Write `calibration.json`, complete or not at all, and return its path. Numbers keep every bit."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CALIBRATION_FILE
    body = {
        "method": calibration.method,
        "classes": list(calibration.classes),
        "slopes": calibration.slopes.tolist(),
        "offsets": calibration.offsets.tolist(),
        "knots": [points.tolist() for points in calibration.knots],
        "heights": [points.tolist() for points in calibration.heights],
    }
    write_whole(path, SEALED.sealed(SEALED.stamped(body)))
    return path


def load_calibration(directory: Path | str) -> Calibration:
    """Read a calibration written by `save_calibration`; it gives the same bytes as the one saved.

    Raises
    ------
    ModelFileMissingError, ModelFormatVersionError, ModelFileTamperedError
        No file; another format or version; a byte changed since writing.
    """
    path = Path(directory) / CALIBRATION_FILE
    body = SEALED.read(path)
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
        raise SEALED.tampered(path, "its arrays make no calibration")
    return calibration
