"""Files are written whole or not at all; missing packages become a sentence."""

import os

import pytest

from layoutrt.errors import LayoutRTError, require
from layoutrt.files import replacing


def test_a_file_appears_only_when_it_is_whole(tmp_path) -> None:
    with replacing(tmp_path / "new" / "a.png") as temporary:
        temporary.write_bytes(b"whole")
        assert temporary.suffix == ".png"
        assert not (tmp_path / "new" / "a.png").exists()
    assert (tmp_path / "new" / "a.png").read_bytes() == b"whole"
    assert os.listdir(tmp_path / "new") == ["a.png"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def write_half() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LayoutRTError, match=r"cannot write .*file/a\.txt"),
        replacing(tmp_path / "file" / "a.txt"),
    ):
        pass


def test_files_can_be_read_by_others_as_the_umask_says(tmp_path) -> None:
    with replacing(tmp_path / "a") as temporary:
        temporary.touch(0o600)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_missing_package_says_how_to_install_it() -> None:
    sentence = r"export needs the package 'no_such_package', .* pip install 'layoutrt\[train\]'"
    with pytest.raises(LayoutRTError, match=sentence):
        require("no_such_package.part", extra="train", purpose="export")
