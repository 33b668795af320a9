"""What can go wrong with a table's geometry column."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class GeometryError(AgristatError):
    """The root of errors about geometry columns."""


class GeometryColumnError(GeometryError):
    """The column is absent, not in its encoding, or holds what is no geometry."""


class GeometryCrsError(GeometryError):
    """The coordinate reference system is unknown to PROJ or not declared."""
