"""What can go wrong between the platform and the outside world: the store of record, its mirror, the warehouse."""

from __future__ import annotations

import errno

from agristat_platform.errors import AgristatError


class StorageError(AgristatError):
    """The root of errors about the store of record."""


class StoreReadOnlyError(StorageError):
    """The store refuses to be written to."""


class StoreFullError(StorageError):
    """There is no room left, or a quota is reached."""


class StoreUnavailableError(StorageError):
    """The store cannot be reached, or its address is wrong."""


class InvalidNameError(StorageError):
    """An asset, partition or file name could leave its place in the store, or would not survive every file system."""


class NotMaterialisedError(StorageError):
    """There is no current version of an asset in a partition."""


class NotApplicableError(StorageError):
    """An asset does not exist for a region at all."""


class FileNotInVersionError(StorageError):
    """A version has no file of that name."""


class DraftNotSealedError(StorageError):
    """A draft's content hash is asked for before its files are complete, or a sealed draft is written to."""


class DraftMismatchError(StorageError):
    """What is to be published is not the version that the step or the manifest speaks of."""


class PublishFailedError(StorageError):
    """What arrived in the store is not what was sent."""


class FieldArchiveError(AgristatError):
    """Labels or field data that a region file names cannot be read."""


class ReviewFolderError(AgristatError):
    """Decisions of reviewers cannot be collected or found where the region file says."""


class WarehouseError(AgristatError):
    """The DuckDB catalogue cannot be built or opened."""


_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def named_storage_error(error: BaseException, where: str) -> StorageError:
    """The named error for what a file system or object store raised while `where` was read or written."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _READ_ONLY or (number is None and isinstance(error, PermissionError)):
        return StoreReadOnlyError(
            "the store refuses to be written to or read from",
            where=where,
            remedy="Mount it read-write or grant this user access, then run again; the current versions are untouched",
        )
    if number in _FULL:
        return StoreFullError(
            "the store has no room left or its quota is reached",
            where=where,
            remedy="Free space or enlarge the quota, then run again; the current versions are untouched",
        )
    return StoreUnavailableError(
        f"the store cannot be used: {type(error).__name__}: {error}",
        where=where,
        remedy="Check the address, the mount and the network, then run again; the current versions are untouched",
    )
