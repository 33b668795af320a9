"""Which columns of the wide table a model reads."""

import pyarrow as pa
import pytest

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.feature_columns import feature_matrix
from agristat_platform.features import HISTORY_PREFIX

TABLE = pa.table(
    {
        "segment_id": pa.array([4, 2], pa.uint32()),
        "ndvi_t01_mean": pa.array([0.5, None], pa.float32()),
        f"{HISTORY_PREFIX}y1_share_whe": pa.array([1.0, 0.0], pa.float32()),
        "code": pa.array([1, 2], pa.int32()),
    }
)


def test_crops_of_past_seasons_are_read_only_when_asked_for():
    X, names, ids = feature_matrix(TABLE, identifier="segment_id")
    assert names == ("ndvi_t01_mean",)
    assert X[0, 0] == 0.5
    assert ids.tolist() == [4, 2]
    X, names, _ = feature_matrix(TABLE, identifier="segment_id", use_history=True)
    assert names == ("ndvi_t01_mean", "history_y1_share_whe")
    assert X[:, 1].tolist() == [1.0, 0.0]


def test_a_table_of_nothing_but_history_has_no_features():
    with pytest.raises(FeatureMismatchError, match="no floating-point column"):
        feature_matrix(TABLE.select(["segment_id", "history_y1_share_whe"]), identifier="segment_id")
