"""Honest accuracy of a crop model: blocked cross-validation, other seasons' labels, and a look for leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.held_out_losses import check_classes, fit_without
from agristat_platform.classification.labels import listed
from agristat_platform.classification.leakage import Leak, fold_leakage
from agristat_platform.classification.scores import Accuracy, accuracy, class_accuracy, confusion_matrix
from agristat_platform.classification.training_sets import TrainingSet

FOLDS_SCHEMA = pa.schema(
    [
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("blocks", pa.int64(), nullable=False),
        pa.field("overall_accuracy", pa.float64(), nullable=False),
        pa.field("macro_f1", pa.float64(), nullable=False),
        pa.field("untaught_crops", pa.list_(pa.string()), nullable=False),
    ]
)


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions of every sample, and the figures that follow.

    Attributes
    ----------
    classes:
        Crop codes, columns of `probabilities`.
    fold:
        int64 (n,): the fold in which a sample was held out.
    probabilities:
        float64 (n, classes), by the model that had not seen the sample's block. 0 for crops absent from training.
    predicted:
        Crop codes, str (n,).
    overall:
        Figures over all samples together.
    by_class:
        `scores.CLASS_ACCURACY_SCHEMA`.
    confusion:
        Rows are the reference, columns the prediction; see `scores.confusion_matrix`.
    folds:
        One row per fold (`FOLDS_SCHEMA`); `untaught_crops` occur in this fold and nowhere else.
    leaks:
        What held-out and training samples share although they must not; empty when all is well.
    """

    classes: tuple[str, ...]
    fold: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    overall: Accuracy
    by_class: pa.Table
    confusion: pa.Table
    folds: pa.Table
    leaks: tuple[Leak, ...]

    @property
    def confidence(self) -> np.ndarray:
        """Highest class probability of each sample, float64 (n,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviation over the folds of overall accuracy and macro-F1 (divisor folds − 1)."""
        return {
            name: float(np.std(self.folds.column(name).to_numpy(), ddof=1)) for name in ("overall_accuracy", "macro_f1")
        }


@dataclass(frozen=True)
class TransferAccuracy:
    """How a model does on labels of another season.

    Attributes
    ----------
    overall:
        Figures over all labels; a crop the model doesn't know counts as wrong.
    by_class, confusion:
        As in `CrossValidation`.
    unknown_crops:
        Crops of the labels that the model was never taught.
    missing_features:
        Features of the model that this season doesn't have; they were taken as missing.
    """

    overall: Accuracy
    by_class: pa.Table
    confusion: pa.Table
    unknown_crops: tuple[str, ...]
    missing_features: tuple[str, ...]


def cross_validate(
    training_set: TrainingSet,
    settings: EnsembleSettings | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    fit: Callable[[TrainingSet, int], CropEnsemble] | None = None,
) -> CrossValidation:
    """Predict each sample by an ensemble fitted without its spatial block.

    Parameters
    ----------
    training_set:
        Samples with blocks in `groups`.
    settings:
        Of the ensemble; the same for each fold.
    folds:
        Number of folds, at most the number of blocks.
    seed:
        Decides which blocks go together.
    fit:
        Gives the model of a fold from the samples outside it and the fold's number, of all their features or some; None:
        the ensemble with `settings`.

    Raises
    ------
    SmallClassError
        A crop has fewer than two samples: it can't be both taught and tested.
    TooFewBlocksError
        Fewer blocks than folds.
    TooFewClassesError
        All labels, or a fold's training samples, are of one crop.
    """
    chosen = settings or EnsembleSettings()
    check_classes(training_set.y)
    classes = np.unique(training_set.y)
    fold = blocked_folds(training_set.y, training_set.groups, folds=folds, seed=seed)
    probabilities = np.zeros((len(fold), len(classes)))
    for k in range(folds):
        outside = fold == k
        model = fit_without(training_set, outside, chosen, k) if fit is None else fit(training_set.subset(~outside), k)
        probabilities[outside] = _held_out(training_set, outside, classes, model)
    predicted = classes[np.argmax(probabilities, axis=1)]
    codes = tuple(str(code) for code in classes)
    return CrossValidation(
        classes=codes,
        fold=fold,
        probabilities=probabilities,
        predicted=predicted,
        overall=accuracy(training_set.y, predicted, confidence=probabilities.max(axis=1), weights=training_set.weights),
        by_class=class_accuracy(training_set.y, predicted, codes),
        confusion=confusion_matrix(training_set.y, predicted, codes),
        folds=_fold_table(training_set, fold, predicted),
        leaks=tuple(fold_leakage(training_set, fold)),
    )


def transfer_accuracy(model: CropEnsemble, training_set: TrainingSet) -> TransferAccuracy:
    """Judge a model of another season on these labels; feature columns are aligned by name.

    Raises
    ------
    FeatureMismatchError
        The season has fewer than half of the model's features.
    """
    names = [str(name) for name in model.feature_names_in_]
    position = {name: j for j, name in enumerate(training_set.feature_names)}
    missing = [name for name in names if name not in position]
    if 2 * len(missing) > len(names):
        raise FeatureMismatchError(
            f"{len(missing)} of the model's {len(names)} features are missing in this season: {listed(missing)}",
            remedy="Compute the features with the definitions the model was trained on",
        )
    X = np.full((len(training_set.y), len(names)), np.nan, dtype=np.float32)
    for j, name in enumerate(names):
        if name in position:
            X[:, j] = training_set.X[:, position[name]]
    probabilities = model.predict_proba(X)
    predicted = model.classes_[np.argmax(probabilities, axis=1)]
    codes = sorted(set(model.classes_.tolist()) | set(training_set.y.tolist()))
    return TransferAccuracy(
        overall=accuracy(training_set.y, predicted, confidence=probabilities.max(axis=1), weights=training_set.weights),
        by_class=class_accuracy(training_set.y, predicted, codes),
        confusion=confusion_matrix(training_set.y, predicted, codes),
        unknown_crops=tuple(sorted(set(training_set.y.tolist()) - set(model.classes_.tolist()))),
        missing_features=tuple(missing),
    )


def _held_out(training_set: TrainingSet, outside: np.ndarray, classes: np.ndarray, model: CropEnsemble) -> np.ndarray:
    position = {name: j for j, name in enumerate(training_set.feature_names)}
    taken = training_set.X[:, [position[str(name)] for name in model.feature_names_in_]]
    held_out = np.zeros((int(outside.sum()), len(classes)))
    held_out[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(taken[outside])
    return held_out


def _fold_table(training_set: TrainingSet, fold: np.ndarray, predicted: np.ndarray) -> pa.Table:
    rows = []
    for k in range(int(fold.max()) + 1):
        outside = fold == k
        figures = accuracy(training_set.y[outside], predicted[outside])
        rows.append(
            {
                "fold": k,
                "samples": figures.samples,
                "blocks": len(set(training_set.groups[outside])),
                "overall_accuracy": figures.overall_accuracy,
                "macro_f1": figures.macro_f1,
                "untaught_crops": sorted(set(training_set.y[outside]) - set(training_set.y[~outside])),
            }
        )
    return pa.Table.from_pylist(rows, schema=FOLDS_SCHEMA)


def figures_table(figures: Sequence[tuple[str, Accuracy]]) -> pa.Table:
    """Overall figures of several evaluations, one row for each (name, figures) pair, in a `name` column and on."""
    return pa.Table.from_pylist([{"name": name, **vars(values)} for name, values in figures])
