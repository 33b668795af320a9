"""The store as a Dagster resource, and the names that assets use of it."""

from __future__ import annotations

from functools import lru_cache

import dagster as dg

from resources.draft import Draft
from resources.store_verification import StoreReport
from resources.stored_version import StoredVersion
from resources.versioned_store import Store

__all__ = ["Draft", "StorageResource", "Store", "StoreReport", "StoredVersion"]


class StorageResource(dg.ConfigurableResource):  # type: ignore[type-arg, unused-ignore]
    """Address of the store of record, of its mirror, and a local scratch directory.

    Addresses never carry credentials: those come from the environment or the provider's standard chain.
    """

    store_uri: str
    mirror_uri: str | None = None
    scratch_dir: str

    @property
    def store(self) -> Store:
        """The store; one object per configuration and process."""
        return _open_store(self.store_uri, self.mirror_uri, self.scratch_dir)


@lru_cache(maxsize=8)
def _open_store(store_uri: str, mirror_uri: str | None, scratch_dir: str) -> Store:
    return Store(store_uri, mirror_uri=mirror_uri, scratch_dir=scratch_dir)
