"""A base directory or bucket prefix with the few operations a store needs, durable and with named errors.

Belongs here: bytes and names. What the files mean (versions, pointers, manifests) does not.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from agristat_platform.provenance import sha256_stream
from resources.errors import InvalidNameError, StorageError, StoreUnavailableError, named_storage_error
from resources.layout import INCOMING

try:
    import fcntl
except ImportError:  # Windows has no flock; publishing there relies on one run per partition
    fcntl = None  # type: ignore[assignment]


def open_tree(uri: str) -> FileTree:
    """The tree under a URI: a local path, file://, or anything fsspec knows (s3://, gs://, memory://).

    Raises
    ------
    InvalidNameError
        The URI carries a user name or password: credentials come from the environment only.
    StoreUnavailableError
        The protocol is unknown or its package is not installed.
    """
    if "://" in uri and "@" in urlsplit(uri).netloc:
        raise InvalidNameError(
            "a store address must not carry a user name or password",
            remedy="Take them out; credentials come from the environment or the provider's standard chain",
        )
    try:
        # listings must be fresh: other runs publish into the same place
        filesystem, root = url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StoreUnavailableError(
            f"the store's protocol cannot be used: {error}",
            where=uri,
            remedy="Install the package of that protocol (s3fs for s3://, gcsfs for gs://) or correct the address",
        ) from error
    if isinstance(filesystem, LocalFileSystem):
        return LocalTree(filesystem, str(Path(root).resolve()))
    return FileTree(filesystem, root)


class FileTree:
    """An object store: every put is atomic by itself, there is no rename and nothing to sync."""

    is_local = False

    def __init__(self, filesystem: fsspec.AbstractFileSystem, root: str) -> None:
        self.filesystem = filesystem
        self.root = root.rstrip("/")
        self._failures = _failures_of_clients()

    def full(self, relative: str) -> str:
        """The path in the file system."""
        return f"{self.root}/{relative}" if relative else self.root

    def uri(self, relative: str) -> str:
        """The address with its protocol."""
        return str(self.filesystem.unstrip_protocol(self.full(relative)))

    @contextmanager
    def naming_errors(self, relative: str) -> Iterator[None]:
        """Turn whatever the file system raises inside the block into one named error about `relative`."""
        try:
            yield
        except StorageError:
            raise
        except self._failures as error:
            raise named_storage_error(error, self.uri(relative)) from error

    def names(self, relative: str) -> list[str]:
        """Names directly under a directory, sorted; empty when it does not exist."""
        with self.naming_errors(relative):
            try:
                listed = self.filesystem.ls(self.full(relative), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # object stores may list the directory's own marker among its content
        paths = {str(path).rstrip("/") for path in listed} - {self.full(relative)}
        return sorted(path.rpartition("/")[2] for path in paths)

    def size(self, relative: str) -> int | None:
        """Length of a file in bytes, None when it does not exist."""
        with self.naming_errors(relative):
            try:
                return int(self.filesystem.size(self.full(relative)) or 0)
            except FileNotFoundError:
                return None

    def read(self, relative: str) -> bytes | None:
        """All bytes of a small file, None when it does not exist."""
        with self.naming_errors(relative):
            try:
                return bytes(self.filesystem.cat_file(self.full(relative)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, relative: str) -> BinaryIO:
        """An open binary stream; raises FileNotFoundError as it is."""
        stream: BinaryIO = self.filesystem.open(self.full(relative), "rb")
        return stream

    def sha256(self, relative: str) -> str | None:
        """Hash of a file as it lies there now, None when it does not exist."""
        with self.naming_errors(relative):
            try:
                with self.open(relative) as stream:
                    return sha256_stream(stream)[0]
            except FileNotFoundError:
                return None

    def write(self, relative: str, data: bytes, *, beside: str | None = None) -> None:
        """Put a small file so that a reader sees the old bytes or the new ones, nothing in between.

        `beside` is the directory for the temporary name that a crash may leave behind (the file's own when None).
        """
        with self.naming_errors(relative):
            self.filesystem.pipe_file(self.full(relative), data)

    def put(self, relative: str, copy_from: Callable[[], BinaryIO]) -> None:
        """Put a file from a stream that the caller can open."""
        with self.naming_errors(relative), copy_from() as source, self.filesystem.open(self.full(relative), "wb") as to:
            shutil.copyfileobj(source, to, 1 << 20)

    def remove(self, relative: str) -> None:
        """Remove a file or a directory with everything in it; nothing happens when it does not exist."""
        with self.naming_errors(relative):
            try:
                self.filesystem.rm(self.full(relative), recursive=True)
            except FileNotFoundError:
                return

    @contextmanager
    def locked(self, relative: str) -> Iterator[None]:
        """Nobody else publishes under a directory meanwhile. Object stores have no lock: the last pointer put wins."""
        yield


class LocalTree(FileTree):
    """A local disk or a mounted NAS: temporary name, fsync of file and directory, rename."""

    is_local = True

    def path(self, relative: str) -> Path:
        """The path on this machine."""
        return Path(self.full(relative))

    def write(self, relative: str, data: bytes, *, beside: str | None = None) -> None:
        """Write to a temporary name, sync, and rename over the old file."""
        target = self.path(relative)
        temporary = (target.parent if beside is None else self.path(beside)) / f"{INCOMING}{uuid.uuid4().hex}"
        with self.naming_errors(relative):
            make_directory(target.parent)
            try:
                with temporary.open("wb") as stream:
                    stream.write(data)
                    _sync(stream)
                os.replace(temporary, target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_directory(target.parent)

    def put(self, relative: str, copy_from: Callable[[], BinaryIO]) -> None:
        """Copy into a file and sync it; the caller chooses a directory nobody reads yet."""
        target = self.path(relative)
        with self.naming_errors(relative):
            make_directory(target.parent)
            with copy_from() as source, target.open("wb") as to:
                shutil.copyfileobj(source, to, 1 << 20)
                _sync(to)

    def rename(self, relative: str, to: str) -> None:
        """Rename a file or directory within the tree, and sync the directories concerned."""
        source, target = self.path(relative), self.path(to)
        with self.naming_errors(to):
            if source.is_dir():
                sync_directory(source)
            os.replace(source, target)
            sync_directory(source.parent)
            if target.parent != source.parent:
                sync_directory(target.parent)

    def modified(self, relative: str) -> float:
        """Time of the last change, seconds since the epoch; 0 when it has gone meanwhile."""
        try:
            return self.path(relative).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self, relative: str) -> None:
        """Remove a file or a directory with everything in it; nothing happens when it does not exist."""
        target = self.path(relative)
        with self.naming_errors(relative):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    @contextmanager
    def locked(self, relative: str) -> Iterator[None]:
        """Hold the lock file of a directory; waits for whoever holds it. The system frees it when a process dies."""
        with self.naming_errors(relative):
            directory = self.path(relative)
            make_directory(directory)
            stream = (directory / ".lock").open("ab")
        with stream:
            if fcntl is not None:
                with self.naming_errors(relative):
                    fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def make_directory(directory: Path) -> None:
    """Create a directory and its parents, each durable before the next."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename in a directory durable; file systems that cannot sync directories are left alone."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _failures_of_clients() -> tuple[type[Exception], ...]:
    """What file systems raise: OSError, and the base classes of object-store clients that are not OSErrors."""
    failures: list[type[Exception]] = [OSError]
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-not-found, unused-ignore]

        failures.append(BotoCoreError)
    except ImportError:
        pass
    try:
        from gcsfs.retry import HttpError  # type: ignore[import-not-found, unused-ignore]

        failures.append(HttpError)
    except ImportError:
        pass
    return tuple(failures)
