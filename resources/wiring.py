"""The resources that the settings call for, by the names assets use."""

from __future__ import annotations

from typing import Any

from agristat_platform.catalogue import Catalogue, Settings
from resources.field_archive import FieldArchive
from resources.imagery_catalogue import ImageryCatalogue
from resources.io_managers import VersionedIOManager
from resources.step_io import StepIOManager
from resources.storage import StorageResource, Store
from resources.warehouse import Warehouse, WarehouseResource


def storage_of(settings: Settings) -> StorageResource:
    """The store of record with its mirror."""
    return StorageResource(
        store_uri=settings.store_uri, mirror_uri=settings.mirror_uri, scratch_dir=str(settings.scratch_dir)
    )


def open_store(settings: Settings) -> Store:
    """The store, for commands that need no Dagster."""
    return storage_of(settings).store


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse, for commands that need no Dagster."""
    return Warehouse(settings.warehouse_path)


def refresh_warehouse(settings: Settings) -> tuple[str, ...] | None:
    """Rebuild the DuckDB views over the current versions; None where the store is not on a path that DuckDB can read."""
    store = open_store(settings)
    return open_warehouse(settings).refresh(store) if Warehouse.reads(store) else None


def build_resources(catalogue: Catalogue, not_applicable: dict[str, list[str]]) -> dict[str, Any]:
    """Every resource by its name; `not_applicable` names the assets that do not exist for a region."""
    settings = catalogue.settings
    storage = storage_of(settings)
    return {
        "catalogue": catalogue,
        "storage": storage,
        "io_manager": VersionedIOManager(storage=storage, not_applicable=not_applicable),
        "step_io": StepIOManager(scratch_dir=str(settings.scratch_dir)),
        "warehouse": WarehouseResource(path=str(settings.warehouse_path)),
        "imagery_catalogue": ImageryCatalogue.from_settings(settings),
        "field_archive": FieldArchive(settings),
    }
