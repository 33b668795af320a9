"""Crop models on disk: safetensors for arrays, JSON for the rest; nothing in them can run code.

The same model gives the same bytes. A changed byte in either file is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import sklearn

import agristat_platform
from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.errors import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
)
from agristat_platform.classification.fitting import EnsembleSettings, FittedEnsemble
from agristat_platform.classification.forest import Forest
from agristat_platform.classification.network import Network
from agristat_platform.classification.preparation import FeaturePreparation

FORMAT = "agristat crop ensemble"
FORMAT_VERSION = 1
DESCRIPTION_FILE = "model.json"
TENSORS_FILE = "model.safetensors"
MODEL_FILES = (DESCRIPTION_FILE, TENSORS_FILE)

_PREPARATION_ARRAYS = ("kept", "medians", "indicators", "centres", "scales", "missing_share")
_FOREST_ARRAYS = ("roots", "left", "right", "feature", "threshold", "leaves")


def save_model(model: CropEnsemble, directory: Path | str) -> tuple[Path, Path]:
    """Write `model.safetensors` and `model.json` into a directory, each complete or not at all, and return the paths.

    Raises
    ------
    NotFittedError
        The model has nothing to save.
    """
    fitted = model.fitted
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    # No metadata inside the tensors: the writer orders it at random. Names are sorted by the writer itself.
    tensors = safetensors.numpy.save(_tensors(fitted))
    description = _description(fitted, hashlib.sha256(tensors).hexdigest())
    _write_whole(folder / TENSORS_FILE, tensors)
    _write_whole(folder / DESCRIPTION_FILE, _sealed(description))
    return folder / DESCRIPTION_FILE, folder / TENSORS_FILE


def load_model(directory: Path | str) -> CropEnsemble:
    """Read a model written by `save_model`; it predicts the same bytes as the model that was saved.

    Raises
    ------
    ModelFileMissingError
        One of the two files isn't there.
    ModelFormatVersionError
        Another format, or another version of it.
    ModelFileTamperedError
        A byte changed since writing, or the arrays don't make a model.
    """
    folder = Path(directory)
    description = _unsealed(folder / DESCRIPTION_FILE)
    path = folder / TENSORS_FILE
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != description["tensors_sha256"]:
        raise _tampered(path, "its sha256 is not the one in model.json")
    try:
        fitted = _rebuild(description, safetensors.numpy.load(content))
    except (KeyError, safetensors.SafetensorError) as reason:
        raise _tampered(path, f"an array is missing or unreadable: {reason}") from reason
    _check_arrays(fitted, path)
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in description["settings"].items()
    }
    return CropEnsemble.from_fitted(fitted, EnsembleSettings(**values))


def _tensors(fitted: FittedEnsemble) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"importances": fitted.importances}
    for name in _PREPARATION_ARRAYS:
        arrays[f"preparation.{name}"] = getattr(fitted.preparation, name)
    for name in _FOREST_ARRAYS:
        arrays[f"forest.{name}"] = getattr(fitted.forest, name)
    for n, network in enumerate(fitted.networks):
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            arrays[f"network{n}.weight{layer}"] = weight
            arrays[f"network{n}.bias{layer}"] = bias
    return {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}


def _description(fitted: FittedEnsemble, tensors_sha256: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "classes": list(fitted.classes),
        "class_counts": dict(zip(fitted.classes, fitted.class_counts, strict=True)),
        "feature_names": list(fitted.feature_names),
        "clip": fitted.preparation.clip,
        "voting": list(fitted.voting),
        "layers": [len(network.weights) for network in fitted.networks],
        "settings": fitted.settings,
        "seed": fitted.settings["seed"],
        "versions": {
            "agristat_platform": agristat_platform.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "tensors_sha256": tensors_sha256,
    }


def _sealed(description: dict[str, Any]) -> bytes:
    seal = hashlib.sha256(_canonical(description)).hexdigest()
    return _canonical({**description, "description_sha256": seal})


def _canonical(description: dict[str, Any]) -> bytes:
    return (json.dumps(description, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _unsealed(path: Path) -> dict[str, Any]:
    content = _read(path)
    try:
        description = json.loads(content)
    except ValueError as reason:
        raise _tampered(path, f"it is not JSON: {reason}") from reason
    if not isinstance(description, dict):
        raise _tampered(path, "it is not a model description")
    found = description.get("format"), description.get("format_version")
    if found != (FORMAT, FORMAT_VERSION):
        raise ModelFormatVersionError(
            f"model format is {found}, this platform reads {(FORMAT, FORMAT_VERSION)}",
            where=str(path),
            remedy="Train the model again, or load it with the version of the platform that wrote it",
        )
    body = {name: value for name, value in description.items() if name != "description_sha256"}
    # Comparing the bytes as well finds a changed blank that parsing forgives.
    if _sealed(body) != content:
        raise _tampered(path, "its content is not what was written")
    return body


def _rebuild(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> FittedEnsemble:
    networks = [
        Network(
            tuple(arrays[f"network{n}.weight{layer}"] for layer in range(layers)),
            tuple(arrays[f"network{n}.bias{layer}"] for layer in range(layers)),
        )
        for n, layers in enumerate(description["layers"])
    ]
    preparation = {name: arrays[f"preparation.{name}"] for name in _PREPARATION_ARRAYS}
    classes = tuple(description["classes"])
    return FittedEnsemble(
        classes=classes,
        feature_names=tuple(description["feature_names"]),
        preparation=FeaturePreparation(**preparation, clip=description["clip"]),
        forest=Forest(**{name: arrays[f"forest.{name}"] for name in _FOREST_ARRAYS}),
        networks=tuple(networks),
        voting=(description["voting"][0], description["voting"][1]),
        importances=arrays["importances"],
        class_counts=tuple(description["class_counts"][code] for code in classes),
        settings=description["settings"],
    )


def _check_arrays(fitted: FittedEnsemble, path: Path) -> None:
    width, classes = fitted.preparation.width, len(fitted.classes)
    faults = [fitted.forest.fault(width, classes), *(network.fault(width, classes) for network in fitted.networks)]
    columns = np.concatenate([fitted.preparation.kept, fitted.preparation.indicators])
    if columns.min() < 0 or columns.max() >= len(fitted.feature_names):
        faults.append("a prepared column has no feature name")
    if len(fitted.preparation.medians) != len(fitted.preparation.kept):
        faults.append("medians and features differ in number")
    if not len(fitted.preparation.centres) == len(fitted.preparation.scales) == len(fitted.importances) == width:
        faults.append("scaling arrays and prepared columns differ in number")
    for fault in faults:
        if fault:
            raise _tampered(path, fault)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as reason:
        raise ModelFileMissingError(
            f"model file {path.name} is missing", where=str(path.parent), remedy="Restore it or train the model again"
        ) from reason


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tampered(path: Path, reason: str) -> ModelFileTamperedError:
    return ModelFileTamperedError(
        f"model file {path.name} can't be trusted: {reason}",
        where=str(path),
        remedy="Restore the file from the store's mirror or train the model again",
    )
