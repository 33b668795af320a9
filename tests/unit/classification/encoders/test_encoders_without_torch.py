"""What holds without torch: settings, checks, held-out places, and the error that names the extra."""

import subprocess
import sys

import numpy as np
import pytest

from agristat_platform.classification.encoders import CnnGru, Ltae, SeriesShapeError, TempCnn, Training
from agristat_platform.classification.encoders.settings import architecture_from_json, as_json
from agristat_platform.classification.encoders.training_samples import hold_out_places, make_frame
from agristat_platform.classification.errors import InvalidSettingsError

_WITHOUT = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
import numpy as np
from agristat_platform.classification.encoders import CropEncoder, TorchMissingError
try:
    CropEncoder().fit(np.zeros((6, 4, 2)), list("aaabbb"))
except TorchMissingError as error:
    assert "neural" in str(error), error
    print("named")
"""


def test_torch_absent_is_named_with_the_extra_to_install() -> None:
    found = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "named"


def test_importing_encoders_does_not_import_torch() -> None:
    code = "import sys, agristat_platform.classification.encoders; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("architecture", [CnnGru(kernel=5), TempCnn(domain_units=(8,)), Ltae(width=64)])
def test_architectures_come_back_from_json(architecture: CnnGru | TempCnn | Ltae) -> None:
    assert architecture_from_json(as_json(architecture)) == architecture


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: CnnGru(kernel=4), "kernel"),
        (lambda: TempCnn(dropout=1.0), "dropout"),
        (lambda: TempCnn(filters=(64, 0)), "filters"),
        (lambda: Ltae(width=100), "width"),
        (lambda: Training(class_weights="heavy"), "class_weights"),
        (lambda: Training(shift_amplitude=-1.0), "shift_amplitude"),
        (lambda: Training(batch=1), "batch"),
        (lambda: architecture_from_json({"kind": "transformer"}), "transformer"),
    ],
)
def test_settings_out_of_range_are_named(make, named) -> None:
    with pytest.raises(InvalidSettingsError, match=named):
        make()


def test_places_are_held_out_whole_and_every_class_stays_in_training() -> None:
    random = np.random.default_rng(3)
    place, label = random.integers(0, 50, 600), random.integers(0, 5, 600)
    place[label == 4] = 7  # a class at one place
    held_out = hold_out_places(label, place, 0.2, seed=1)
    assert not set(place[held_out]) & set(place[~held_out])
    assert set(label[~held_out]) == set(range(5))
    shares = np.bincount(label, weights=held_out, minlength=5)[:4] / np.bincount(label)[:4]
    assert (np.abs(shares - 0.2) < 0.1).all()


def test_nothing_is_held_out_at_a_single_place() -> None:
    assert not hold_out_places(np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, np.int64), 0.2, seed=0).any()


def test_gaps_are_filled_from_the_series_itself_and_support_is_known() -> None:
    series = np.array([[[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]], [[5.0, 4.0], [5.0, 4.0], [5.0, 4.0]]])
    frame = make_frame(series, support=True)
    # Channel 0: 1, 3, 5, 5, 5; channel 1: 4 thrice.
    assert frame.centre == pytest.approx([3.8, 4.0])
    assert frame.scale == pytest.approx([1.6, 1.0])
    filled = frame.fill(series)
    assert filled[0].tolist() == [[1, 4, 0.5], [2, 4, 0], [3, 4, 0.5]]
    assert (frame.fill(series[:1]) == filled[:1]).all()


def test_another_shape_is_named() -> None:
    frame = make_frame(np.zeros((4, 3, 2)), support=False)
    with pytest.raises(SeriesShapeError, match=r"3 steps × 3 channels.*3 × 2"):
        frame.check(np.zeros((1, 3, 3)))
    with pytest.raises(SeriesShapeError, match=r"shape \(4, 3\)"):
        frame.check(np.zeros((4, 3)))
    with pytest.raises(SeriesShapeError, match="no numbers"):
        frame.check([[["a"]]])
