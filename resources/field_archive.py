"""Where labels, field observations and reference parcels come from: the simulated landscape, delivered files, a recorded survey.

What belongs here: finding and reading what a region's file names, and recording what was read. What does not: checking or using it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from agristat_platform import sampling, simulation
from agristat_platform.catalogue import SIMULATED_REFERENCE, CropNomenclature, Region, Settings
from agristat_platform.classification import LABELS_SCHEMA, read_labelled_series, read_vector_labels
from agristat_platform.geometry import geometry_crs, with_geometry
from agristat_platform.provenance import ExternalRecord, sha256_file
from agristat_platform.segmentation import read_polygons
from resources.errors import FieldArchiveError

REQUIRED_LABEL_COLUMNS = ("label_id", "crop_code", "geometry", "role")


@dataclass(frozen=True)
class DeliveredLabels:
    """Labels as they came, with their own feature columns where they brought some.

    `dropped`: rows that name no known crop. `awaited_at`: where they would lie, when none were delivered for a season that
    can do without; `labels` has then no row.
    """

    labels: pa.Table
    series: pa.Table | None
    source: str
    external: tuple[ExternalRecord, ...]
    dropped: pa.Table | None = None
    awaited_at: Path | None = None


@dataclass(frozen=True)
class Observations:
    """What enumerators found in the sampled units."""

    field_data: pa.Table
    source: str
    external: tuple[ExternalRecord, ...] = ()


@dataclass(frozen=True)
class ReferenceParcels:
    """Parcels that segments are compared with: GeoParquet table with `geometry`, and what to call them."""

    parcels: pa.Table
    source: str
    external: tuple[ExternalRecord, ...]


@dataclass(frozen=True)
class FieldArchive:
    """Reads the field side of every region.

    Attributes
    ----------
    settings: where the archive, the real data and the configuration lie.
    """

    settings: Settings

    def training_labels(self, region: Region, season: str, nomenclature: CropNomenclature) -> DeliveredLabels:
        """Labels to learn from, or to judge by; a season that past ones teach can do without a file of them.

        Raises
        ------
        FieldArchiveError
            The region has none configured, or the file it names is not there and the season's own labels must teach.
        """
        if region.training is None:
            raise FieldArchiveError(
                f"region {region.code} has no training labels",
                where=f"config/regions/{region.code}.yaml",
                remedy="Give it a section training with a source",
            )
        if region.training.source == "simulation":
            path = self.settings.archive_dir / region.code / "training" / f"{season}.parquet"
            self._require(path, f"run agristat region prepare {region.code}")
            return DeliveredLabels(
                pq.read_table(path), None, "simulated windshield survey", (_record("training labels", path),)
            )
        path = self.settings.data_file(region.training.file or "", season)
        if not path.exists() and region.training.model_of(season) == "recognition":
            return DeliveredLabels(LABELS_SCHEMA.empty_table(), None, "none delivered", (), awaited_at=path)
        self._require(path, "put the file there, or change training.file")
        return self._labels_from_file(region, path, nomenclature)

    def _labels_from_file(self, region: Region, path: Path, nomenclature: CropNomenclature) -> DeliveredLabels:
        record = (_record("training labels", path),)
        column = region.training.label_column if region.training else None
        if column is not None:
            read = read_vector_labels(path, nomenclature, region.crs, column=column)
            return DeliveredLabels(read.labels, None, "delivered vector file", record, read.dropped)
        if {"step", "sample_id"} <= set(pq.read_schema(path).names):
            found = read_labelled_series(path, nomenclature, region.crs)
            return DeliveredLabels(found.labels, found.series, "labelled series", record)
        table = _read_delivered(path, REQUIRED_LABEL_COLUMNS, region)
        return DeliveredLabels(
            table.select([n for n in LABELS_SCHEMA.names if n in table.column_names]), None, "delivered file", record
        )

    def reference_parcels(self, region: Region, season: str) -> ReferenceParcels | None:
        """The parcels that `segmentation.reference` names; None where it names none.

        Raises
        ------
        FieldArchiveError
            The file is not there.
        ParcelRegisterError, LandscapeNotPreparedError
            It cannot be read; the simulated region is not prepared.
        """
        settings = region.segmentation
        if settings.reference is None:
            return None
        if settings.reference == SIMULATED_REFERENCE:
            table = simulation.true_parcels(self.settings.archive_dir, region, season)
            truth = self.settings.archive_dir / region.code / "truth" / season / "parcels.parquet"
            return ReferenceParcels(
                table, "SIMULATED: the true parcels of the simulation", (_record("simulated parcels", truth),)
            )
        path = self.settings.data_file(settings.reference, season)
        self._require(path, "put the file there, or change segmentation.reference")
        polygons = read_polygons(path, region.crs, layer=settings.reference_layer)
        table = with_geometry(pa.table({"geometry": pa.array(shapely.to_wkb(polygons), pa.binary())}), region.crs)
        return ReferenceParcels(table, f"parcels of {path.name}", (_record("reference parcels", path),))

    def land_use(self, region: Region) -> Path:
        """The land-use raster strata are made from (1: cultivated, 2: not).

        Raises
        ------
        FieldArchiveError
            It is not there.
        """
        path = self.settings.archive_dir / region.code / "land_use.tif"
        remedy = "put a land-use raster there (uint8; 1: cultivated, 2: other land)"
        self._require(path, f"run agristat region prepare {region.code}" if region.simulated else remedy)
        return path

    def record(self, kind: str, path: Path) -> ExternalRecord:
        """How a manifest names a file of the archive."""
        return _record(kind, path)

    def observations(self, region: Region, season: str, units: pa.Table) -> Observations:
        """Field data on sampled units (`unit_id`, `geometry`).

        Raises
        ------
        FieldArchiveError
            No source is configured, its file is not there, or its columns, types or CRS are not what they must be.
        """
        survey = region.survey
        if survey.field_data == "simulation":
            table = simulation.observe_segments(self.settings.archive_dir, region, season, units)
            truth = self.settings.archive_dir / region.code / "truth" / season / "parcels.parquet"
            return Observations(table, "simulated enumeration", (_record("simulated parcels", truth),))
        if survey.field_data == "file" and survey.field_data_file:
            path = self.settings.data_file(survey.field_data_file, season)
            self._require(path, "put the file there, or change survey.field_data_file")
            return Observations(
                _cast(
                    _read_delivered(path, sampling.FIELD_DATA_SCHEMA.names, region), sampling.FIELD_DATA_SCHEMA, path
                ),
                "delivered file",
                (_record("field data", path),),
            )
        raise FieldArchiveError(
            f"region {region.code} names no source of field data",
            where=f"config/regions/{region.code}.yaml",
            remedy="Set survey.field_data to simulation or file",
        )

    def recorded_survey(self, region: Region) -> tuple[sampling.RecordedSurvey, ExternalRecord]:
        """A survey others drew and handed down.

        Raises
        ------
        FieldArchiveError
            The data set is not one the platform knows.
        MissingRecordedSurveyError
            Its file is not there.
        """
        name = region.survey.recorded.dataset if region.survey.recorded else None
        if name != "battese-harter-fuller":
            raise FieldArchiveError(
                f"no recorded survey {name!r}",
                where=f"config/regions/{region.code}.yaml",
                remedy="There is: battese-harter-fuller",
            )
        folder = self.settings.real_data.parent / "oracles"
        survey = sampling.load_battese_harter_fuller(folder)
        return survey, _record("recorded survey", folder / "09_ebluP_BHF_cornsoybean.json")

    def _require(self, path: Path, remedy: str) -> None:
        if not path.exists():
            raise FieldArchiveError("the file is not there", where=str(path), remedy=remedy[0].upper() + remedy[1:])


def _record(kind: str, path: Path) -> ExternalRecord:
    return ExternalRecord(kind=kind, id=path.name, href=path.as_uri(), sha256=sha256_file(path))


def _read_delivered(path: Path, columns: Sequence[str], region: Region) -> pa.Table:
    """A delivered Parquet table that has some columns and, where it names a CRS, names the region's."""
    table = pq.read_table(path)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise FieldArchiveError(
            f"columns {', '.join(missing)} are missing",
            where=str(path),
            remedy="See docs/field_data.md for the columns",
        )
    if b"geo" in (table.schema.metadata or {}):
        declared = geometry_crs(table)
        if not declared.equals(pyproj.CRS.from_user_input(region.crs), ignore_axis_order=True):
            raise FieldArchiveError(
                f"geometries are in {declared.name}, the region is in {region.crs}",
                where=str(path),
                remedy="Reproject the file to the region's CRS",
            )
    return table


def _cast(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    for field in schema:
        column = table[field.name]
        if column.null_count and not field.nullable:
            row = column.is_null().to_pylist().index(True)
            raise FieldArchiveError(
                f"{field.name} is missing in {column.null_count} row(s)",
                where=f"{path}, row {row}",
                remedy="Complete the file; see docs/field_data.md for the columns",
            )
    try:
        return table.select(schema.names).cast(schema)
    except pa.ArrowInvalid as error:
        raise FieldArchiveError(
            f"a column has another type than it must have: {error}",
            where=str(path),
            remedy="See docs/field_data.md for the columns and their types",
        ) from error
