"""Verification: the gate opens and shuts, its numbers and pages are right, and bad input is one sentence."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from layoutrt.artifacts.model_info import read_model_info
from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.quality.fidelity import compare_images
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.export.any_model import open_model
from layoutrt.export.verification.checks import Thresholds, check_all
from layoutrt.export.verification.data import VerificationData
from layoutrt.export.verification.layer_comparison import compare_layers
from layoutrt.export.verification.segmentation_agreement import AgreementMeter
from layoutrt.export.verification.verify import verify
from layoutrt.export.verification.worst_frames import FrameResult, WorstFrames
from layoutrt.layouts import label_set, read_layout, write_layout
from layoutrt.runtime.synthesizer import Synthesizer

CAMVID = label_set("camvid")
EDGE = Path("layoutrt/models/camvid-edge.onnx")
SEGMENTER = Path("layoutrt/models/camvid-seg.onnx")
SIZE = (96, 128)


def with_image_offset(path: Path, out: Path, offset: float) -> Path:
    """The model with an offset on the bias of its last convolution, before the hyperbolic tangent."""
    model = onnx.load(path)
    (last,) = (node for node in model.graph.node if node.op_type == "ConvToImage")
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == last.input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(offset), bias.name))
    onnx.save(model, out)
    return out


@pytest.fixture(scope="module")
def shifted(tmp_path_factory) -> Path:
    """The edge generator, a little brighter."""
    return with_image_offset(EDGE, tmp_path_factory.mktemp("shifted") / "shifted.onnx", 0.02)


@pytest.fixture(scope="module")
def edge_int8(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "edge.int8.onnx"
    calibrate("camvid-edge", "drive:4", out, threads=1)
    return out


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Path:
    """Three frames of a data set's split: images are noisy colors of their labels."""
    folder = tmp_path_factory.mktemp("split") / "val"
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for index in range(3):
        labels = Drive(CAMVID, *SIZE).frame(20 * index)
        write_layout(folder / "labels" / f"street_{index}.png", labels, CAMVID, color=False)
        noisy = CAMVID.palette[labels].astype(int) + random.integers(-30, 30, (*SIZE, 3))
        image = noisy.clip(0, 255).astype(np.uint8)[..., ::-1]
        cv2.imwrite(str(folder / "images" / f"street_{index}.png"), image)
    return folder


@pytest.mark.parametrize("model", ["camvid-edge", "camvid-seg"])
def test_a_model_passes_beside_itself(cli, split, tmp_path, model) -> None:
    file = tmp_path / "found.json"
    outcome = cli("verify", model, model, "--data", split, "--size", "96x128", "--json", file, "--threads", 1)
    assert outcome.code == 0, outcome
    found = json.loads(file.read_text())
    assert found["passed"] is True
    assert found["segmentation"]["agreement"] == 1
    assert found["segmentation"]["drop_points"] == 0
    if found["kind"] == "generator":
        assert found["image"]["identical"] is True
        assert found["image"]["psnr_db"] is None
        assert found["checks"][0]["note"] == "identical"
    else:
        assert found["image"] is None
        assert [check["passed"] for check in found["checks"]] == [None, None, True, True]


def test_the_numbers_are_those_of_the_images(shifted, split, tmp_path) -> None:
    file = tmp_path / "found.json"
    verify(EDGE, shifted, str(split), size=SIZE, json_file=file, threads=1)
    found = json.loads(file.read_text())
    by_name = {}
    with Synthesizer(EDGE, threads=1) as reference, Synthesizer(shifted, threads=1) as candidate:
        for index in range(3):
            labels = read_layout(split / "labels" / f"street_{index}.png", CAMVID)
            images = reference.render(labels), candidate.render(labels)
            by_name[f"street_{index}"] = compare_images(*images)
    assert {frame["name"] for frame in found["worst_frames"]} == set(by_name)
    for frame in found["worst_frames"]:
        wanted = by_name[frame["name"]]
        assert frame["psnr_db"] == pytest.approx(wanted.psnr)
        assert frame["ssim"] == pytest.approx(wanted.ssim)
        assert list(frame["shift"].values()) == pytest.approx(list(wanted.shift))
    order = [frame["psnr_db"] for frame in found["worst_frames"]]
    assert order == sorted(order)
    assert found["image"]["worst_psnr_db"] == order[0]
    shifts = np.mean([frame.shift for frame in by_name.values()], axis=0)
    assert list(found["image"]["shift"].values()) == pytest.approx(shifts.tolist())
    assert min(shifts) > 1  # a brighter image has a positive shift
    for role in ("reference", "candidate", "segmenter"):
        assert re.fullmatch("[0-9a-f]{64}", found[role]["sha256"])
        assert found[role]["version"]
    assert found["reference"]["sha256"] != found["candidate"]["sha256"]


def test_scores_are_those_of_the_segmenter_on_the_images(shifted, split) -> None:
    found = verify(EDGE, shifted, str(split), size=SIZE, threads=1)
    meter = AgreementMeter(CAMVID)
    models = [open_model(path, threads=1) for path in (EDGE, shifted, SEGMENTER)]
    for file in sorted((split / "labels").iterdir()):
        labels = read_layout(file, CAMVID)
        seen = [models[2].run({"frame": model.run({"labels": labels[None]})})[0] for model in models[:2]]
        meter.add(seen[0], seen[1], labels)
    assert found.segmentation == meter.result()
    assert 0.5 < found.segmentation.agreement < 1
    for model in models:
        model.close()


def test_an_8_bit_generator_passes_its_thresholds_and_a_damaged_one_does_not(
    cli, edge_int8, split, tmp_path
) -> None:
    damaged = with_image_offset(edge_int8, tmp_path / "damaged.onnx", 0.5)
    files = [tmp_path / "found.json", tmp_path / "found.html"]
    options = ["--data", split, "--size", "96x128", "--threads", 1, "--json", files[0], "--html", files[1]]
    options += ["--min-psnr", 24, "--max-shift", 4, "--max-miou-drop", 5]
    assert cli("verify", "camvid-edge", edge_int8, *options).code == 0
    for file in files:
        file.unlink()
    outcome = cli("verify", "camvid-edge", damaged, *options)
    assert outcome.code == 1
    assert outcome.err.startswith("error: damaged.onnx is too far from camvid-edge.onnx: PSNR ")
    assert outcome.err.count("\n") == 1
    assert "(--min-psnr)" in outcome.err
    assert "(--max-shift)" in outcome.err
    # The table is printed and the files are written all the same.
    assert "FAIL" in outcome.out
    found = json.loads(files[0].read_text())
    assert found["passed"] is False
    assert [check["passed"] for check in found["checks"][:2]] == [False, False]
    assert "failed" in files[1].read_text()


def test_a_checkpoint_and_its_export_are_the_same(tiny_checkpoint, tiny_model) -> None:
    found = verify(tiny_checkpoint, tiny_model, "drive:3", threads=1)
    assert found.passed
    assert found.fidelity is not None
    assert found.fidelity.max_error <= 2
    assert found.reference.backend.startswith("torch")
    assert found.candidate.backend.startswith("ONNX Runtime")
    assert found.data.size == "64x96"


def test_a_segmenters_checkpoint_and_its_export_are_the_same(split) -> None:
    found = verify("layoutrt/models/camvid-seg.safetensors", "camvid-seg", str(split), size=SIZE, threads=1)
    assert found.passed
    assert found.segmentation is not None
    assert found.segmentation.agreement > 0.999
    assert found.segmentation.reference_mean_iou is not None


def test_a_segmenters_checkpoint_never_says_dont_care(tmp_path) -> None:
    import torch

    from layoutrt.train.checkpoint import save_segmenter
    from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

    config = SegmenterConfig(CAMVID.num_classes, width=6, image_height=SIZE[0], image_width=SIZE[1])
    segmenter = Segmenter(config)
    with torch.no_grad():
        assert segmenter.classify.bias is not None
        segmenter.classify.bias[CAMVID.dont_care] += 1000
    path = tmp_path / "segmenter.safetensors"
    save_segmenter(path, segmenter.state_dict(), config, CAMVID, {})
    labels = open_model(path).run({"frame": np.zeros((1, *SIZE, 3), np.uint8)})
    assert (labels.shape, labels.dtype) == ((1, *SIZE), np.uint8)
    assert CAMVID.dont_care not in labels


def test_a_segmenter_without_labels_is_held_to_its_agreement(split) -> None:
    found = verify("camvid-seg", "camvid-seg", str(split / "images"), size=SIZE, threads=1)
    assert found.segmentation is not None
    assert found.segmentation.reference_mean_iou is None
    assert [check.passed for check in found.checks] == [None, None, None, True]


def test_models_with_instances_and_a_latent_are_compared(tiny_full_model, extra_dont_care, tmp_path) -> None:
    random = np.random.default_rng(0)
    for index in range(2):
        labels = random.integers(0, 3, (8, 12), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        write_layout(tmp_path / f"{index}.png", labels, extra_dont_care)
    checkpoint = tiny_full_model.with_name("generator.safetensors")
    found = verify(tiny_full_model, checkpoint, str(tmp_path), threads=1)
    assert found.passed
    assert found.segmentation is None
    assert found.segmentation_reason is not None
    assert "label set" in found.segmentation_reason
    drop = found.checks[2]
    assert (drop.option, drop.passed, drop.note) == ("--max-miou-drop", None, found.segmentation_reason)


@pytest.mark.parametrize(("precision", "psnr", "sqnr"), [("fp16", 50, 40), ("int8", 30, 15)])
def test_a_model_for_tensorrt_is_compared_in_onnx_runtime(split, tmp_path, precision, psnr, sqnr) -> None:
    made = tmp_path / "tensorrt.onnx"
    calibrate(EDGE, "drive:2", made, target="tensorrt", precision=precision, threads=1)
    found = verify(EDGE, made, str(split), size=SIZE, frames=2, layers=True, threads=1)
    assert found.candidate.precision == precision
    assert found.fidelity is not None
    assert psnr < found.fidelity.psnr < 80
    assert found.layers is not None
    assert found.layers.unmatched == 0
    assert min(layer.sqnr_db for layer in found.layers.layers) > sqnr


def test_a_model_of_a_fixed_batch_is_compared_one_frame_at_a_time(tiny_batch_model, tiny_model) -> None:
    found = verify(tiny_model, tiny_batch_model, "drive:3", threads=1)
    assert found.fidelity is not None
    assert (found.fidelity.frames, found.passed) == (3, True)


def test_half_a_model_is_compared_whole_and_not_layer_by_layer(
    tiny_full_model, tiny_split_model, extra_dont_care, tmp_path
) -> None:
    layout = tmp_path / "layout.png"
    write_layout(layout, np.zeros((64, 96), np.uint8), extra_dont_care)
    assert verify(tiny_full_model, tiny_split_model, str(layout), threads=1).passed
    with pytest.raises(LayoutRTError, match="half of one"):
        verify(tiny_full_model, tiny_split_model, str(layout), layers=True, threads=1)


def test_frames_have_the_names_of_their_files(split) -> None:
    frames = list(VerificationData(str(split), read_model_info(EDGE), SIZE, 2))
    assert [frame.name for frame in frames] == ["street_0", "street_2"]
    for frame in frames:
        labels = read_layout(split / "labels" / f"{frame.name}.png", CAMVID)
        np.testing.assert_array_equal(frame.arguments["labels"][0], labels)
        np.testing.assert_array_equal(frame.labels, labels)


def test_layers_of_a_verification_are_in_every_report(cli, shifted, split, tmp_path) -> None:
    files = [tmp_path / "found.json", tmp_path / "found.html"]
    options = ["--data", split, "--size", "96x128", "--threads", 1, "--json", files[0], "--html", files[1]]
    outcome = cli(
        "verify", "camvid-edge", shifted, *options, "--layers", "--max-shift", 9, "--max-miou-drop", 99
    )
    assert outcome.code == 0, outcome
    assert "12 worst of" in outcome.out
    layers = json.loads(files[0].read_text())["layers"]
    wanted = compare_layers(
        onnx.load(EDGE), onnx.load(EDGE), [{"labels": Drive(CAMVID, *SIZE).frame(0)[None]}], threads=1
    )
    assert [layer["tensor"] for layer in layers["layers"]] == [layer.tensor for layer in wanted.layers]
    assert (layers["frames"], layers["first_below_20_db"]) == (3, None)  # only the image differs
    assert "Where the graphs part" in files[1].read_text()


class Page(HTMLParser):
    """Collects the attributes, headings and open tags of a page."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.tables = self.images = 0
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag == "img":
            self.images += 1
            assert dict(attributes)["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h3":
            self.headings.append(data)


def test_the_page_loads_nothing_and_shows_the_worst_frame_first(shifted, split, tmp_path) -> None:
    file = tmp_path / "found.html"
    found = verify(EDGE, shifted, str(split), size=SIZE, html=file, threads=1)
    text = file.read_text()
    page = Page(text)
    assert page.open == []
    loading = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href")
    loaded = [value for _, name, value in page.attributes if name in loading]
    assert len(loaded) == page.images == 3 * 4
    assert all(value.startswith("data:image/png;base64,") for value in loaded)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, *_ in page.attributes}
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    frames = [heading for heading in page.headings if re.match(r"\d+\. ", heading)]
    worst = min(found.worst, key=lambda frame: frame.fidelity.psnr)
    assert frames[0] == f"1. {worst.name}"
    assert len(frames) == 3


def test_names_cannot_bring_markup_into_the_page(split, tmp_path) -> None:
    layouts = tmp_path / "<b>layouts"
    layouts.mkdir()
    (layouts / "<img src=x>.png").write_bytes((split / "labels" / "street_0.png").read_bytes())
    file = tmp_path / "found.html"
    verify(EDGE, EDGE, str(layouts), size=SIZE, html=file, threads=1)
    text = file.read_text()
    assert "<img src=x>" not in text
    assert "<b>" not in text
    assert "1. &lt;img src=x&gt;" in text


def test_only_the_worst_frames_are_kept_and_of_equal_ones_the_first() -> None:
    worst = WorstFrames(2, pictures=True)
    made = []
    image = np.zeros((4, 4, 3), np.uint8)

    def views(index: int):
        return lambda: made.append(index) or [("view", image)]

    for index, agreement in enumerate([0.9, 0.5, 0.5, 0.8, 0.5, 0.7]):
        worst.add(FrameResult(index, str(index), None, agreement), views(index))
    assert [frame.index for frame in worst.result()] == [1, 2]
    assert made == [0, 1, 2]  # pictures are made only of what is kept
    assert worst.result()[0].pictures[0].source.startswith("data:image/png")


def test_thresholds_decide_at_their_limits() -> None:
    meter = AgreementMeter(CAMVID)
    truth = np.zeros((10, 10), np.uint8)
    found = truth.copy()
    found[0, :3] = 1
    meter.add(truth, found, truth)
    labels = meter.result()
    assert (labels.agreement, labels.worst_agreement) == (0.97, 0.97)
    # Class 0 is found on 97 of 100 pixels, class 1 on none that have it.
    assert labels.drop_points == pytest.approx(100 * (1 - (0.97 + 0) / 2))
    assert check_all(None, labels, None, Thresholds())[3].passed is True
    assert check_all(None, labels, None, Thresholds(min_agreement=0.98))[3].passed is False
    assert check_all(None, labels, None, Thresholds(max_miou_drop=52))[2].passed is True
    assert check_all(None, labels, None, Thresholds(max_miou_drop=51))[2].passed is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("camvid-edge", "camvid-seg", "--data", "drive:1"), ("is a generator", "a segmenter")),
        (("camvid-edge", "camvid-edge", "--data", "drive:1", "--min-psnr", "nan"), ("--min-psnr nan",)),
        (("nothing", "camvid-edge", "--data", "drive:1"), ("no model 'nothing'",)),
        (("camvid-edge", "camvid-edge", "--data", "missing"), ("missing",)),
        (("camvid-seg", "camvid-seg", "--data", "missing"), ("missing",)),
        (
            ("camvid-edge", "camvid-edge", "--data", "drive:1", "--size", "90x128"),
            ("90x128", "multiples of 32"),
        ),
        (("camvid-seg", "camvid-seg", "--data", "missing", "--segmenter", "camvid-seg"), ("leave it out",)),
        (
            ("camvid-edge", "camvid-edge", "--data", "drive:1", "--segmenter", "camvid-edge"),
            ("is a generator and not a segmenter", "--segmenter"),
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(refuses, arguments, words) -> None:
    refuses(("verify", *arguments), *words)


def test_a_verification_is_not_written_over_a_model(tiny_model, tmp_path, refuses) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(tiny_model.read_bytes())
    for option in ("--json", "--html"):
        arguments = ("verify", tiny_model, model, "--data", "drive:1", option, model)
        refuses(arguments, f"{option} {model} would overwrite", "another name")
    assert model.read_bytes() == tiny_model.read_bytes()


def test_models_that_do_not_fit_each_other_are_refused(
    refuses,
    tiny_model,
    tiny_full_model,
    tiny_checkpoint,
    tiny_dynamic_model,
    tiny_batch_model,
    make_generator,
    tmp_path,
) -> None:
    from layoutrt.train.checkpoint import save_generator

    refuses(
        ("verify", tiny_model, tiny_full_model, "--data", "drive:1"), "'camvid'", "'trio'", "one label set"
    )
    refuses(("verify", tiny_model, tiny_checkpoint, "--data", "drive:1", "--layers"), "is a checkpoint")
    batch = ("verify", tiny_batch_model, tiny_batch_model, "--data", "drive:1", "--layers")
    refuses(batch, "two.onnx takes 2 a run", "without --batch")
    sizes = ("verify", tiny_model, tiny_dynamic_model, "--data", "drive:1", "--size", "96x128")
    refuses(sizes, "made for 64x96 and not 96x128")
    for name, options, words in (
        ("instances", {"instances": True}, "reads instance ids"),
        ("latent", {"latent": 16}, "has a latent of 0"),
    ):
        other = make_generator(CAMVID.num_classes, **options)
        path = tmp_path / f"{name}.safetensors"
        save_generator(path, other.state_dict(), other.config, CAMVID, {})
        refuses(("verify", tiny_checkpoint, path, "--data", "drive:1"), words)


def test_an_image_without_labels_is_named(split, tmp_path) -> None:
    folder = tmp_path / "val"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    (folder / "images" / "alone.png").write_bytes((split / "images" / "street_0.png").read_bytes())
    with pytest.raises(LayoutRTError, match="alone"):
        verify("camvid-seg", "camvid-seg", str(folder), size=SIZE, threads=1)


def test_verifying_exported_models_does_not_import_torch() -> None:
    code = (
        "import sys; from layoutrt.export.verification.verify import verify; "
        "verify('camvid-edge', 'camvid-edge', 'drive:1', size=(32, 32), threads=1); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_help_states_the_thresholds_and_holds_an_example(cli) -> None:
    outcome = cli("verify", "--help")
    assert outcome.code == 0
    for text in ("layoutrt verify ", "--min-psnr", "--max-shift", "--max-miou-drop", "--min-agreement"):
        assert text in outcome.out


def test_a_model_that_cannot_run_alone_or_is_of_another_kind_is_not_opened(tiny_split_model) -> None:
    render = tiny_split_model.with_name(read_model_info(tiny_split_model).render_file or "")
    with pytest.raises(LayoutRTError, match="not a whole generator or segmenter"):
        open_model(render)
    with pytest.raises(LayoutRTError, match="is a segmenter and not a generator; give a generator"):
        open_model("camvid-seg", kind="generator")
