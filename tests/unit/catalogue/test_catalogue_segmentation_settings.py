"""Where a region's segments come from, as its file says."""

import pytest
from pydantic import ValidationError

from agristat_platform.catalogue import SegmentationSettings


def test_segments_are_cut_out_of_imagery_unless_a_register_is_named():
    assert SegmentationSettings().source == "segmentation"
    chosen = SegmentationSettings(source="register", file="{home}/parcels_{season}.parquet")
    assert (chosen.id_column, chosen.invalid, chosen.file_layer) == ("id", "repair", None)


def test_a_register_and_its_file_go_together():
    with pytest.raises(ValidationError, match="source is register, but no file is named"):
        SegmentationSettings(source="register")
    with pytest.raises(ValidationError, match="a file of parcels is named, but source is segmentation"):
        SegmentationSettings(file="parcels.gpkg")
