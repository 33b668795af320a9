"""Putting a version's files, manifest and pointer into a tree: what is current changes last, and in one step.

Belongs here: the order of writes that a crash at any moment leaves harmless. Which tree, and the mirror, is up to the
store.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agristat_platform.provenance import FileRecord, Manifest
from resources.errors import PublishFailedError
from resources.file_tree import FileTree, LocalTree
from resources.layout import INCOMING, Place, Pointer, parse_pointer

INCOMING_KEPT_S = 24 * 3600.0


def publish_into(tree: FileTree, place: Place, source: Path, manifest: Manifest) -> Manifest:
    """Publish the files in a local directory as the current version of a place.

    Files first (under a name nobody reads, then renamed; object stores have no rename, but nobody reads a version
    before a pointer names it), compared with their hashes as they arrived, then the manifest, then the pointer.

    Returns
    -------
    The manifest as written: `previous` names the one that was current until now.

    Raises
    ------
    PublishFailedError
        What arrived differs from what was sent.
    StorageError
        The store is read-only, full or unreachable; the pointer is as before.
    """
    version_directory = place.version_directory(manifest.version)
    if isinstance(tree, LocalTree):
        remove_stale_incoming(tree, place.directory, older_than_s=INCOMING_KEPT_S)
        _place_files_by_rename(tree, place, source, manifest.files, version_directory)
    else:
        _send(tree, source, _differing(tree, version_directory, manifest.files), version_directory)
    with tree.locked(place.directory):
        before = read_pointer(tree, place)
        chained = manifest.model_copy(update={"previous": before.manifest_sha256 if before else None})
        tree.write(f"{version_directory}/{chained.file_name}", chained.to_bytes(), beside=place.directory)
        tree.write(place.pointer, _pointer_to(chained).to_bytes())
    return chained


def read_pointer(tree: FileTree, place: Place) -> Pointer | None:
    """The pointer of a place, None when nothing was ever published there."""
    data = tree.read(place.pointer)
    return None if data is None else parse_pointer(data, where=tree.uri(place.pointer))


def remove_stale_incoming(tree: LocalTree, directory: str, *, older_than_s: float) -> list[str]:
    """Remove what interrupted publications left behind; young ones may still be at work. Returns what was removed."""
    removed = []
    for name in tree.names(directory):
        relative = f"{directory}/{name}"
        if name.startswith(INCOMING) and time.time() - tree.modified(relative) >= older_than_s:
            tree.remove(relative)
            removed.append(relative)
    return removed


def _pointer_to(manifest: Manifest) -> Pointer:
    return Pointer(
        version=manifest.version,
        manifest=manifest.file_name,
        manifest_sha256=manifest.sha256,
        published_at=datetime.now(UTC),
        run_id=manifest.run_id,
    )


def _place_files_by_rename(
    tree: LocalTree, place: Place, source: Path, files: Sequence[FileRecord], version_directory: str
) -> None:
    incoming = f"{place.directory}/{INCOMING}{uuid.uuid4().hex}"
    try:
        wanted = _differing(tree, version_directory, files)
        if not wanted:
            return
        _send(tree, source, wanted, incoming)
        with tree.locked(place.directory):
            if tree.names(version_directory):
                # the version is there but damaged, or another run has just published it: file by file, the right bytes
                for file in wanted:
                    tree.rename(f"{incoming}/{file.name}", f"{version_directory}/{file.name}")
            else:
                tree.rename(incoming, version_directory)
    finally:
        # behind a failure, without hiding it: what can't be removed now is swept later
        shutil.rmtree(tree.path(incoming), ignore_errors=True)


def _send(tree: FileTree, source: Path, files: Sequence[FileRecord], directory: str) -> None:
    for file in files:
        relative = f"{directory}/{file.name}"
        path = source / file.name
        tree.put(relative, lambda path=path: path.open("rb"))  # type: ignore[misc]
    differing = _differing(tree, directory, files)
    if differing:
        raise PublishFailedError(
            f"{differing[0].name} did not arrive as it was sent",
            where=tree.uri(directory),
            remedy="Run again; when it happens twice, check the disk, the mount and the network",
        )


def _differing(tree: FileTree, directory: str, files: Sequence[FileRecord]) -> list[FileRecord]:
    """Files that are missing from a directory or have other bytes there."""
    return [
        file
        for file in files
        if tree.size(f"{directory}/{file.name}") != file.bytes or tree.sha256(f"{directory}/{file.name}") != file.sha256
    ]
