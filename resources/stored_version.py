"""A published version as its readers see it: every file is compared with its recorded hash before it is handed out."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.provenance import FileRecord, HashMismatchError, InputRecord, Manifest, sha256_file
from resources.errors import FileNotInVersionError, StoreUnavailableError, named_storage_error
from resources.file_tree import FileTree, LocalTree
from resources.layout import Place, Placed
from resources.table_portions import read_portions

MirrorState = Literal["none", "copied", "pending", "unknown"]

# (path, mtime, size, inode) -> sha256: a composite that five assets read is hashed once per process
_hashed: dict[tuple[str, int, int, int], str] = {}


@dataclass(frozen=True)
class StoredVersion(Placed):
    """One version of an asset in a partition.

    Attributes
    ----------
    place: stage, asset and partition.
    manifest: what it is and what it was made from.
    manifest_sha256: hash of the manifest's bytes.
    uri: address of the version's directory.
    mirror_state: right after publishing, whether the mirror has it; "unknown" for versions that were looked up.
    warnings: right after publishing, what the publisher should know (the mirror is down).
    """

    place: Place
    manifest: Manifest
    manifest_sha256: str
    uri: str
    tree: FileTree = field(repr=False, compare=False)
    cache: Path = field(repr=False, compare=False)
    mirror_state: MirrorState = field(default="unknown", compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def version(self) -> str:
        """Content hash."""
        return self.manifest.version

    @property
    def run_id(self) -> str:
        """The run that published this manifest."""
        return self.manifest.run_id

    @property
    def simulated(self) -> bool:
        """Whether its figures are simulated."""
        return self.manifest.simulated

    @property
    def manifest_uri(self) -> str:
        """Address of the manifest."""
        return f"{self.uri}/{self.manifest.file_name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, sorted."""
        return tuple(sorted(file.name for file in self.manifest.files))

    def has(self, name: str) -> bool:
        """Whether the version has a file, or a table without its `.parquet`, of that name."""
        return name in self.names or table_name(name) in self.names

    def path(self, name: str) -> Path:
        """A local path to a file whose bytes are the recorded ones; remote files are downloaded into the cache.

        Raises
        ------
        FileNotInVersionError
            The version has no such file; the message lists those it has.
        HashMismatchError
            The file's bytes are not the recorded ones: it was changed, cut short or removed.
        StorageError
            The store cannot be read.
        """
        record = self.manifest.file(name)
        if record is None:
            raise FileNotInVersionError(
                f"{self.place} has no file {name!r} in version {self.version[:16]}",
                where=self.uri,
                remedy=f"Its files are {', '.join(self.names)}",
            )
        relative = f"{self.place.version_directory(self.version)}/{name}"
        if isinstance(self.tree, LocalTree):
            path = self.tree.path(relative)
            self._refuse_unless_equal(_current_hash(path), record, str(path))
            return path
        return self._cached(record, relative)

    def table(self, name: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """A table of the version, `.parquet` may be left out; schema metadata is kept. Errors as in `path`."""
        path = self.path(table_name(name))
        # not memory-mapped: a file that changes while it is mapped would kill the process
        return pq.read_table(path, columns=None if columns is None else list(columns), memory_map=False)

    def portions(self, name: str, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """A table of the version some rows at a time (`table_portions.read_portions`). Errors as in `path`."""
        return read_portions(self.path(table_name(name)), columns)

    def json(self, name: str) -> Any:
        """A JSON document of the version, `.json` may be left out. Errors as in `path`."""
        return json.loads(self.path(name if name.endswith(".json") else f"{name}.json").read_bytes())

    def as_input(self) -> InputRecord:
        """How a manifest of something made from this version names it."""
        return InputRecord(
            asset=self.asset,
            partition=str(self.partition),
            uri=self.uri,
            version=self.version,
            manifest_sha256=self.manifest_sha256,
            run_id=self.run_id,
        )

    def _cached(self, record: FileRecord, relative: str) -> Path:
        # by content: equal files are downloaded once, whichever version asks for them; GDAL needs the suffix
        path = self.cache / record.sha256[:2] / record.sha256 / record.name
        if path.is_file() and _current_hash(path) == record.sha256:
            return path
        temporary = path.with_name(f".{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.tree.naming_errors(relative):
                try:
                    self.tree.filesystem.get_file(self.tree.full(relative), str(temporary))
                except FileNotFoundError:
                    self._refuse_unless_equal(None, record, self.tree.uri(relative))
            self._refuse_unless_equal(sha256_file(temporary), record, self.tree.uri(relative))
            os.replace(temporary, path)
        except OSError as error:
            raise named_storage_error(error, str(path)) from error
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def _refuse_unless_equal(self, got: str | None, record: FileRecord, where: str) -> None:
        if got == record.sha256:
            return
        found = "it is missing" if got is None else f"its sha256 is {got[:16]}…, recorded is {record.sha256[:16]}…"
        raise HashMismatchError(
            f"{record.name} of {self.place} is not the file that was published: {found}",
            where=where,
            remedy=f"Restore it from the mirror, or materialise {self.asset} for {self.partition} again",
        )


def table_name(name: str) -> str:
    """File name of a table: `.parquet` is added when it is not there."""
    return name if name.endswith(".parquet") else f"{name}.parquet"


def _current_hash(path: Path) -> str | None:
    """Hash of a local file as it is now; None when it does not exist."""
    try:
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
        if key not in _hashed:
            _hashed[key] = sha256_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnavailableError(
            f"a stored file cannot be read: {error}", where=str(path), remedy="Check the mount and its permissions"
        ) from error
    return _hashed[key]
