"""What can go wrong between the terminal and Dagster."""

from agristat_platform.errors import AgristatError


class UnknownSelectionError(AgristatError):
    """The selection names no asset, or none that applies to the region."""


class PortInUseError(AgristatError):
    """Something already listens where the UI should."""


class ServerDidNotStartError(AgristatError):
    """A process that should serve stopped or stayed silent."""


class RunFailedError(AgristatError):
    """A Dagster run failed for a reason the platform has no name for."""


class HomeNotWritableError(AgristatError):
    """The folder for what the platform writes on this machine cannot be written."""


class NothingToPrepareError(AgristatError):
    """The region has no local archive to make."""


class NoMirrorError(AgristatError):
    """There is no mirror to catch up with."""
