"""Calibration as a whole: the same files every time, its measured accuracy drop, and what it refuses."""

import json
from pathlib import Path
from shutil import copy

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from layoutrt.artifacts.info import describe
from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.observe.table import read_table
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.runtime.session import Session


def scales_of(path) -> list[float]:
    """All scales of a quantized model."""
    model = onnx.load(path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            found += numpy_helper.to_array(weights[node.input[1]]).ravel().tolist()
        for attribute in node.attribute:
            if attribute.name.endswith("_scale"):
                found += list(attribute.floats) or [attribute.f]
    return found


@pytest.mark.parametrize("target", ["ort", "tensorrt"])
@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_calibrating_twice_gives_the_same_bytes(tiny_model, layouts, tmp_path, target, method) -> None:
    files = []
    for folder in ("one", "two"):
        out = tmp_path / folder / "int8.onnx"
        done = calibrate(tiny_model, str(layouts), out, target=target, method=method, threads=1)
        files.append((out.read_bytes(), done.table.read_bytes()))
    assert files[0] == files[1]


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_constant_layouts_and_classes_that_never_occur_give_finite_scales(
    tiny_model, write_constant, tmp_path, method
) -> None:
    done = calibrate(tiny_model, str(write_constant(3)), tmp_path / "int8.onnx", method=method, threads=1)
    assert done.frames == 1
    scales = np.array(scales_of(done.path))
    assert len(scales) > 100
    assert np.isfinite(scales).all()
    assert (scales > 0).all()
    # A layout of other classes still gives an image.
    layout = np.random.default_rng(0).integers(0, 12, (1, 64, 96), np.uint8)
    with Session(done.path, threads=1) as session:
        assert session.run(labels=layout)["image"].std() > 1


def test_the_accuracy_drop_is_measured_told_and_kept_in_the_file(tiny_model, layouts, tmp_path) -> None:
    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    assert done.accuracy_drop.frames == 3
    assert 30 < done.accuracy_drop.psnr < 90
    assert done.accuracy_drop.miou_drop is not None
    told = describe(done.path)["damage"]
    assert told == json.loads(json.dumps(done.accuracy_drop.to_json()))
    assert set(told) == {"frames", "psnr", "ssim", "shift", "agreement", "miou_drop"}
    assert describe(done.path)["calibration"]["frames"] == 3
    assert done.speed is not None
    assert done.speed.ratio > 0


def test_the_accuracy_drop_is_that_of_the_images(tiny_model, layouts, tmp_path) -> None:
    from layoutrt.layouts import label_set, read_layout

    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    errors = []
    with Session(tiny_model, threads=1) as fp32, Session(done.path, threads=1) as int8:
        for file in sorted(layouts.iterdir()):
            labels = read_layout(file, label_set("camvid"))[None]
            a, b = (session.run(labels=labels)["image"].astype(float) for session in (fp32, int8))
            errors.append(((a - b) ** 2).mean())
    assert done.accuracy_drop.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(errors)), abs=0.01)


@pytest.mark.parametrize("target", ["ort", "tensorrt"])
def test_fp16_keeps_the_picture_nearly_as_it_is(tiny_model, layouts, tmp_path, target) -> None:
    out = tmp_path / "fp16.onnx"
    done = calibrate(tiny_model, str(layouts), out, precision="fp16", target=target, threads=1)
    assert done.accuracy_drop.psnr > 50
    assert done.operators == {}
    halves = [
        tensor for tensor in onnx.load(out).graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16
    ]
    assert len(halves) > 20
    assert out.stat().st_size < 0.6 * tiny_model.stat().st_size
    assert describe(out)["precision"] == "fp16"


def test_both_targets_of_one_table_give_the_same_picture(layouts, tmp_path) -> None:
    from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
    from layoutrt.drive import Drive
    from layoutrt.graph.onnx_file import save_model
    from layoutrt.layouts import label_set

    images = []
    layout = Drive(label_set("camvid"), 192, 256).frame(5)[None]
    for target in ("ort", "tensorrt"):
        out = tmp_path / f"{target}.onnx"
        calibrate("camvid-edge", "drive:5", out, target=target, threads=1)
        if target == "tensorrt":
            save_model(for_onnxruntime(onnx.load(out)), out)
        with Session(out, threads=1) as session:
            images.append(session.run(labels=layout)["image"].astype(float))
    assert np.abs((images[0] - images[1]).mean((0, 1, 2))).max() < 2
    assert np.abs(images[0] - images[1]).mean() < 5


def test_a_model_with_latent_and_instances_is_calibrated_for_both_targets(
    tiny_full_model, tmp_path, extra_dont_care
) -> None:
    from layoutrt.layouts import write_layout

    folder = tmp_path / "layouts"
    labels = np.arange(64 * 96, dtype=np.int64).reshape(64, 96) // 700 % 3
    write_layout(folder / "layout.png", labels.astype(np.uint8), extra_dont_care)
    for target in ("ort", "tensorrt"):
        done = calibrate(tiny_full_model, str(folder), tmp_path / "out.onnx", target=target, threads=1)
        assert done.accuracy_drop.psnr > 30
        # No shipped segmenter knows these labels.
        assert done.accuracy_drop.miou_drop is None


def test_a_file_for_tensorrt_is_not_run_here_but_says_why(tiny_model, layouts, tmp_path, refuses) -> None:
    out = tmp_path / "trt.onnx"
    calibrate(tiny_model, str(layouts), out, target="tensorrt", threads=1)
    refuses(
        ("synthesize", out, layouts, "--out", tmp_path / "images"), f"{out} is placed for TensorRT", "ort"
    )


def test_weights_that_lie_apart_are_part_of_a_models_identity(tmp_path) -> None:
    from layoutrt.calib.measurement import model_digest
    from layoutrt.graph.onnx_file import save_model

    digests = []
    for value in (1.0, 2.0):
        weight = numpy_helper.from_array(np.full((64, 64), value, np.float32), "w")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", 1, [1, 64])],
            [helper.make_tensor_value_info("y", 1, [1, 64])],
            [weight],
        )
        save_model(helper.make_model(graph), tmp_path / "model.onnx", apart_from=1)
        digests.append(model_digest(tmp_path / "model.onnx"))
    assert digests[0] != digests[1]


def test_the_command_says_what_it_did_and_warns_of_few_frames(tiny_model, layouts, tmp_path, cli) -> None:
    out = tmp_path / "int8.onnx"
    arguments = ("calibrate", tiny_model, "--data", layouts, "--out", out, "--threads", 1)
    outcome = cli(*arguments)
    assert outcome.code == 0
    assert outcome.err.count("\n") == 1
    assert "warning: 3 frames say little" in outcome.err
    for words in ("8 bits ", "accuracy ", "PSNR", "speed ", "(measured)", f"{out} ("):
        assert words in outcome.out
    assert "(reused)" in cli(*arguments).out
    assert "float    " not in outcome.out


def test_bad_options_are_refused_before_anything_is_measured(tiny_model, layouts, tmp_path, refuses) -> None:
    out = tmp_path / "out" / "int8.onnx"
    command = ("calibrate", tiny_model, "--data", layouts, "--out", out, "--threads", 1)
    for options, words in (
        (("--method", "mean"), "--method mean is not known; choose from minmax, entropy, percentile"),
        (("--target", "tpu"), "choose from ort, tensorrt"),
        (("--precision", "int4"), "choose from int8, fp16"),
        (("--percentile", "20"), "--percentile 20"),
        (("--keep", "nothing"), "no layer 'nothing'"),
        (("--budget", "33"), "'33' is not a budget"),
        (("--precision", "fp16", "--budget", "psnr:30"), "leave them out with --precision fp16"),
        (("--segmenter", "nobody"), "no model 'nobody' exists"),
    ):
        refuses((*command, *options), words)
        assert not out.parent.exists()


def test_a_segmenter_that_cannot_label_the_images_is_refused(
    tiny_model, layouts, tmp_path, extra_dont_care
) -> None:
    from layoutrt.export.onnx_export.to_onnx import export_onnx
    from layoutrt.train.checkpoint import save_segmenter
    from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

    def export(name, labels, size) -> Path:
        segmenter = Segmenter(SegmenterConfig(labels.num_classes, 3, *size)).eval()
        save_segmenter(tmp_path / name, segmenter.state_dict(), segmenter.config, labels, {})
        return export_onnx(tmp_path / name, tmp_path / f"{name}.onnx").path

    other = export("s.safetensors", extra_dont_care, (64, 96))
    small = export("small.safetensors", label_set("camvid"), (32, 48))
    for file, words in ((other, "has the label set 'trio' and the model"),
                        (small, "takes images of 32x48 and the model makes 64x96"),
                        (tiny_model, "is a generator and not a segmenter; give a --segmenter")):  # fmt: skip
        with pytest.raises(LayoutRTError, match=words):
            calibrate(tiny_model, str(layouts), tmp_path / "out" / "int8.onnx", segmenter=file, threads=1)
    cv2.imwrite(str(tmp_path / "frame.png"), np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(LayoutRTError, match="leave it out for a segmenter"):
        calibrate(other, str(tmp_path), tmp_path / "out" / "int8.onnx", segmenter="camvid-seg")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("data", "words"), [("missing", "missing"), ("drive:0", "not a drive"), ("empty", "empty")]
)
def test_data_that_are_not_there_are_refused(tiny_model, tmp_path, data, words) -> None:
    (tmp_path / "empty").mkdir()
    data = str(tmp_path / data) if data != "drive:0" else data
    with pytest.raises(LayoutRTError, match=words):
        calibrate(tiny_model, data, tmp_path / "out" / "int8.onnx")
    assert not (tmp_path / "out").exists()


def test_a_segmenter_without_images_is_refused(layouts, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match="has no images"):
        calibrate("camvid-seg", str(tmp_path), tmp_path / "out" / "int8.onnx")


def test_a_model_of_a_fixed_batch_is_refused(tiny_batch_model, layouts, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match="takes 2 inputs a run; export it without --batch"):
        calibrate(tiny_batch_model, str(layouts), tmp_path / "int8.onnx", threads=1)


def test_models_that_cannot_be_calibrated_are_refused(tiny_model, layouts, tmp_path) -> None:
    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    with pytest.raises(LayoutRTError, match="precision int8; calibrate the fp32 file"):
        calibrate(done.path, str(layouts), tmp_path / "again.onnx")
    foreign = onnx.load(tiny_model)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(LayoutRTError, match="was not made by layoutrt"):
        calibrate(tmp_path / "foreign.onnx", str(layouts), tmp_path / "again.onnx")
    (tmp_path / "noise.onnx").write_bytes(b"\x08\x01noise")
    with pytest.raises(LayoutRTError, match=r"noise\.onnx is truncated or not an ONNX model"):
        calibrate(tmp_path / "noise.onnx", str(layouts), tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()


@pytest.mark.parametrize(
    ("domain", "operator"), [("com.example", "Blur"), ("", "If"), ("layoutrt", "Sharpen")]
)
def test_operators_without_a_rule_are_named(tiny_model, layouts, tmp_path, domain, operator) -> None:
    model = onnx.load(tiny_model)
    model.graph.node.append(helper.make_node(operator, ["labels"], ["blurred"], "stranger", domain=domain))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(LayoutRTError, match=rf"operator .*{operator} \(node 'stranger'\).*no rule"):
        calibrate(tmp_path / "model.onnx", str(layouts), tmp_path / "int8.onnx")


def test_activations_that_are_not_finite_are_named_and_nothing_is_written(
    tiny_model, layouts, tmp_path
) -> None:
    model = onnx.load(tiny_model)
    (bias, *_) = (t for t in model.graph.initializer if t.name.endswith("bias"))
    bias.raw_data = np.full(bias.dims, np.inf, np.float32).tobytes()
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(LayoutRTError, match=r"the tensor \w+ of the model is not finite"):
        calibrate(tmp_path / "model.onnx", str(layouts), tmp_path / "out" / "int8.onnx", threads=1)
    assert not (tmp_path / "out").exists()


def test_the_table_names_every_tensor_that_has_8_bits(tiny_model, layouts, tmp_path) -> None:
    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    table = read_table(done.table)
    quantized = {
        node.name.removesuffix("_quantize")
        for node in onnx.load(done.path).graph.node
        if node.op_type == "QuantizeLinear"
    }
    assert quantized
    assert quantized <= set(table.tensors)


def test_nothing_is_written_over_the_model_or_the_table(tiny_model, layouts, tmp_path, refuses) -> None:
    model = Path(copy(tiny_model, tmp_path))
    command = ("calibrate", model, "--data", layouts)
    refuses((*command, "--out", model), "--out", "would overwrite", "another name")
    out = tmp_path / "out.onnx"
    refuses((*command, "--out", out, "--table", out), "--out", "would overwrite", "another name")
    refuses((*command, "--out", out, "--table", model, "--recalibrate"), "--table", "would overwrite")
    assert model.read_bytes() == tiny_model.read_bytes()
    assert not out.exists()
