"""Models by name and by file."""

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.models import DEFAULT_GENERATOR, resolve_model, shipped_models


@pytest.fixture
def one_shipped_model(tmp_path, monkeypatch):
    """A package that ships one model, ``street``."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "street.onnx").write_bytes(b"model")
    (folder / "street.md").write_text("card")
    monkeypatch.setattr("layoutrt.models._folder", lambda: folder)
    return folder


def test_every_shipped_model_has_a_card_and_the_default_generator_is_one():
    assert DEFAULT_GENERATOR in shipped_models()
    for name in shipped_models():
        assert resolve_model(name).with_suffix(".md").is_file(), name


def test_a_shipped_model_is_found_by_name(one_shipped_model):
    assert shipped_models() == ["street"]
    assert resolve_model("street") == one_shipped_model / "street.onnx"


def test_a_file_is_found_by_its_path_and_a_shipped_name_wins_over_a_file(
    one_shipped_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("street", "own.onnx"):
        (tmp_path / name).write_bytes(b"other")
    assert resolve_model("own.onnx").read_bytes() == b"other"
    assert resolve_model("street").read_bytes() == b"model"
    assert resolve_model("./street").read_bytes() == b"other"


def test_an_unknown_name_is_answered_with_the_known_ones(one_shipped_model):
    with pytest.raises(LayoutRTError, match=r"no model 'strete'.*\(street\)"):
        resolve_model("strete")


def test_a_checkpoint_is_answered_with_the_command_that_exports_it(tmp_path):
    path = tmp_path / "generator.safetensors"
    path.write_bytes(b"")
    with pytest.raises(LayoutRTError, match=f"layoutrt export {path} --out"):
        resolve_model(path)
