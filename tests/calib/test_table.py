"""The calibration table: what it holds, when it is reused, and when it is refused."""

import json

import numpy as np
import pytest

from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.observe.channel_statistics import ChannelStatistics
from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.scales import activation_scale
from layoutrt.calib.observe.table import CalibrationTable, Half, MeasuredTensor, Source, read_table
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set, write_layout

SOURCE = Source("aa", "bb", 12, "minmax", None)


def make_table(half: Half | None = None) -> CalibrationTable:
    channels = ChannelStatistics(*(np.array(values, np.float32) for values in ([-0.1, -2], [1, 3])))
    return CalibrationTable(SOURCE, {"a": MeasuredTensor(Range(-2.0, 3.0), channels, "cc")}, half)


def test_a_table_is_read_as_it_was_written(tmp_path) -> None:
    for half in (None, Half({"a": 3.0}, {"conv": 40.5})):
        table = make_table(half)
        table.save(tmp_path / "table.json")
        found = read_table(tmp_path / "table.json")
        assert (found.source, found.half, found.ranges) == (table.source, half, table.ranges)
        for name in ("low", "high"):
            expected = getattr(table.channels["a"], name)
            np.testing.assert_array_equal(getattr(found.channels["a"], name), expected)
        found.save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "table.json").read_bytes()


def test_a_table_shows_the_scales_of_both_targets() -> None:
    (tensor,) = make_table().to_json()["tensors"].values()
    assert tensor["range"] == [-2.0, 3.0]
    assert tensor["uint8"] == {"scale": pytest.approx(5 / 255), "zero_point": 102}
    assert tensor["int8"]["scale"] == float(activation_scale(Range(-2.0, 3.0)))
    assert (tensor["method"], tensor["histogram_sha256"]) == ("minmax", "cc")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_sha256": "zz"}, "another model"),
        ({"data_sha256": "zz"}, "other data"),
        ({"frames": 5}, "other data"),
        ({"method": "entropy"}, "the method minmax"),
    ],
)
def test_what_makes_another_measurement_is_told(change, words) -> None:
    other = Source(**(vars(SOURCE) | change))
    assert words in str(SOURCE.difference(other))
    assert SOURCE.difference(SOURCE) is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1}', "\x00"])
def test_files_that_are_no_table_are_refused(tmp_path, text) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(LayoutRTError, match="not a calibration table"):
        read_table(path)


def test_a_table_of_a_newer_version_is_refused(tmp_path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(make_table().to_json() | {"format": 99}))
    with pytest.raises(LayoutRTError, match="newer layoutrt"):
        read_table(path)


def test_a_second_run_and_the_other_target_reuse_the_table(tiny_model, layouts, tmp_path) -> None:
    first = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    assert first.table == tmp_path / "model.calibration.json"
    assert not first.table_reused
    before = first.table.read_bytes()
    again = calibrate(tiny_model, str(layouts), tmp_path / "again.onnx", threads=1)
    assert again.table_reused
    assert first.table.read_bytes() == before
    assert again.path.read_bytes() == first.path.read_bytes()
    # The other target measures what FP16 has to hold, once, and leaves the rest as it is.
    for reused in (False, True):
        other = calibrate(tiny_model, str(layouts), tmp_path / "trt.onnx", target="tensorrt", threads=1)
        assert other.table_reused is reused
    assert calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1).table_reused


def test_a_table_decides_even_where_measuring_would_say_otherwise(tiny_model, layouts, tmp_path) -> None:
    first = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    values = json.loads(first.table.read_text())
    for tensor in values["tensors"].values():
        tensor["range"] = [0.0, 1e-3]
    first.table.write_text(json.dumps(values))
    spoiled = calibrate(tiny_model, str(layouts), tmp_path / "spoiled.onnx", threads=1)
    assert spoiled.accuracy_drop.psnr < first.accuracy_drop.psnr - 3
    mended = calibrate(tiny_model, str(layouts), tmp_path / "mended.onnx", recalibrate=True, threads=1)
    assert mended.path.read_bytes() == first.path.read_bytes()


def test_stale_tables_are_refused_and_nothing_is_written(
    tiny_model, tiny_dynamic_model, layouts, tmp_path
) -> None:
    table = tmp_path / "table.json"
    calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", table=table, threads=1)
    more = tmp_path / "more"
    for index in range(2):
        write_layout(
            more / f"{index}.png", Drive(label_set("camvid"), 64, 96).frame(index), label_set("camvid")
        )
    before = table.read_bytes()
    for model, data, options, words in (
        (tiny_dynamic_model, layouts, {}, "another model"),
        (tiny_model, more, {}, "other data"),
        (tiny_model, layouts, {"method": "percentile"}, "the method minmax"),
    ):
        with pytest.raises(LayoutRTError, match=f"{words}.*--recalibrate"):
            calibrate(model, str(data), tmp_path / "other.onnx", table=table, threads=1, **options)
        assert not (tmp_path / "other.onnx").exists()
        assert table.read_bytes() == before
