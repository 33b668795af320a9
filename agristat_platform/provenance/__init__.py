"""Manifests, hashes and their verification: how a published version is followed back to its origins."""

from agristat_platform.provenance.environment import Environment, collect_environment
from agristat_platform.provenance.errors import HashMismatchError, ManifestInvalidError, ProvenanceError
from agristat_platform.provenance.hashing import canonical_json, content_hash, sha256_bytes, sha256_file, sha256_stream
from agristat_platform.provenance.manifest import (
    MANIFEST_SCHEMA,
    ExternalRecord,
    FileRecord,
    InputRecord,
    Manifest,
    is_manifest_name,
    manifest_file_name,
    parse_manifest,
)
from agristat_platform.provenance.verification import Problem, ProblemKind, verify_version

__all__ = [
    "MANIFEST_SCHEMA",
    "Environment",
    "ExternalRecord",
    "FileRecord",
    "HashMismatchError",
    "InputRecord",
    "Manifest",
    "ManifestInvalidError",
    "Problem",
    "ProblemKind",
    "ProvenanceError",
    "canonical_json",
    "collect_environment",
    "content_hash",
    "is_manifest_name",
    "manifest_file_name",
    "parse_manifest",
    "sha256_bytes",
    "sha256_file",
    "sha256_stream",
    "verify_version",
]
