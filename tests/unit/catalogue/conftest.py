"""A copy of the shipped configuration that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    """A copy of `config/`."""
    return Path(shutil.copytree(CONFIG, tmp_path / "checkout" / "config"))


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Write a shipped region file with pieces of its text replaced; every piece must occur."""

    def edit(*replacements: tuple[str, str], region: str = "demo-valley") -> Path:
        text = (CONFIG / "regions" / f"{region}.yaml").read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, f"{old!r} is not in {region}.yaml"
            text = text.replace(old, new, 1)
        path = tmp_path / "edited.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return edit
