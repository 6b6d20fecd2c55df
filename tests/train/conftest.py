"""A small data set that the tests of training share."""

from pathlib import Path

import pytest

from tests.support.pairs_on_disk import write_pairs


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data folder with six training and two validation pairs."""
    write_pairs(tmp_path / "data" / "train", 6)
    write_pairs(tmp_path / "data" / "val", 2)
    return tmp_path / "data"
