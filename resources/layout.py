"""Where things lie in a store: path parts of a version, allowed names, and the pointer that makes a version current.

<stage>/<asset>/region=…/season=…/current.json
<stage>/<asset>/region=…/season=…/version=<content hash>/<files>, manifest-<sha16>.json
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import canonical_json, manifest_file_name
from resources.errors import InvalidNameError, StorageError

POINTER = "current.json"
INCOMING = ".incoming-"
MIRROR_PENDING = ".mirror-pending"
STEPS = ".steps"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}")
_VERSION = re.compile(r"[0-9a-f]{64}")


class Pointer(BaseModel):
    """Content of `current.json`: which version and which of its manifests are current, since when and by which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(pattern=r"^[0-9a-f]{64}$")
    manifest: str
    manifest_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    published_at: datetime
    run_id: str

    def to_bytes(self) -> bytes:
        """The bytes written to `current.json`."""
        return canonical_json(self.model_dump(mode="json"))


def parse_pointer(data: bytes, *, where: str) -> Pointer:
    """Read a pointer; raises `StorageError` when it is damaged or names a manifest that its hash contradicts."""
    try:
        pointer = Pointer.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged_pointer(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}", where) from error
    if pointer.manifest != manifest_file_name(pointer.manifest_sha256):
        raise _damaged_pointer(f"manifest {pointer.manifest!r} does not carry its own hash", where)
    return pointer


def _damaged_pointer(what: str, where: str) -> StorageError:
    return StorageError(
        f"the pointer to the current version is damaged: {what}",
        where=where,
        remedy="Restore the pointer from the mirror, or materialise the partition again",
    )


def checked_name(name: str, what: str) -> str:
    """The name itself when it is one plain path part that every file system and object store keeps as it is.

    Raises
    ------
    InvalidNameError
        Empty, longer than 120 characters, starting with a dot, or with anything but letters A–Z, digits, `_`, `.`, `-`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            f"{name!r} is no valid {what}",
            remedy="Use up to 120 letters, digits, '_', '-' and '.', starting with a letter or digit",
        )
    return name


def checked_file_name(name: str) -> str:
    """A valid name for a file of a version; the names the store itself uses are refused as well."""
    if name == POINTER or (name.startswith("manifest-") and name.endswith(".json")):
        raise InvalidNameError(f"{name!r} is a name the store itself uses", remedy="Give the file another name")
    return checked_name(name, "file name")


@dataclass(frozen=True)
class Place:
    """The directory of one asset in one partition, relative to the store's base."""

    stage: str
    asset: str
    partition: Partition

    def __post_init__(self) -> None:
        checked_name(self.stage, "stage name")
        checked_name(self.asset, "asset name")
        checked_name(self.partition.region, "region code")
        checked_name(self.partition.season, "season key")

    def __str__(self) -> str:
        return f"{self.asset} of {self.partition}"

    @property
    def directory(self) -> str:
        """`<stage>/<asset>/region=…/season=…`."""
        return f"{self.stage}/{self.asset}/{self.partition.directory}"

    @property
    def pointer(self) -> str:
        """Path of the pointer."""
        return f"{self.directory}/{POINTER}"

    @property
    def pending(self) -> str:
        """Path of the record that the mirror has not got everything of this place yet."""
        return f"{MIRROR_PENDING}/{self.stage}~{self.asset}~{self.partition.region}~{self.partition.season}.json"

    def version_directory(self, version: str) -> str:
        """`<directory>/version=<content hash>`."""
        if not _VERSION.fullmatch(version):
            raise InvalidNameError(f"{version!r} is no version", remedy="A version is 64 hexadecimal digits")
        return f"{self.directory}/version={version}"


class Placed:
    """What lies in a place says of which asset, stage and partition it is."""

    place: Place

    @property
    def asset(self) -> str:
        """Name of the asset."""
        return self.place.asset

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.place.stage

    @property
    def partition(self) -> Partition:
        """Region and season."""
        return self.place.partition


def place_of_pending(name: str) -> Place | None:
    """The place a file in `.mirror-pending/` speaks of, None when the name is not one of ours."""
    parts = name.removesuffix(".json").split("~")
    if len(parts) != 4 or not name.endswith(".json"):
        return None
    stage, asset, region, season = parts
    return Place(stage, asset, Partition(region=region, season=season))


def hive_value(name: str, key: str) -> str | None:
    """The value of a `key=value` directory name, None when the name is not of that key."""
    prefix = f"{key}="
    return name[len(prefix) :] if name.startswith(prefix) and len(name) > len(prefix) else None
