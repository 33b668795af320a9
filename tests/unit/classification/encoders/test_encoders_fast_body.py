"""What makes the CNN-BiGRU fast on a CPU changes nothing but rounding."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra neural is not installed")

from agristat_platform.classification.encoders import CnnGru, CropEncoder, Training  # noqa: E402
from agristat_platform.classification.encoders.networks import build_network  # noqa: E402
from agristat_platform.classification.encoders.spectral_convolution import convolve, transforms  # noqa: E402


def test_a_convolution_by_hand():
    series = torch.tensor([1.0, 2.0, 4.0, 8.0]).reshape(4, 1, 1)
    found = convolve(series, torch.tensor([[[1.0, 10.0, 100.0]]]), torch.tensor([0.5]))
    assert found.ravel().tolist() == pytest.approx([210.5, 421.5, 842.5, 84.5], rel=1e-6)


def test_a_convolution_of_23_steps_takes_38_products():
    assert [len(m) for m in transforms(23, 7)] == [38, 38, 23]


@pytest.mark.parametrize(("steps", "taps"), [(1, 1), (2, 3), (5, 7), (22, 5), (23, 7), (36, 9)])
def test_convolutions_and_their_gradients_are_those_of_torch(steps, taps):
    torch.manual_seed(steps)
    series = torch.randn(steps, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, taps, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, requires_grad=True)
    factors = torch.randn(steps, 5, 4, dtype=torch.float64)
    gradients = []
    for fast in (True, False):
        if fast:
            found = convolve(series, weight, bias)
        else:
            found = torch.conv1d(series.permute(2, 1, 0), weight, bias, padding=taps // 2).permute(2, 1, 0)
            torch.testing.assert_close(found, convolve(series, weight, bias), rtol=0, atol=1e-12)
        gradients.append(torch.autograd.grad((found * factors).sum(), (series, weight, bias)))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (CnnGru(), 23),
        (CnnGru(filters=(8, 12), kernel=3, gru_units=5, gru_layers=1, attention_units=7, head_units=4), 6),
        (CnnGru(filters=(6,), kernel=9, gru_units=3, gru_layers=3, dropout=0.0, attention_units=2, head_units=3), 4),
    ],
)
def test_predictions_are_those_of_the_network(settings, steps):
    torch.manual_seed(1)
    network = build_network(settings, steps, 8, 5)
    for name, values in network.state_dict().items():
        if name.endswith(("weight_ih_l0", "weight_hh_l0", "weight_hh_l0_reverse", "project.weight", "score.weight")):
            values.mul_(3)  # gates that are far from linear
        elif name.endswith("running_mean"):
            values.normal_()
        elif name.endswith("running_var"):
            values.uniform_(0.3, 3)
    network.eval()
    series = torch.randn(300, steps, 8) * 2
    with torch.inference_mode():
        expected, found = network.latent(series), network.for_prediction(steps).latent(series)
        assert expected.std() > 0.1
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
        said = network.for_prediction(steps)(series)
        torch.testing.assert_close(torch.softmax(said, 1), torch.softmax(network(series), 1), rtol=0, atol=2e-5)


def test_training_mode_on_a_cpu_normalises_as_conv1d_does():
    torch.manual_seed(2)
    network = build_network(CnnGru(dropout=0.0), 11, 4, 3).train()
    series = torch.randn(16, 11, 4)
    expected = network.body.convolutions(series.transpose(1, 2)).permute(2, 0, 1)
    statistics = [m.running_var.clone() for m in network.modules() if hasattr(m, "running_var")]
    for module in network.modules():
        if hasattr(module, "running_var"):
            module.reset_running_stats()
    torch.testing.assert_close(network.body._convolved(series), expected, rtol=0, atol=1e-4)
    again = [m.running_var for m in network.modules() if hasattr(m, "running_var")]
    torch.testing.assert_close(again, statistics, rtol=1e-4, atol=1e-5)


def test_a_fitted_encoder_gives_the_network_s_probabilities_whatever_the_batch():
    random = np.random.default_rng(3)
    X, y = random.normal(size=(300, 23, 8)), random.integers(0, 4, 300).astype(str)
    encoder = CropEncoder(CnnGru(), Training(epochs=2)).fit(X, y)
    with torch.inference_mode():
        expected = torch.softmax(encoder.network_(torch.from_numpy(encoder.fitted_frame.fill(X))), dim=1)
    found = encoder.predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(encoder.predict_proba(X[:7]), found[:7], atol=1e-6)
