"""What can go wrong in estimation. Each error names the unit, stratum, column, area or class."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class EstimationError(AgristatError):
    """Root of the errors of this package."""


class UnknownColumnError(EstimationError):
    """A column named in a call is not in the data."""


class MissingValueError(EstimationError):
    """A value is missing that the estimator needs."""


class InvalidWeightError(EstimationError):
    """A weight is missing, zero, negative or infinite, or there is none."""


class InvalidProbabilityError(EstimationError):
    """An inclusion probability is missing, not positive or above one."""


class OverSampledStratumError(EstimationError):
    """A stratum has more sampled units than units."""


class PsuInTwoStrataError(EstimationError):
    """A primary sampling unit has rows in two strata."""


class LonelyPsuError(EstimationError):
    """A stratum has a single primary sampling unit, so its variance cannot be estimated."""


class VarianceNotDefinedError(EstimationError):
    """The variance estimator asked for does not exist for this design or estimator."""


class SingularAuxiliariesError(EstimationError):
    """The auxiliary variables are linearly dependent in the sample."""


class PopulationTotalsError(EstimationError):
    """Population totals, means or sizes do not match the sample."""


class SmallAreaError(EstimationError):
    """The small-area model cannot be fitted or used."""


class MapAreaError(EstimationError):
    """Map classes and reference sample do not fit together."""


class FieldDataError(EstimationError):
    """Field data do not belong to the sample or do not enumerate its units."""
