"""What can go wrong between training labels and a crop model."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class ClassificationError(AgristatError):
    """Any error of this package."""


class InvalidLabelsError(ClassificationError):
    """A label table lacks columns, repeats identifiers or carries the wrong role."""


class UnknownCropCodeError(ClassificationError):
    """Labels carry codes that the crop nomenclature doesn't have."""


class EmptyClassError(ClassificationError):
    """A required crop has no label."""


class TooFewClassesError(ClassificationError):
    """Fewer than two crops are left to tell apart."""


class SmallClassError(ClassificationError):
    """A crop has too few samples to be learned or validated."""


class TooFewBlocksError(ClassificationError):
    """There are fewer spatial blocks than folds were asked for."""


class FeatureMismatchError(ClassificationError):
    """Feature columns are missing, repeated, or don't match what the model was fitted on."""


class LengthMismatchError(ClassificationError):
    """Samples, labels, weights or groups differ in number."""


class InvalidSettingsError(ClassificationError):
    """A setting of the model lies outside its range."""


class InvalidSampleWeightError(ClassificationError):
    """A sample's weight is negative or not a number, or all weights are zero."""


class NoTrainingSamplesError(ClassificationError):
    """No label could be joined to a segment or a series with features."""


class NotFittedError(ClassificationError):
    """The model has not been fitted or loaded."""


class ModelFileMissingError(ClassificationError):
    """A file of a saved model is not there."""


class ModelFileTamperedError(ClassificationError):
    """A saved model's bytes are not the ones that were written."""


class ModelFormatVersionError(ClassificationError):
    """A saved model has a format this version of the platform doesn't read."""


class InvalidSeasonsError(ClassificationError):
    """Seasons of samples are missing or can't be put in order."""


class InvalidSharesError(ClassificationError):
    """Shares of classes in the target season are no shares."""


class BoostingMissingError(ClassificationError):
    """LightGBM is asked for and not installed."""
