"""What can go wrong with a frame, a design, a draw or field data. Each error names the unit, stratum or column."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class SamplingError(AgristatError):
    """Root of the errors of this package."""


class FrameError(SamplingError):
    """The frame cannot be built or used: invalid area, CRS in degrees, unit listed twice."""


class StrataError(SamplingError):
    """The strata cannot be formed: bounds out of order, a unit without a value, an unknown stratum."""


class AllocationError(SamplingError):
    """The sample size cannot be shared out over the strata."""


class InvalidSizeMeasureError(SamplingError):
    """A measure of size is missing, not finite, zero or negative."""


class DesignError(SamplingError):
    """The design does not fit the frame."""


class UnknownSampleUnitError(SamplingError):
    """A sampled unit is not in the frame."""


class SampleOutsideStratumError(SamplingError):
    """A sample row carries another stratum than its unit has in the frame."""


class DuplicateSampleUnitError(SamplingError):
    """A unit stands twice in a sample drawn without replacement."""


class InvalidSampleProbabilityError(SamplingError):
    """An inclusion probability is missing, not positive or above one, or disagrees with the weight."""


class MissingRecordedSurveyError(SamplingError):
    """The files of a recorded survey are not where they should be, or are not what they should be."""
