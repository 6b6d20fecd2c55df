"""What calibration's tests share: CamVid layouts that the drive draws, as files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import label_set, write_layout


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three layouts, 64x96."""
    folder = tmp_path_factory.mktemp("layouts")
    drive = Drive(label_set("camvid"), 64, 96)
    for index in (0, 40, 80):
        write_layout(folder / f"{index:03}.png", drive.frame(index), label_set("camvid"))
    return folder


@pytest.fixture
def write_constant(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a folder of one layout, 64x96, of a single class."""

    def write(label: int) -> Path:
        folder = tmp_path / f"constant_{label}"
        labels = np.full((64, 96), label, np.uint8)
        write_layout(folder / "layout.png", labels, label_set("camvid"))
        return folder

    return write
