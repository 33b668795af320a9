"""The manifest: the record, beside the data, of what a version is and what it was made from.

Belongs here: the record's fields and its byte form. Where a manifest lies and who writes it is the store's business.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from agristat_platform.catalogue import Partition
from agristat_platform.provenance.environment import Environment
from agristat_platform.provenance.errors import ManifestInvalidError
from agristat_platform.provenance.hashing import canonical_json, content_hash, sha256_bytes

MANIFEST_SCHEMA: Literal["agristat-manifest/1"] = "agristat-manifest/1"
_SECRET_PARAMETERS = ("sig", "signature", "token", "key", "secret", "credential", "password")


def _as_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone says nothing to an auditor; give UTC")
    return value.astimezone(UTC)


def _without_secrets(href: str) -> str:
    """Signed links carry a credential in the query or before the host: neither belongs in a permanent record."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return href
    query = parts.query
    if any(secret in name.lower() for name, _ in parse_qsl(query) for secret in _SECRET_PARAMETERS):
        query = ""
    return urlunsplit(parts._replace(query=query, netloc=parts.netloc.rpartition("@")[2]))


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UtcTime = Annotated[datetime, AfterValidator(_as_utc)]
Link = Annotated[str, AfterValidator(_without_secrets)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputRecord(_Record):
    """One version that was read: which asset and exact partition, where it lay, what it was, which run had made it."""

    asset: str
    partition: str = Field(description="region|season")
    uri: str
    version: Sha256
    manifest_sha256: Sha256
    run_id: str


class ExternalRecord(_Record):
    """Something read from outside the store: a scene, a file of labels, a table of recorded field data.

    `href` is kept without credentials; `sha256` is None where the bytes were only read in part (a window of a COG).
    """

    kind: str
    id: str
    href: Link
    sha256: Sha256 | None = None


class FileRecord(_Record):
    """One file of the version; `rows` for tables, None for everything else."""

    name: str
    sha256: Sha256
    bytes: int = Field(ge=0)
    rows: int | None = Field(default=None, ge=0)


class Manifest(_Record):
    """What a version is and what it was made from.

    `version` is the content hash of `files`. `previous` is the sha256 of the manifest that was current in this
    partition before (None for the first): a manifest changed or taken away later breaks the chain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: Literal["agristat-manifest/1"] = Field(default=MANIFEST_SCHEMA, alias="schema")
    asset: str
    stage: str
    region: str
    season: str
    version: Sha256
    created: UtcTime
    run_id: str
    code_version: str | None
    environment: Environment
    parameters: dict[str, JsonValue]
    seeds: dict[str, int]
    simulated: bool
    inputs: tuple[InputRecord, ...]
    external: tuple[ExternalRecord, ...]
    files: tuple[FileRecord, ...]
    previous: Sha256 | None = None

    @model_validator(mode="after")
    def _version_is_content(self) -> Self:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"a file is listed twice: {sorted(name for name in names if names.count(name) > 1)[0]}")
        if self.version != content_hash(self.files):
            raise ValueError("version is not the content hash of the listed files")
        return self

    @property
    def partition(self) -> Partition:
        """Region and season of this version."""
        return Partition(region=self.region, season=self.season)

    @property
    def git_commit(self) -> str | None:
        """Commit of the code, None outside a checkout."""
        return self.environment.git_commit

    def file(self, name: str) -> FileRecord | None:
        """The record of a file by name, None when the version has no such file."""
        return next((file for file in self.files if file.name == name), None)

    def to_bytes(self) -> bytes:
        """The canonical bytes: what is written, hashed and chained."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @property
    def sha256(self) -> str:
        """Hash of the canonical bytes."""
        return sha256_bytes(self.to_bytes())

    @property
    def file_name(self) -> str:
        """Name of the manifest inside its version directory; part of the hash, so that several can lie side by side."""
        return manifest_file_name(self.sha256)


def manifest_file_name(sha256: str) -> str:
    """`manifest-<first 16 digits of its sha256>.json`."""
    return f"manifest-{sha256[:16]}.json"


def is_manifest_name(name: str) -> bool:
    """Whether a file name in a version directory is one of a manifest."""
    return name.startswith("manifest-") and name.endswith(".json")


def parse_manifest(data: bytes, *, where: str) -> Manifest:
    """Read a manifest from its bytes.

    Raises
    ------
    ManifestInvalidError
        The bytes are no manifest of this schema, or contradict themselves; names the first field concerned.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the manifest"
        raise ManifestInvalidError(
            f"the manifest cannot be read: {field}: {first['msg']}",
            where=where,
            remedy="Restore the file from the mirror or from a backup; a manifest is never edited",
        ) from error
