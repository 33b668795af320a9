"""Where a region's segments come from, as its file says."""

import pytest
from pydantic import ValidationError

from agristat_platform.catalogue import Region, SegmentationSettings, load_catalogue, load_settings


def test_segments_are_cut_out_of_imagery_unless_a_register_is_named():
    assert SegmentationSettings().source == "segmentation"
    chosen = SegmentationSettings(source="register", file="{home}/parcels_{season}.parquet")
    assert (chosen.id_column, chosen.invalid, chosen.file_layer) == ("id", "repair", None)


def test_a_register_and_its_file_go_together():
    with pytest.raises(ValidationError, match="source is register, but no file is named"):
        SegmentationSettings(source="register")
    with pytest.raises(ValidationError, match="a file of parcels is named, but source is segmentation"):
        SegmentationSettings(file="parcels.gpkg")


def test_options_belong_to_a_method():
    grown = SegmentationSettings(method="region_growing", min_pixels=9, connectivity=8)
    assert (SegmentationSettings().method, grown.min_pixels, grown.connectivity) == ("shepherd", 9, 8)
    with pytest.raises(ValidationError, match="region_growing has no max_clump_pixels and no n_clusters"):
        SegmentationSettings(method="region_growing", n_clusters=61, max_clump_pixels=5)
    assert SegmentationSettings.model_validate(grown.model_dump()) == grown
    with pytest.raises(ValidationError, match="Input should be 4 or 8"):
        SegmentationSettings(connectivity=6)
    with pytest.raises(ValidationError, match="shepherd"):
        SegmentationSettings(method="watershed")


def test_a_reference_is_a_file_or_the_simulation():
    assert SegmentationSettings().reference is None
    assert SegmentationSettings(reference="parcels.gpkg", reference_layer="p").reference_layer == "p"
    for reference in (None, "simulation"):
        with pytest.raises(ValidationError, match="reference_layer names a layer, but reference no file"):
            SegmentationSettings(reference=reference, reference_layer="p")


def test_only_simulated_regions_have_true_parcels(repository):
    catalogue = load_catalogue(load_settings(repository / "config"))
    real, demo = (catalogue.region(code).model_dump(by_alias=True) for code in ("sn-nioro", "demo-valley"))
    demo["segmentation"] = real["segmentation"] = {"reference": "simulation"}
    assert Region.model_validate(demo).segmentation.reference == "simulation"
    with pytest.raises(ValidationError, match=r"segmentation\.reference simulation is for simulated regions"):
        Region.model_validate(real)
