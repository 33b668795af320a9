"""What can go wrong when a landscape is simulated or its truth is asked for."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class SimulationError(AgristatError):
    """The root of errors of the simulated landscape."""


class NotSimulatedError(SimulationError):
    """The region is real: it carries no simulation settings or no imagery to simulate."""


class UnknownCoverError(SimulationError):
    """A crop of the nomenclature has a LUCAS code without a growth profile, or a kind of cover has no crop."""


class LandscapeNotPreparedError(SimulationError):
    """The archive holds no finished truth for the season."""


class UnitOutsideLandscapeError(SimulationError):
    """A sample unit reaches beyond the simulated landscape."""
