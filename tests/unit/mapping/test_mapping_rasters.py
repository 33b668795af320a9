"""Classes of segments, the crop map's files, counts and picture."""

import json
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
import rasterio

from agristat_platform.classification import CropEnsemble, EnsembleSettings, FeatureMismatchError
from agristat_platform.mapping import (
    CLASSIFIED_SCHEMA,
    RasterUnreadableError,
    SegmentWithoutClassError,
    UnmappableClassError,
    classify_segments,
    crop_map_png,
    pixel_counts,
    write_crop_map,
)

SETTINGS = EnsembleSettings(trees=10, networks=1, max_epochs=5)


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(2)
    y = np.array(["WHE", "MAI", "GRA"] * 20)
    X = random.normal(size=(60, 4)).astype(np.float32) + 3 * (y[:, None] == np.array(["WHE", "MAI", "GRA", "WHE"]))
    return CropEnsemble(SETTINGS).fit(X, y, feature_names=["a", "b", "c", "d"])


def features(values: np.ndarray) -> pa.Table:
    columns = {name: pa.array(values[:, j], from_pandas=True) for j, name in enumerate("abcd")}
    return pa.table({"segment_id": np.arange(1, len(values) + 1, dtype=np.uint32), **columns})


def classified(*rows: tuple[int, str | None, int, float | None]) -> pa.Table:
    columns = ("segment_id", "crop_code", "class_id", "confidence")
    empty = {"second_crop_code": None, "second_probability": None}
    return pa.Table.from_pylist(
        [dict(zip(columns, row, strict=True)) | empty for row in rows], schema=CLASSIFIED_SCHEMA
    )


def with_second(table: pa.Table, codes: list[str | None], probabilities: list[float | None]) -> pa.Table:
    for name, values in (("second_crop_code", codes), ("second_probability", probabilities)):
        position = table.schema.get_field_index(name)
        field = table.schema.field(position)
        table = table.set_column(position, field, pa.array(values, field.type))
    return table


def test_classes_confidence_and_runner_up(model, nomenclature):
    values = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    table = classify_segments(model, features(values), nomenclature)
    probabilities = np.sort(model.predict_proba(values), axis=1)
    assert table.schema.equals(CLASSIFIED_SCHEMA)
    assert table["crop_code"].to_pylist() == model.predict(values).tolist()
    np.testing.assert_allclose(table["confidence"], probabilities[:, -1], rtol=1e-6)
    np.testing.assert_allclose(table["second_probability"], probabilities[:, -2], rtol=1e-6)
    assert all(a != b for a, b in zip(table["crop_code"], table["second_crop_code"], strict=True))
    assert table["class_id"].to_pylist() == [nomenclature.class_ids[c] for c in table["crop_code"].to_pylist()]


def test_batches_change_nothing(model, nomenclature):
    table = features(np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32))
    assert classify_segments(model, table, nomenclature, batch=7).equals(classify_segments(model, table, nomenclature))


def test_a_segment_without_features_has_no_class(model, nomenclature):
    values = np.array([[np.nan] * 4, [1, np.nan, np.nan, np.nan]], dtype=np.float32)
    rows = classify_segments(model, features(values), nomenclature).to_pylist()
    assert (rows[0]["crop_code"], rows[0]["class_id"], rows[0]["confidence"]) == (None, 0, None)
    assert rows[1]["class_id"] > 0


def test_no_segments_give_an_empty_table(model, nomenclature):
    assert classify_segments(model, features(np.empty((0, 4), np.float32)), nomenclature).num_rows == 0


def test_missing_columns_and_unknown_crops_are_named(model, nomenclature):
    with pytest.raises(FeatureMismatchError, match="missing: c"):
        classify_segments(model, features(np.zeros((1, 4))).drop_columns(["c"]), nomenclature)
    other = CropEnsemble(SETTINGS).fit(np.eye(4), ["WHE", "RYE", "WHE", "RYE"])
    with pytest.raises(UnmappableClassError, match="RYE"):
        classify_segments(other, features(np.zeros((1, 4))), nomenclature)


SEGMENTS = np.array([[1, 1, 2], [0, 3, 2]], dtype=np.uint32)
CLASSES = classified((1, "WHE", 1, 0.974), (2, "GRA", 8, 0.5), (3, None, 0, None))


def test_map_and_confidence_by_hand(write_raster, nomenclature, tmp_path):
    files = write_crop_map(write_raster(SEGMENTS), CLASSES, nomenclature, tmp_path / "map", simulated=True)
    with rasterio.open(files.crop_map) as crop_map:
        assert crop_map.read(1).tolist() == [[1, 1, 8], [0, 0, 8]]
        assert (crop_map.nodata, crop_map.dtypes[0], crop_map.crs.to_epsg()) == (0, "uint8", 32630)
        assert crop_map.colormap(1)[8] == (0xB8, 0xD9, 0xA0, 255)
        assert crop_map.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert json.loads(crop_map.tags()["CLASS_CODES"]) == {"1": "WHE", "5": "MAI", "8": "GRA"}
        assert crop_map.tags()["CLASS_5"] == "MAI Mai"
        assert crop_map.tags()["AGRISTAT_SIMULATED"] == "YES"
    with rasterio.open(files.confidence) as confidence:
        assert confidence.read(1).tolist() == [[97, 97, 50], [255, 255, 50]]
        assert confidence.nodata == 255
    names = ["crop_confidence.tif", "crop_map.tif", "second_crop.tif", "second_probability.tif"]
    tables = ["crop_map.tif.aux.xml", "second_crop.tif.aux.xml"]
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == sorted(names + tables)


def test_the_attribute_table_beside_a_class_map_by_hand(write_raster, nomenclature, tmp_path):
    files = write_crop_map(write_raster(SEGMENTS), CLASSES, nomenclature, tmp_path / "map")
    for raster in (files.crop_map, files.second_crop):
        root = ElementTree.parse(f"{raster}.aux.xml").getroot()
        table = root.find("PAMRasterBand[@band='1']/GDALRasterAttributeTable")
        columns = [column.findtext("Name") for column in table.iter("FieldDefn")]
        rows = [[cell.text for cell in row.iter("F")] for row in table.iter("Row")]
        assert columns == ["Value", "Code", "Class", "Cultivated", "Red", "Green", "Blue"]
        assert rows == [
            ["1", "WHE", "Whe", "1", "224", "176", "64"],
            ["5", "MAI", "Mai", "1", "255", "127", "0"],
            ["8", "GRA", "Gra", "0", "184", "217", "160"],
        ]
    with rasterio.open(files.crop_map) as crop_map:
        assert crop_map.read(1).tolist() == [[1, 1, 8], [0, 0, 8]]
        assert crop_map.colormap(1)[8] == (0xB8, 0xD9, 0xA0, 255)


def test_second_class_and_its_probability_by_hand(write_raster, nomenclature, tmp_path):
    table = with_second(CLASSES, ["GRA", "MAI", None], [0.02, 0.305, None])
    files = write_crop_map(write_raster(SEGMENTS), table, nomenclature, tmp_path / "map", simulated=True)
    with rasterio.open(files.second_crop) as second, rasterio.open(files.second_probability) as probability:
        assert second.read(1).tolist() == [[8, 8, 5], [0, 0, 5]]
        assert probability.read(1).tolist() == [[2, 2, 30], [255, 255, 30]]
        assert second.colormap(1)[5] == (0xFF, 0x7F, 0x00, 255)
        assert (second.nodata, probability.nodata) == (0, 255)
        assert second.tags()["MEANING"] == "second class"
        assert probability.tags()["AGRISTAT_SIMULATED"] == "YES"
        assert {raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] for raster in (second, probability)} == {"COG"}
    strange = with_second(CLASSES, ["RYE", None, None], [0.1, None, None])
    with pytest.raises(UnmappableClassError, match="second classes RYE"):
        write_crop_map(write_raster(SEGMENTS), strange, nomenclature, tmp_path / "map")


def test_equal_input_gives_equal_bytes_over_many_blocks(write_raster, nomenclature, tmp_path):
    random = np.random.default_rng(0)
    segments = np.repeat(np.repeat(random.integers(0, 4, (40, 44), dtype=np.uint32), 30, axis=0), 30, axis=1)
    path = write_raster(segments)
    first, second = (write_crop_map(path, CLASSES, nomenclature, tmp_path / name) for name in ("one", "two"))
    assert first.crop_map.read_bytes() == second.crop_map.read_bytes()
    assert first.confidence.read_bytes() == second.confidence.read_bytes()
    with rasterio.open(first.crop_map) as crop_map:
        np.testing.assert_array_equal(crop_map.read(1), np.array([0, 1, 8, 0])[segments])


@pytest.mark.parametrize("segment", [4, 2])
def test_an_unclassified_segment_is_named_and_nothing_is_left(segment, write_raster, nomenclature, tmp_path):
    source = write_raster(np.full((3, 3), segment, dtype=np.uint32))
    table = classified((1, "WHE", 1, 0.9), (3, "WHE", 1, 0.9))
    with pytest.raises(SegmentWithoutClassError, match=f"such as {segment}"):
        write_crop_map(source, table, nomenclature, tmp_path / "map")
    assert list((tmp_path / "map").iterdir()) == []


def test_a_failed_write_leaves_the_old_map(write_raster, nomenclature, tmp_path):
    files = write_crop_map(write_raster(SEGMENTS), CLASSES, nomenclature, tmp_path / "map")
    before = files.crop_map.read_bytes(), files.confidence.read_bytes()
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes((tmp_path / "raster.tif").read_bytes()[:60])
    with pytest.raises(RasterUnreadableError, match=r"damaged\.tif"):
        write_crop_map(damaged, CLASSES, nomenclature, tmp_path / "map")
    assert (files.crop_map.read_bytes(), files.confidence.read_bytes()) == before


def test_pixel_counts_by_hand_are_no_estimate(write_raster, nomenclature, tmp_path):
    files = write_crop_map(write_raster(SEGMENTS), CLASSES, nomenclature, tmp_path)
    table = pixel_counts(files.crop_map)
    assert table["crop_code"].to_pylist() == ["WHE", "MAI", "GRA"]
    assert pixel_counts(files.crop_map, nomenclature).equals(table)
    assert table["pixels"].to_pylist() == [2, 0, 2]
    assert table["area_ha"].to_pylist() == [0.02, 0.0, 0.02]
    assert set(table["is_estimate"].to_pylist()) == {False}
    assert b"not an estimate" in table.schema.metadata[b"note"]


def test_counting_something_else_is_an_error(write_raster, tmp_path):
    with pytest.raises(RasterUnreadableError, match="not a crop map"):
        pixel_counts(write_raster(SEGMENTS))
    with pytest.raises(RasterUnreadableError, match=r"nothing\.tif"):
        pixel_counts(tmp_path / "nothing.tif")
    strange = write_raster(np.array([[7]], np.uint8), "strange.tif", {"CLASS_CODES": '{"1": "WHE"}'})
    with pytest.raises(UnmappableClassError, match="values 7"):
        pixel_counts(strange)


def test_picture_is_small_and_repeatable(write_raster, nomenclature, tmp_path):
    files = write_crop_map(write_raster(SEGMENTS), CLASSES, nomenclature, tmp_path)
    picture = crop_map_png(files.crop_map, nomenclature, simulated=True)
    width, height = (int.from_bytes(picture[i : i + 4], "big") for i in (16, 20))
    assert max(width, height) <= 700
    assert picture == crop_map_png(files.crop_map, nomenclature, simulated=True)
    assert picture != crop_map_png(files.crop_map, nomenclature)
