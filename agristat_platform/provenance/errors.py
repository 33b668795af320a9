"""What can go wrong between a recorded past and the files that should show it."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class ProvenanceError(AgristatError):
    """The root of errors about manifests and hashes."""


class HashMismatchError(ProvenanceError):
    """A file's bytes are not the ones its manifest records."""


class ManifestInvalidError(ProvenanceError):
    """A manifest is not readable, of another schema, or says something impossible."""
