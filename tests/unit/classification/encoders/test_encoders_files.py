"""Encoder files give the same predictions back, refuse what was changed, and export to ONNX with equal answers."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agristat_platform.classification.encoders import (
    CnnGru,
    CropEncoder,
    Ltae,
    TempCnn,
    Training,
    export_onnx,
    load_encoder,
    save_encoder,
)
from agristat_platform.classification.errors import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
    NotFittedError,
)

pytest.importorskip("torch", reason="the extra neural is not installed")

RANDOM = np.random.default_rng(1)
SERIES = 3000 + 500 * RANDOM.normal(size=(40, 9, 3))
LABELS = ["BAR", "MAI", "WHE", "ñame"] * 10


def _fit(architecture: Any, support: bool = False) -> CropEncoder:
    encoder = CropEncoder(architecture, Training(epochs=2, batch=16), support=support, seed=3)
    return encoder.fit(SERIES, LABELS, np.arange(40) % 8)


@pytest.fixture(scope="module")
def encoder() -> CropEncoder:
    return _fit(Ltae(width=16, heads=4, latent_units=16, head_units=8))


@pytest.mark.parametrize("architecture", [CnnGru(gru_units=8, filters=(8,)), TempCnn(filters=(8,)), Ltae()])
def test_a_saved_encoder_predicts_the_same_bytes(architecture, tmp_path: Path) -> None:
    saved = _fit(architecture, support=True)
    save_encoder(saved, tmp_path / "a")
    loaded = load_encoder(tmp_path / "a")
    assert (loaded.predict_proba(SERIES) == saved.predict_proba(SERIES)).all()
    assert loaded.classes_.tolist() == saved.classes_.tolist()
    assert loaded.history_ == saved.history_
    assert loaded.settings == saved.settings
    save_encoder(loaded, tmp_path / "b")
    for name in ("encoder.json", "encoder.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_any_changed_byte_is_found(encoder, tmp_path: Path) -> None:
    for path in save_encoder(encoder, tmp_path):
        content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 60)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises((ModelFileTamperedError, ModelFormatVersionError), match=path.name):
                load_encoder(tmp_path)
        path.write_bytes(content)
    load_encoder(tmp_path)


def _rewrite(path: Path, change: Any) -> None:
    """Change a description and seal it again, as an author with intent would."""
    body = json.loads(path.read_text())
    del body["description_sha256"]
    change(body)

    def text(values: Any) -> bytes:
        return (json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    path.write_bytes(text({**body, "description_sha256": hashlib.sha256(text(body)).hexdigest()}))


@pytest.mark.parametrize("key", ["classes", "architecture", "training", "centre", "steps", "tensors_sha256", "history"])
def test_a_missing_key_is_named(encoder, tmp_path: Path, key) -> None:
    description, _ = save_encoder(encoder, tmp_path)
    _rewrite(description, lambda body: body.pop(key))
    with pytest.raises(ModelFileTamperedError, match=r"missing|sha256"):
        load_encoder(tmp_path)


def test_weights_of_another_network_are_refused(encoder, tmp_path: Path) -> None:
    description, _ = save_encoder(encoder, tmp_path)
    _rewrite(description, lambda body: body["architecture"].update(head_units=9))
    with pytest.raises(ModelFileTamperedError, match="don't make the network"):
        load_encoder(tmp_path)


def test_another_version_and_missing_files_are_named(encoder, tmp_path: Path) -> None:
    description, tensors = save_encoder(encoder, tmp_path)
    _rewrite(description, lambda body: body.update(format_version=2))
    with pytest.raises(ModelFormatVersionError, match="2"):
        load_encoder(tmp_path)
    save_encoder(encoder, tmp_path)
    tensors.unlink()
    with pytest.raises(ModelFileMissingError, match=r"encoder\.safetensors"):
        load_encoder(tmp_path)
    with pytest.raises(NotFittedError):
        save_encoder(CropEncoder(), tmp_path)


@pytest.mark.parametrize("architecture", [CnnGru(), TempCnn(), Ltae()])
@pytest.mark.parametrize("support", [False, True])
def test_an_exported_encoder_gives_the_same_probabilities(architecture, support, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra neural is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra test is not installed")
    encoder = _fit(architecture, support)
    path = export_onnx(encoder, tmp_path / "encoder.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["encoder.onnx"]
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    series = SERIES.copy()
    series[RANDOM.random(series.shape) < 0.3] = np.nan
    found = session.run(["probabilities"], {"series": encoder.fitted_frame.fill(series)})[0]
    assert np.abs(found - encoder.predict_proba(series)).max() < 1e-5
