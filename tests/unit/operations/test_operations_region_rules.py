"""Typos in collections and bands are found when a region file is checked, not in the middle of a run."""

from __future__ import annotations

import pytest

from agristat_platform.catalogue import ConfigurationError, add_region, check_region_file
from agristat_platform.operations.region_rules import imagery_problems


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("sentinel-2-l2a:", "sentinel-2-l2:", 'imagery.collections: got "sentinel-2-l2"; allowed: .*sentinel-2-l2a'),
        ("B08, B11", "B8, B11", 'sentinel-2-l2a.bands: got "B8"; allowed: B01, .*B08.*did you mean'),
        ("survey:", "features: {indices: [ndvi, tc_wet]}\nsurvey:", 'features.indices: got "tc_wet"; .*did you mean'),
        ("survey:", "features: {texture: {layers: [B8]}}\nsurvey:", 'features.texture.layers: got "B8"; allowed: B02'),
        ("survey:", "features: {statistics_of: {lai: [mean]}}\nsurvey:", 'features.statistics_of: got "lai"; .*ndvi'),
        ("survey:", "time_series: {indices: [savi]}\nsurvey:", 'time_series.indices: got "savi"; allowed: ndvi, .*lai'),
        ("survey:", "time_series: {channels: [ndvi, B11]}\nsurvey:", "time_series.channels: .*'B11'.*as swir16"),
        ("B12, SCL]}", "B12, SCL], orbits: descending}", "sentinel-2-l2a.orbits: only radar is kept by the direction"),
        ("  min_pixels: 20", "  layers: [ndvi, B8A]", 'segmentation.layers: got "B8A"; allowed: B02, .*ndvi'),
    ],
)
def test_a_typo_in_imagery_is_one_line_and_nothing_is_added(right, wrong, problem, repository, tmp_path):
    text = (repository / "config/regions/demo-valley.yaml").read_text()
    assert right in text
    path = tmp_path / "new.yaml"
    path.write_text(text.replace("code: demo-valley", "code: new").replace(right, wrong))
    (line,) = check_region_file(path, repository / "config", env={}, rule=imagery_problems)
    with pytest.raises(ConfigurationError, match=problem):
        add_region(path, repository / "config", env={}, rule=imagery_problems)
    assert line.startswith(str(path))
    assert not (repository / "config/regions/new.yaml").exists()


def test_shipped_regions_ask_for_what_can_be_read(repository):
    for path in sorted((repository / "config/regions").glob("*.yaml")):
        assert check_region_file(path, repository / "config", env={}, rule=imagery_problems) == []
