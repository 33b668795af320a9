"""Crop models on disk: safetensors for arrays, JSON for the rest; nothing in them can run code.

The same model gives the same bytes. A changed byte in either file is refused.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import sklearn

import agristat_platform
from agristat_platform.classification.boosting import Boosting
from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.fitting import EnsembleSettings, FittedEnsemble
from agristat_platform.classification.forest import Forest
from agristat_platform.classification.network import Network
from agristat_platform.classification.preparation import FeaturePreparation
from agristat_platform.classification.sealed_files import SealedModel

DESCRIPTION_FILE = "model.json"
TENSORS_FILE = "model.safetensors"
MODEL_FILES = (DESCRIPTION_FILE, TENSORS_FILE)
SEALED = SealedModel(
    name="agristat crop ensemble",
    version=2,
    older=(1,),  # soft votes of forest and perceptron, which are written the same now
    again="train the model again",
    content="a model description",
    description_file=DESCRIPTION_FILE,
    arrays_file=TENSORS_FILE,
)

_PREPARATION_ARRAYS = ("kept", "medians", "indicators", "centres", "scales", "missing_share")
_FOREST_ARRAYS = ("roots", "left", "right", "feature", "threshold", "leaves")
_BOOSTING_ARRAYS = ("roots", "tree_class", "left", "right", "feature", "threshold", "values", "baseline")


def save_model(model: CropEnsemble, directory: Path | str) -> tuple[Path, Path]:
    """Write `model.safetensors` and `model.json` into a directory, each complete or not at all, and return the paths.

    Raises
    ------
    NotFittedError
        The model has nothing to save.
    """
    fitted = model.fitted
    # No metadata inside the tensors: the writer orders it at random. Names are sorted by the writer itself.
    return SEALED.write(directory, _description(fitted), safetensors.numpy.save(_tensors(fitted)))


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
    description, content = SEALED.read_both(directory)
    path = Path(directory) / TENSORS_FILE
    try:
        fitted = _rebuild(description, safetensors.numpy.load(content))
    except (KeyError, safetensors.SafetensorError) as reason:
        raise SEALED.tampered(path, f"an array is missing or unreadable: {reason}") from reason
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
    if fitted.boosting is not None:
        for name in _BOOSTING_ARRAYS:
            arrays[f"boosting.{name}"] = getattr(fitted.boosting, name)
    named = {f"network{n}": network for n, network in enumerate(fitted.networks)}
    if fitted.meta_learner is not None:
        named["meta_learner"] = fitted.meta_learner
    for name, network in named.items():
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            arrays[f"{name}.weight{layer}"] = weight
            arrays[f"{name}.bias{layer}"] = bias
    return {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}


def _description(fitted: FittedEnsemble) -> dict[str, Any]:
    return {
        "classes": list(fitted.classes),
        "class_counts": dict(zip(fitted.classes, fitted.class_counts, strict=True)),
        "feature_names": list(fitted.feature_names),
        "clip": fitted.preparation.clip,
        "voting": list(fitted.voting),
        "layers": [len(network.weights) for network in fitted.networks],
        "boosting": fitted.boosting is not None,
        "meta_learner": fitted.meta_learner is not None,
        "left_out_of_combining": fitted.left_out_of_combining,
        "settings": fitted.settings,
        "seed": fitted.settings["seed"],
        "versions": {
            "agristat_platform": agristat_platform.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _rebuild(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> FittedEnsemble:
    boosting = (
        Boosting(**{name: arrays[f"boosting.{name}"] for name in _BOOSTING_ARRAYS})
        if description.get("boosting")
        else None
    )
    preparation = {name: arrays[f"preparation.{name}"] for name in _PREPARATION_ARRAYS}
    classes = tuple(description["classes"])
    return FittedEnsemble(
        classes=classes,
        feature_names=tuple(description["feature_names"]),
        preparation=FeaturePreparation(**preparation, clip=description["clip"]),
        forest=Forest(**{name: arrays[f"forest.{name}"] for name in _FOREST_ARRAYS}),
        networks=tuple(_network(f"network{n}", layers, arrays) for n, layers in enumerate(description["layers"])),
        voting=tuple(float(share) for share in description["voting"]),
        importances=arrays["importances"],
        class_counts=tuple(description["class_counts"][code] for code in classes),
        settings=description["settings"],
        boosting=boosting,
        meta_learner=_network("meta_learner", 1, arrays) if description.get("meta_learner") else None,
        left_out_of_combining=description.get("left_out_of_combining", 0),
    )


def _network(name: str, layers: int, arrays: dict[str, np.ndarray]) -> Network:
    return Network(
        tuple(arrays[f"{name}.weight{layer}"] for layer in range(layers)),
        tuple(arrays[f"{name}.bias{layer}"] for layer in range(layers)),
    )


def _check_arrays(fitted: FittedEnsemble, path: Path) -> None:
    width, classes = fitted.preparation.width, len(fitted.classes)
    faults = [fitted.forest.fault(width, classes), *(network.fault(width, classes) for network in fitted.networks)]
    if fitted.boosting is not None:
        faults.append(fitted.boosting.fault(width, classes))
    if fitted.meta_learner is not None:
        faults.append(fitted.meta_learner.fault(fitted.members * classes, classes))
    if len(fitted.voting) != fitted.members:
        faults.append("members and their shares of the vote differ in number")
    columns = np.concatenate([fitted.preparation.kept, fitted.preparation.indicators])
    if columns.min() < 0 or columns.max() >= len(fitted.feature_names):
        faults.append("a prepared column has no feature name")
    if len(fitted.preparation.medians) != len(fitted.preparation.kept):
        faults.append("medians and features differ in number")
    if not len(fitted.preparation.centres) == len(fitted.preparation.scales) == len(fitted.importances) == width:
        faults.append("scaling arrays and prepared columns differ in number")
    for fault in faults:
        if fault:
            raise SEALED.tampered(path, fault)
