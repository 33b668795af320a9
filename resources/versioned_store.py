"""The store of record: content-addressed versions of assets by partition; nothing is overwritten."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from agristat_platform.catalogue import Partition
from agristat_platform.errors import AgristatError
from agristat_platform.provenance import HashMismatchError, Manifest, is_manifest_name, parse_manifest, sha256_bytes
from resources.draft import DRAFT_PREFIX, Draft
from resources.errors import DraftMismatchError, NotMaterialisedError
from resources.file_tree import LocalTree, open_tree
from resources.layout import MIRROR_PENDING, STEPS, Place, hive_value
from resources.mirror import CatchUp, Mirror, MirrorParity, versions_of
from resources.publication import INCOMING_KEPT_S, publish_into, read_pointer, remove_stale_incoming
from resources.store_verification import Progress, StoreReport, verify_store
from resources.stored_version import StoredVersion


@dataclass(frozen=True)
class HistoryEntry:
    """One publication in a partition's past."""

    manifest: Manifest
    manifest_sha256: str
    uri: str
    current: bool

    @property
    def published(self) -> datetime:
        """When the manifest was made, UTC."""
        return self.manifest.created


class Store:
    """Versions of assets under one base address.

    Parameters
    ----------
    base_uri:
        Local path, file://, or any fsspec address (s3://, gs://, memory://) without credentials.
    mirror_uri:
        Address of the second copy; None for none.
    scratch_dir:
        Local directory for drafts and for downloaded copies of remote files; it need not survive.

    Raises
    ------
    StoreUnavailableError, InvalidNameError
        See `file_tree.open_tree`. The base itself is only touched by the first read or write.
    """

    def __init__(self, base_uri: str, *, mirror_uri: str | None = None, scratch_dir: str | Path) -> None:
        self.base_uri = base_uri
        self.tree = open_tree(base_uri)
        self.mirror = Mirror(self.tree, open_tree(mirror_uri)) if mirror_uri else None
        self.scratch = Path(scratch_dir).resolve()
        self._stages: dict[str, str] = {}

    def draft(self, asset: str, partition: Partition, *, stage: str) -> Draft:
        """A new version in the making, in the scratch directory; use it as a context manager.

        Raises
        ------
        InvalidNameError
            Asset, stage, region or season is no plain name.
        StoreFullError, StoreReadOnlyError
            The scratch directory cannot be written to.
        """
        return Draft(Place(stage, asset, partition), self.scratch / "drafts")

    def publish(self, draft: Draft, manifest: Manifest) -> StoredVersion:
        """Make a sealed draft the current version of its partition; the draft's scratch files are removed.

        A version that exists already is kept (damaged files in it are put right), and gets one more manifest.
        A mirror that is down does not stop the publication: it is noted, and `catch_up_mirror` does it later.

        Raises
        ------
        DraftMismatchError
            The manifest speaks of another asset, partition or content, or the asset lives in another stage.
        PublishFailedError
            What arrived is not what was sent.
        StorageError
            The store is read-only, full or away. In all cases the version current before is still current.
        """
        place = draft.place
        if (manifest.asset, manifest.stage, manifest.partition) != (place.asset, place.stage, place.partition):
            raise DraftMismatchError(
                f"the manifest speaks of {manifest.asset} of {manifest.partition}", where=str(place)
            )
        if manifest.files != draft.files:
            raise DraftMismatchError("the manifest lists other files than the draft holds", where=str(place))
        elsewhere = self._stage_of(place.asset)
        if elsewhere not in (None, place.stage):
            raise DraftMismatchError(
                f"{place.asset} already lives in stage {elsewhere!r}, not {place.stage!r}",
                where=self.base_uri,
                remedy="Keep an asset in one stage; move the old directory when the stage was renamed",
            )
        behind = self.mirror.announce(place, manifest.version) if self.mirror else False
        written = publish_into(self.tree, place, draft.directory, manifest)
        self._stages[place.asset] = place.stage
        draft.discard()
        return self._mirrored(self._stored(place, written, written.sha256), every_version=behind)

    def current(self, asset: str, partition: Partition) -> StoredVersion:
        """The current version of an asset in a partition.

        Raises
        ------
        NotMaterialisedError
            There is none; the message says what to materialise.
        HashMismatchError
            The manifest's bytes are not the ones the pointer names.
        StorageError
            The pointer is damaged, or the store cannot be read.
        """
        stage = self._stage_of(asset)
        place = Place(stage or "unknown", asset, partition)
        pointer = read_pointer(self.tree, place) if stage else None
        if pointer is None:
            raise NotMaterialisedError(
                f"{asset} has never been materialised for {partition}",
                where=self.base_uri,
                remedy=f"Materialise {asset} for {partition} first: "
                f"agristat run {partition.region} {partition.season} --select {asset}",
            )
        return self._read_version(place, pointer.version, pointer.manifest, pointer.manifest_sha256)

    def is_materialised(self, asset: str, partition: Partition) -> bool:
        """Whether an asset has a current version in a partition."""
        stage = self._stage_of(asset)
        return stage is not None and self.tree.size(Place(stage, asset, partition).pointer) is not None

    def version(self, asset: str, partition: Partition, version: str) -> StoredVersion:
        """A version of the past by its content hash, with the newest of its manifests. Errors as in `current`."""
        for entry in self.history(asset, partition):
            if entry.manifest.version == version:
                place = Place(entry.manifest.stage, asset, partition)
                return self._stored(place, entry.manifest, entry.manifest_sha256)
        raise NotMaterialisedError(
            f"{asset} of {partition} has no version {version[:16]}",
            where=self.base_uri,
            remedy="agristat store ls shows the versions there are",
        )

    def history(self, asset: str, partition: Partition) -> tuple[HistoryEntry, ...]:
        """Every publication of an asset in a partition, newest first; empty when there was none."""
        stage = self._stage_of(asset)
        if stage is None:
            return ()
        place = Place(stage, asset, partition)
        pointer = read_pointer(self.tree, place)
        current = pointer.manifest_sha256 if pointer else None
        entries = []
        for version in versions_of(self.tree, place):
            directory = place.version_directory(version)
            for name in filter(is_manifest_name, self.tree.names(directory)):
                data = self.tree.read(f"{directory}/{name}") or b""
                digest = sha256_bytes(data)
                manifest = parse_manifest(data, where=self.tree.uri(f"{directory}/{name}"))
                entries.append(HistoryEntry(manifest, digest, self.tree.uri(directory), digest == current))
        return tuple(sorted(entries, key=lambda entry: (entry.published, entry.manifest_sha256), reverse=True))

    def list(self, *, all_versions: bool = False) -> tuple[StoredVersion, ...]:
        """The current version of every place, sorted by stage, asset, region, season. Errors as in `current`.

        Parameters
        ----------
        all_versions:
            Every version instead, newest first within a place, each with the newest of its manifests.
        """
        found: list[StoredVersion] = []
        for place in self.places():
            if all_versions:
                newest: dict[str, StoredVersion] = {}
                for entry in self.history(place.asset, place.partition):
                    stored = self._stored(place, entry.manifest, entry.manifest_sha256)
                    newest.setdefault(stored.version, stored)
                found += newest.values()
            elif self.is_materialised(place.asset, place.partition):
                found.append(self.current(place.asset, place.partition))
        return tuple(found)

    def places(self) -> Iterator[Place]:
        """Every place that has a directory, current version or not."""
        for stage in self._directories(""):
            for asset in self._directories(stage):
                for region_name in self._directories(f"{stage}/{asset}"):
                    region = hive_value(region_name, "region")
                    if region is None:
                        continue
                    for season_name in self._directories(f"{stage}/{asset}/{region_name}"):
                        season = hive_value(season_name, "season")
                        if season is not None:
                            yield Place(stage, asset, Partition(region=region, season=season))

    def catch_up_mirror(self) -> CatchUp:
        """Copy to the mirror whatever it lacks of any version; empty without a mirror."""
        if self.mirror is None:
            return CatchUp()
        return self.mirror.catch_up(list(self.places()))

    def mirror_pending(self) -> tuple[Place, ...]:
        """Places whose copy to the mirror is announced and not completed."""
        return tuple(self.mirror.pending()) if self.mirror else ()

    def mirror_parity(self, asset: str, partition: Partition) -> MirrorParity | None:
        """How the mirror's copy of the current version compares, by sha256; None without a mirror."""
        if self.mirror is None:
            return None
        version = self.current(asset, partition)
        return self.mirror.parity(version.place, version.version, version.manifest.file_name)

    def sweep(self, *, older_than_s: float = INCOMING_KEPT_S) -> tuple[str, ...]:
        """Remove leftovers of interrupted runs older than `older_than_s`; returns what was removed."""
        removed = []
        for tree in (self.tree, self.mirror.target if self.mirror else None):
            if isinstance(tree, LocalTree):
                for directory in (MIRROR_PENDING, *(place.directory for place in self.places())):
                    removed += remove_stale_incoming(tree, directory, older_than_s=older_than_s)
        if isinstance(self.tree, LocalTree):
            for run in self.tree.names(STEPS):
                if time.time() - self.tree.modified(f"{STEPS}/{run}") >= older_than_s:
                    self.tree.remove(f"{STEPS}/{run}")
                    removed.append(f"{STEPS}/{run}")
        for draft in sorted((self.scratch / "drafts").glob(f"{DRAFT_PREFIX}*")):
            if time.time() - draft.stat().st_mtime >= older_than_s:
                shutil.rmtree(draft)
                removed.append(str(draft))
        return tuple(removed)

    def verify(self, progress: Progress | None = None) -> StoreReport:
        """Compare everything in the store and its mirror with what was recorded; see `store_verification`."""
        return verify_store(self, progress=progress)

    def _mirrored(self, stored: StoredVersion, *, every_version: bool) -> StoredVersion:
        if self.mirror is None:
            return replace(stored, mirror_state="none")
        try:
            self.mirror.copy(stored.place, None if every_version else [stored.version])
        except AgristatError as error:
            warning = f"published, but not mirrored yet: {error}. The mirror catches up with agristat store mirror"
            return replace(stored, mirror_state="pending", warnings=(warning,))
        return replace(stored, mirror_state="copied")

    def _read_version(self, place: Place, version: str, manifest_name: str, sha256: str) -> StoredVersion:
        relative = f"{place.version_directory(version)}/{manifest_name}"
        data = self.tree.read(relative)
        if data is None or sha256_bytes(data) != sha256:
            raise HashMismatchError(
                f"the manifest of {place} is {'missing' if data is None else 'not the one that was published'}",
                where=self.tree.uri(relative),
                remedy=f"Restore it from the mirror, or materialise {place.asset} for {place.partition} again",
            )
        return self._stored(place, parse_manifest(data, where=self.tree.uri(relative)), sha256)

    def _stored(self, place: Place, manifest: Manifest, sha256: str) -> StoredVersion:
        uri = self.tree.uri(place.version_directory(manifest.version))
        return StoredVersion(place, manifest, sha256, uri, self.tree, self.scratch / "cache")

    def _stage_of(self, asset: str) -> str | None:
        if asset not in self._stages:
            for stage in self._directories(""):
                if asset in self.tree.names(stage):
                    self._stages[asset] = stage
                    break
        return self._stages.get(asset)

    def _directories(self, relative: str) -> tuple[str, ...]:
        return tuple(name for name in self.tree.names(relative) if not name.startswith("."))
