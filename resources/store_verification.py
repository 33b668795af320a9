"""Walk a whole store and compare everything with what was recorded: files, manifests, pointers, history, mirror."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agristat_platform.errors import AgristatError
from agristat_platform.provenance import (
    Manifest,
    ManifestInvalidError,
    Problem,
    is_manifest_name,
    parse_manifest,
    sha256_bytes,
    verify_version,
)
from resources.errors import StorageError
from resources.file_tree import FileTree
from resources.layout import POINTER, Place, Pointer, hive_value
from resources.mirror import versions_of
from resources.publication import read_pointer

if TYPE_CHECKING:
    from resources.versioned_store import Store

Progress = Callable[[Place, int], None]
_RESTORE = "Restore it from the mirror, or materialise the partition again"


@dataclass
class StoreReport:
    """What a verification found.

    Attributes
    ----------
    problems: differences between the record and the store or its mirror; empty when all is well.
    notices: leftovers of interrupted runs, harmless; `Store.sweep` or the next run removes or reuses them.
    places, versions, files, bytes: how much was compared.
    """

    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    places: int = 0
    versions: int = 0
    files: int = 0
    bytes: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing differs."""
        return not self.problems


def verify_store(store: Store, *, progress: Progress | None = None, mirror: bool = True) -> StoreReport:
    """Compare every version, manifest, pointer and history of a store, byte for byte, and the mirror's current versions.

    Parameters
    ----------
    store:
        The store.
    progress:
        Called after each place with the place and the bytes compared so far.
    mirror:
        Whether to read the mirror as well.

    Raises
    ------
    StorageError
        The store itself cannot be read. A mirror that cannot be read is a problem in the report.
    """
    report = StoreReport()
    for place in store.places():
        report.places += 1
        _verify_place(store, place, report)
        if mirror and store.mirror is not None:
            _verify_mirror(store, place, report)
        if progress:
            progress(place, report.bytes)
    return report


def _verify_place(store: Store, place: Place, report: StoreReport) -> None:
    tree = store.tree
    pointer = _checked_pointer(tree, place, report)
    manifests: dict[str, Manifest] = {}
    for version in versions_of(tree, place):
        manifests |= _verify_one_version(tree, place, version, report)
    for name in tree.names(place.directory):
        if name.startswith("."):
            if name != ".lock":
                report.notices.append(f"left behind by an interrupted run: {tree.uri(f'{place.directory}/{name}')}")
        elif name != POINTER and hive_value(name, "version") is None:
            path = tree.uri(f"{place.directory}/{name}")
            report.problems.append(Problem("file_unknown", path, "absent", "present", "Find out who put it there"))
    if pointer is not None:
        _verify_chain(tree, place, pointer, manifests, report)


def _checked_pointer(tree: FileTree, place: Place, report: StoreReport) -> Pointer | None:
    where = tree.uri(place.pointer)
    try:
        pointer = read_pointer(tree, place)
    except StorageError as error:
        report.problems.append(Problem("pointer_invalid", where, "a valid pointer", error.what, _RESTORE))
        return None
    if pointer is None:
        if versions_of(tree, place):
            report.notices.append(f"never made current: {tree.uri(place.directory)}")
        return None
    if tree.size(f"{place.version_directory(pointer.version)}/{pointer.manifest}") is None:
        got = f"version={pointer.version[:16]}… is missing or lacks {pointer.manifest}"
        report.problems.append(Problem("pointer_dangling", where, "an existing version", got, _RESTORE))
    return pointer


def _verify_one_version(tree: FileTree, place: Place, version: str, report: StoreReport) -> dict[str, Manifest]:
    """Compare the files with the newest manifest, and read every manifest; returns the valid ones by their sha256."""
    report.versions += 1
    directory = place.version_directory(version)
    found: dict[str, Manifest] = {}
    names = [name for name in tree.names(directory) if is_manifest_name(name)]
    if not names:
        report.notices.append(f"files without a manifest, never made current: {tree.uri(directory)}")
    for name in names:
        path = tree.uri(f"{directory}/{name}")
        data = tree.read(f"{directory}/{name}") or b""
        digest = sha256_bytes(data)
        if name != f"manifest-{digest[:16]}.json":
            report.problems.append(Problem("manifest_hash", path, name[9:25], digest[:16], _RESTORE))
            continue
        try:
            manifest = parse_manifest(data, where=path)
        except ManifestInvalidError as error:
            report.problems.append(Problem("manifest_invalid", path, "a valid manifest", error.what, _RESTORE))
            continue
        said = (manifest.stage, manifest.asset, manifest.partition, manifest.version)
        if said != (place.stage, place.asset, place.partition, version):
            got = f"{manifest.asset} of {manifest.partition}, version {manifest.version[:16]}"
            report.problems.append(Problem("version_misplaced", path, str(place), got, "Put it back where it belongs"))
            continue
        found[digest] = manifest
    if found:
        newest = max(found.values(), key=lambda manifest: manifest.created)

        def count(length: int) -> None:
            report.files += 1
            report.bytes += length

        with tree.naming_errors(directory):
            problems = verify_version(tree.filesystem, tree.full(directory), newest.file_name, on_bytes=count)
        report.problems += problems
    return found


def _verify_chain(
    tree: FileTree, place: Place, pointer: Pointer, manifests: dict[str, Manifest], report: StoreReport
) -> None:
    """Follow `previous` from the current manifest to the first: a past entry that was changed or removed breaks it."""
    reached = set()
    digest: str | None = pointer.manifest_sha256
    while digest is not None and digest not in reached:
        manifest = manifests.get(digest)
        if manifest is None:
            # the current one is reported as a dangling pointer or by its own hash
            if digest != pointer.manifest_sha256:
                expected = f"manifest-{digest[:16]}.json in the history"
                report.problems.append(Problem("chain_broken", tree.uri(place.directory), expected, "absent", _RESTORE))
            break
        reached.add(digest)
        digest = manifest.previous
    for digest in sorted(set(manifests) - reached):
        report.notices.append(f"published but never current: {place}, {manifests[digest].file_name}")


def _verify_mirror(store: Store, place: Place, report: StoreReport) -> None:
    if store.mirror is None or store.tree.size(place.pointer) is None:
        return
    remedy = "Catch up the mirror: agristat store mirror"
    try:
        parity = store.mirror_parity(place.asset, place.partition)
    except AgristatError:
        # the store's own copy is damaged: already in the report, and nothing to compare the mirror with
        return
    if parity is None:
        return
    mirror = store.mirror.target
    if parity.unavailable:
        # said once: every further partition would say the same of the same mirror
        if not any(problem.kind == "mirror_unavailable" for problem in report.problems):
            expected = "a readable mirror"
            remedy = "Mount or reach the mirror, then verify again"
            report.problems.append(Problem("mirror_unavailable", mirror.uri(""), expected, parity.unavailable, remedy))
        return
    for path in parity.missing:
        report.problems.append(Problem("mirror_missing", mirror.uri(path), "present", "absent", remedy))
    for path in parity.differing:
        report.problems.append(Problem("mirror_differs", mirror.uri(path), "as in the store", "other bytes", remedy))
