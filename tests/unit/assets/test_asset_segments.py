"""Segments as an asset: what is refused before the work, the part of a large region that is shown, links that are missing."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from affine import Affine

from agristat_platform import features, imagery, segmentation
from agristat_platform.catalogue import Grid, load_catalogue, load_settings
from assets import segment_sources, segments
from assets.errors import RegionTooLargeError

GRID = Grid("EPSG:32630", Affine(10, 0, 500_000, 0, -10, 4_600_000), 12, 8)


@pytest.fixture
def region(repository, tmp_path):
    """The demo region with other settings of segmentation."""
    catalogue = load_catalogue(load_settings(repository / "config", env={"AGRISTAT_HOME": str(tmp_path)}))

    def make(**settings):
        demo = catalogue.region("demo-valley")
        return demo.model_copy(update={"segmentation": demo.segmentation.model_copy(update=settings)})

    return make


def test_region_growing_is_refused_where_memory_would_not_do(region, monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 20_000}
    monkeypatch.setattr(segment_sources.os, "sysconf", pages.__getitem__)
    composites = SimpleNamespace(table=lambda name: pa.table({"interval": [0, 1, 1, 2, 3, 4, 5]}))
    grown = region(method="region_growing", max_intervals=4)
    with pytest.raises(RegionTooLargeError, match=r"in 12 layers takes up to 0\.1 GiB, .*0\.1 GiB.*to shepherd"):
        segment_sources.from_imagery(grown, composites, None, print)
    pages["SC_PHYS_PAGES"] = 1_000_000
    segment_sources._require_memory(grown, composites.table("layers"))


@pytest.fixture
def composites(tmp_path):
    """Two bands in two intervals, in a file each, on the demo region's grid cut to 60 × 40 pixels, some pixels missing."""
    rng = np.random.default_rng(5)
    rows = []
    fields = np.kron(rng.integers(500, 4000, (2, 4, 6)), np.ones((1, 10, 10), int))
    for interval in (1, 2):
        values = (fields + 300 * interval + rng.integers(0, 200, fields.shape)).astype(np.uint16)
        values[:, :7, :9] = 0
        values[:, 20 * (interval - 1) :, 50:] = 0
        with rasterio.open(
            tmp_path / f"t{interval}.tif", "w", driver="GTiff", height=40, width=60, count=2, dtype="uint16",
            transform=GRID.transform,
        ) as dataset:  # fmt: skip
            dataset.write(values)
        for index, band in enumerate(("B04", "B08"), start=1):
            row = {field.name: None if field.nullable else 0 for field in imagery.LAYERS_SCHEMA}
            row |= dict.fromkeys(("unit", "statistic"), "median")
            row |= {"file": f"t{interval}.tif", "band_index": index, "collection": "sentinel-2-l2a", "band": band}
            row |= {"layer": band, "interval": interval, "scale": 1e-4, "valid_share": 0.9}
            rows.append(row)
    table = pa.Table.from_pylist(rows, schema=imagery.LAYERS_SCHEMA)
    return SimpleNamespace(table=lambda name: table, path=lambda name: tmp_path / name)


@pytest.mark.parametrize("options", [{}, {"connectivity": 8, "max_clump_pixels": 30}, {"method": "region_growing"}])
def test_segments_of_strips_are_those_of_the_image(region, composites, options, tmp_path, monkeypatch):
    grid = Grid(GRID.crs, GRID.transform, 60, 40)
    monkeypatch.setattr("agristat_platform.catalogue.Region.grid", lambda self: grid)
    shepherd = {"method": "shepherd", "n_clusters": 8, "max_intervals": 4, "reference": None}
    chosen = region(**{**shepherd, "layers": ("ndvi", "B08"), "min_pixels": 12, **options})
    said = []
    made = segment_sources.from_imagery(chosen, composites, tmp_path / "scratch", lambda *words: said.append(words))

    read = lambda row: imagery.read_layer(composites.path(row["file"]), row)  # noqa: E731
    whole = features.layer_image(composites.table("layers"), read, ("ndvi", "B08"), max_intervals=4)
    if options.get("method"):
        expected = segmentation.segment_by_region_growing(whole.image, nodata=features.NODATA, min_pixels=12)
        assert made.parameters["method"] == "region growing"
    else:
        expected = segmentation.segment_image(
            whole.image, nodata=features.NODATA, min_pixels=12, n_clusters=8, seed=1, **options
        )
        assert made.seeds == {"k_means": 1}
        assert made.parameters["max_clump_pixels"] == options.get("max_clump_pixels")
    assert (made.labels == expected.labels).all()
    assert made.labels.max() > 5
    table = segmentation.segment_polygons(made.labels, grid.transform, grid.crs)
    assert pa.concat_tables(list(made.portions)).equals(table)
    assert made.schema.equals(table.schema, check_metadata=True)
    assert made.metadata["gap_filled_share"] == whole.filled_share > 0
    assert list((tmp_path / "scratch").iterdir()) == []
    assert said


def test_a_large_region_is_shown_where_it_is_fullest():
    labels = np.zeros((2000, 1500), np.uint32)
    labels[700:1200, 660:1200] = 5
    assert segments._fullest_part(labels) == (slice(640, 1280), slice(640, 1280))
    labels[:] = 1  # as full everywhere: near the middle
    rows, cols = segments._fullest_part(labels)
    assert (rows, cols) == (slice(640, 1280), slice(640, 1280))
    narrow = np.ones((100, 5000), np.uint32)
    assert segments._fullest_part(narrow) == (slice(0, 100), slice(1920, 2560))


def test_segments_of_another_grid_are_a_failed_check_and_leave_keys_of_their_own(region, tmp_path):
    labels = np.arange(1, 97, dtype=np.uint32).reshape(8, 12)
    before, now = tmp_path / "before.tif", tmp_path / "now.tif"
    segmentation.write_labels(now, labels, GRID)
    segmentation.write_labels(before, labels[:, :6].copy(), Grid(GRID.crs, GRID.transform, 6, 8))
    previous = SimpleNamespace(path=lambda name: before, partition="demo-valley|2022-10")
    links = segments._links(region(), previous, now)
    assert links.table is None
    assert links.problem
    assert links.said.startswith("No links: every parcel counts as seen for the first time.")

    first = segments._links(region(), None, now)
    assert (first.table, first.problem) == (None, None)
    segmentation.write_labels(before, labels, GRID)
    linked = segments._links(region(), previous, now)
    assert (linked.problem, linked.said) == (None, "linked with demo-valley|2022-10")
    assert linked.table["relation"].to_pylist() == ["same"] * 96


def test_a_low_agreement_is_named_and_does_not_block():
    named = {"purity": 0.9, "completeness": 0.3, "over_segmentation": 0.7, "under_segmentation": 0.1, "n_parcels": 12}
    low = segments._agreement_check(SimpleNamespace(overall=SimpleNamespace(f=0.45, **named)))
    assert not low.passed
    assert low.severity.value == "WARN"
    assert low.description.startswith("F 0.450 against 12 reference parcels (purity 0.900")
    assert segments._agreement_check(SimpleNamespace(overall=SimpleNamespace(f=0.6, **named))).passed
    assert segments._agreement_check(None).passed


def test_what_is_left_out_of_the_agreement_is_shown():
    agreement = SimpleNamespace(
        overall=SimpleNamespace(f=0.7),
        by_size=pa.table({"size_class": ["all"], "f": [0.7]}),
        left_out={"parcels_off_grid": 3},
    )
    shown = segments._agreement_shown(agreement, SimpleNamespace(source="parcels of a.gpkg"))
    assert shown["reference"] == "parcels of a.gpkg"
    assert "| parcels off grid | 3 |" in shown["left_out_of_agreement"].value
