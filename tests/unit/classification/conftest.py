import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import Crop, CropNomenclature
from agristat_platform.classification import TrainingSet, spatial_blocks


@pytest.fixture(scope="session")
def nomenclature() -> CropNomenclature:
    crops = [("WHE", 1, "#e0b040"), ("BAR", 2, "#f2dc7a"), ("MAI", 5, "#ff7f00"), ("GRA", 8, "#b8d9a0")]
    return CropNomenclature(
        code="test",
        title={"en": "Test"},
        crops=[
            Crop(code=c, class_id=i, name={"en": c.title()}, cultivated=c != "GRA", colour=col) for c, i, col in crops
        ],
    )


@pytest.fixture(scope="session")
def training_set() -> TrainingSet:
    """240 samples of three crops whose first features differ; one feature in ten is missing, one altogether."""
    random = np.random.default_rng(11)
    n, features = 240, 20
    y = random.choice(["WHE", "BAR", "MAI"], n, p=[0.5, 0.3, 0.2])
    X = random.normal(size=(n, features)).astype(np.float32)
    for k, code in enumerate(("WHE", "BAR", "MAI")):
        X[y == code, 2 * k : 2 * k + 3] += 2.0
    X[random.random(X.shape) < 0.1] = np.nan
    X[:, 7] = np.nan
    x, north = random.random((2, n)) * 5000
    names = [f"L{i:03d}" for i in range(n)]
    squares = shapely.box(x, north, x + 1, north + 1)
    return TrainingSet(
        X=X,
        y=y,
        groups=spatial_blocks(x, north, block_size_m=1000),
        feature_names=tuple(f"f{j:02d}" for j in range(features)),
        label_ids=np.array(names),
        segment_ids=np.arange(1, n + 1),
        weights=np.ones(n),
        places=pa.table({"label_id": names, "parcel_id": names, "geometry": list(shapely.to_wkb(squares))}),
    )
