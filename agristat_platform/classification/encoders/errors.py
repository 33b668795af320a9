"""What can go wrong with temporal encoders, beyond what their package names already."""

from __future__ import annotations

from agristat_platform.classification.errors import ClassificationError


class TorchMissingError(ClassificationError):
    """Torch, or what its ONNX export needs, is not installed."""


class DeviceError(ClassificationError):
    """A device that torch doesn't know or this machine doesn't have."""


class SeriesShapeError(ClassificationError):
    """Series have not the dimensions, steps or channels that the encoder takes."""


class SeriesWithoutValueError(ClassificationError):
    """Training series in which every value is missing."""


class TrainingDivergedError(ClassificationError):
    """The loss is no number any more."""
