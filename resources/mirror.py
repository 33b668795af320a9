"""The second copy of a store: same layout under another address, compared by sha256, allowed to be away for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agristat_platform.errors import AgristatError
from agristat_platform.provenance import is_manifest_name, parse_manifest, sha256_bytes
from resources.errors import PublishFailedError, StorageError
from resources.file_tree import FileTree
from resources.layout import MIRROR_PENDING, Place, hive_value, place_of_pending


@dataclass(frozen=True)
class MirrorParity:
    """How a place's mirror compares with the store, by sha256.

    `missing` and `differing` list paths relative to the base; `checked` counts the files compared.
    """

    place: Place
    checked: int
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    unavailable: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the mirror could be read and holds every file with the recorded bytes."""
        return self.unavailable is None and not self.missing and not self.differing


@dataclass(frozen=True)
class CatchUp:
    """What a catch-up did: files copied, and places that could not be copied with the reason."""

    copied: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)


class Mirror:
    """Copies places from one tree to another. Nothing is ever removed from the mirror."""

    def __init__(self, source: FileTree, target: FileTree) -> None:
        self.source = source
        self.target = target

    def announce(self, place: Place, version: str) -> bool:
        """Note that a place is to be copied, before anything else can go wrong; `copy` takes the note away.

        Returns
        -------
        Whether there was such a note already: then older versions may be missing in the mirror as well.
        """
        known = self.source.size(place.pending) is not None
        self.source.write(place.pending, f'{{"version": "{version}"}}\n'.encode())
        return known

    def copy(self, place: Place, versions: Sequence[str] | None = None) -> list[str]:
        """Copy what the mirror lacks of a place: files, then manifests, then the pointer.

        Parameters
        ----------
        place:
            Asset and partition.
        versions:
            Content hashes of the versions to compare; None for every version of the place.

        Returns
        -------
        Paths of the files that were copied, relative to the base.

        Raises
        ------
        StorageError
            The mirror or the store cannot be used; what was copied so far is kept, and the note stays.
        """
        copied = []
        for version in versions_of(self.source, place) if versions is None else versions:
            copied += self._copy_version(place.version_directory(version))
        pointer = self.source.read(place.pointer)
        if pointer is not None and self.target.read(place.pointer) != pointer:
            self.target.write(place.pointer, pointer)
            copied.append(place.pointer)
        self.source.remove(place.pending)
        return copied

    def pending(self) -> list[Place]:
        """Places whose copy was announced and not completed."""
        places = (place_of_pending(name) for name in self.source.names(MIRROR_PENDING))
        return [place for place in places if place is not None]

    def catch_up(self, places: list[Place], on_place: Callable[[Place], None] | None = None) -> CatchUp:
        """Copy what is missing of each place; one that fails does not keep the others from being copied."""
        copied: list[str] = []
        failed: dict[str, str] = {}
        for place in places:
            try:
                copied += self.copy(place)
            except AgristatError as error:
                failed[str(place)] = str(error)
            if on_place:
                on_place(place)
        return CatchUp(tuple(copied), failed)

    def parity(self, place: Place, version: str, manifest_name: str) -> MirrorParity:
        """Compare one version with its mirror, reading every byte of the mirror's copy."""
        directory = place.version_directory(version)
        manifest_path = f"{directory}/{manifest_name}"
        recorded = self.source.read(manifest_path)
        if recorded is None:
            return MirrorParity(place, 0, missing=(manifest_path,))
        hashes = {
            f"{directory}/{file.name}": file.sha256 for file in parse_manifest(recorded, where=manifest_path).files
        }
        hashes[manifest_path] = sha256_bytes(recorded)
        if (pointer := self.source.read(place.pointer)) is not None:
            hashes[place.pointer] = sha256_bytes(pointer)
        missing, differing = [], []
        try:
            for path, expected in hashes.items():
                got = self.target.sha256(path)
                if got is None:
                    missing.append(path)
                elif got != expected:
                    differing.append(path)
        except StorageError as error:
            return MirrorParity(place, len(hashes), unavailable=str(error))
        return MirrorParity(place, len(hashes), tuple(missing), tuple(differing))

    def _copy_version(self, directory: str) -> list[str]:
        names = self.source.names(directory)
        manifests = [name for name in names if is_manifest_name(name)]
        files = {}
        for name in manifests:
            data = self.source.read(f"{directory}/{name}") or b""
            files.update({file.name: file for file in parse_manifest(data, where=f"{directory}/{name}").files})
        copied = []
        for name, file in files.items():
            path = f"{directory}/{name}"
            if self.target.size(path) != file.bytes or self.target.sha256(path) != file.sha256:
                self._copy_file(path, file.sha256)
                copied.append(path)
        for name in manifests:
            path = f"{directory}/{name}"
            recorded = self.source.read(path)
            if recorded is not None and self.target.read(path) != recorded:
                self.target.write(path, recorded, beside=directory.rpartition("/")[0])
                copied.append(path)
        return copied

    def _copy_file(self, path: str, sha256: str) -> None:
        self.target.put(path, lambda: self.source.open(path))
        if self.target.sha256(path) != sha256:
            self.target.remove(path)
            raise PublishFailedError(
                "a file did not arrive in the mirror as it is recorded in the store",
                where=self.target.uri(path),
                remedy="Verify the store; when the store is right, catch up the mirror again",
            )


def versions_of(tree: FileTree, place: Place) -> list[str]:
    """Content hashes of all versions of a place, sorted."""
    found = (hive_value(name, "version") for name in tree.names(place.directory))
    return sorted(version for version in found if version is not None and len(version) == 64)
