"""``layoutrt synthesize``: files in, files out, and nothing written when something is wrong."""

import json

import cv2
import numpy as np
import onnx
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import label_set, write_layout
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

CAMVID = label_set("camvid")
HEIGHT, WIDTH = 64, 96


def read_rgb(path):
    return cv2.imread(str(path))[..., ::-1]


@pytest.fixture
def layouts(tmp_path):
    """A folder of three frames of the drive: one of palette colors, two of class bytes."""
    folder = tmp_path / "layouts"
    for index in range(3):
        frame = Drive(CAMVID, HEIGHT, WIDTH).frame(index)
        write_layout(folder / f"frame{index}.png", frame, CAMVID, color=index == 0)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_a_folder_gives_one_image_for_each_layout_under_its_name(cli, tiny_model, layouts, out):
    outcome = cli("synthesize", tiny_model, layouts, "--out", out)
    assert outcome.code == 0, outcome
    assert "ONNX Runtime" in outcome.out
    assert "3 images" in outcome.out
    assert sorted(path.name for path in out.iterdir()) == ["frame0.png", "frame1.png", "frame2.png"]
    with Synthesizer(tiny_model) as synthesizer:
        for index in range(3):
            expected = synthesizer.render(Drive(CAMVID, HEIGHT, WIDTH).frame(index))
            assert (read_rgb(out / f"frame{index}.png") == expected).all()


def test_the_drive_needs_no_files(cli, tiny_model, out):
    assert cli("synthesize", tiny_model, "drive:2@5", "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["drive_000000.png", "drive_000001.png"]
    with Synthesizer(tiny_model) as synthesizer:
        expected = synthesizer.render(Drive(CAMVID, HEIGHT, WIDTH, seed=5).frame(1))
    assert (read_rgb(out / "drive_000001.png") == expected).all()


def test_images_are_the_same_bytes_for_any_number_of_threads(cli, tiny_model, tmp_path):
    for threads in (1, 2):
        arguments = ("synthesize", tiny_model, "drive:3", "--out", tmp_path / str(threads))
        assert cli(*arguments, "--threads", threads).code == 0
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_json_lists_files_backend_and_latency(cli, tiny_model, out):
    report = json.loads(cli("synthesize", tiny_model, "drive:2", "--out", out, "--json", "-").out)
    assert report["files"] == [str(out / "drive_000000.png"), str(out / "drive_000001.png")]
    assert "ONNX Runtime" in report["backend"]
    assert report["latency_ms"]["p95"] >= report["latency_ms"]["p50"] > 0


def test_resizing_samples_the_layout(cli, tiny_model, tmp_path, out):
    frame = Drive(CAMVID, HEIGHT, WIDTH).frame(0)
    write_layout(tmp_path / "large.png", frame.repeat(2, 0).repeat(3, 1), CAMVID)
    write_layout(tmp_path / "fits.png", frame, CAMVID)
    inputs = (tmp_path / "large.png", tmp_path / "fits.png")
    assert cli("synthesize", tiny_model, *inputs, "--out", out, "--resize").code == 0
    assert (out / "large.png").read_bytes() == (out / "fits.png").read_bytes()


def test_instances_and_latents_come_from_files(cli, tiny_full_model, extra_dont_care, tmp_path, out):
    labels = np.random.default_rng(1).integers(0, 4, (HEIGHT, WIDTH), np.uint8)
    ids = np.random.default_rng(2).integers(0, 60_000, (HEIGHT, WIDTH), np.uint16)
    rows = np.stack([latent_from_seed(seed, 16) for seed in (3, 4)])
    np.save(tmp_path / "z.npy", rows)
    for name in ("a", "b"):
        write_layout(tmp_path / "layouts" / f"{name}.png", labels, extra_dont_care, color=False)
        (tmp_path / "ids").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "ids" / f"{name}.png"), ids)
    base = ("synthesize", tiny_full_model, "--out", out, "--instances")
    z = ("--z", tmp_path / "z.npy")
    assert cli(*base, tmp_path / "ids", tmp_path / "layouts", *z).code == 0
    with Synthesizer(tiny_full_model) as synthesizer:
        for name, row in zip(("a", "b"), rows, strict=True):
            expected = synthesizer.render(labels, ids.astype(np.int32), row)
            assert (read_rgb(out / f"{name}.png") == expected).all()
    one = tmp_path / "layouts" / "a.png"
    assert cli(*base, tmp_path / "ids" / "a.png", one, "--seed", 4).code == 0
    assert (out / "a.png").read_bytes() == (out / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (("nowhere",), ("nowhere",)),
        (("empty",), ("empty", "no PNG images")),
        (("drive:0",), ("drive:0", "drive:N")),
        (("drive:many",), ("drive:many", "drive:N")),
        (("drive:1", "drive:2"), ("drive_000000.png",)),
        (("layouts", "layouts/frame1.png"), ("frame1.png",)),
        (("layouts", "color.png"), ("color.png", "(1, 2, 3)", "(x=4, y=2)")),
        (("layouts", "outside.png"), ("outside.png", "200", "(x=4, y=2)", "camvid")),
        (("layouts", "small.png"), ("small.png is 8x8", "makes 64x96", "--resize")),
        (("layouts", "cut.png"), ("cut.png", "truncated")),
        (("layouts", "text.png"), ("text.png", "not a PNG")),
        (("layouts", "deep.png"), ("deep.png", "16 bits")),
        (("layouts", "--z", "z.npy"), ("no latent", "--z")),
        (("layouts", "--instances", "layouts"), ("no instances", "--instances")),
        (("layouts", "--threads", 0), ("threads",)),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    refuses, tiny_model, layouts, tmp_path, monkeypatch, inputs, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    color, outside = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    color[2, 4] = (3, 2, 1)  # BGR
    outside[2, 4] = 200
    cv2.imwrite("color.png", color)
    cv2.imwrite("outside.png", outside)
    cv2.imwrite("small.png", np.zeros((8, 8), np.uint8))
    cv2.imwrite("deep.png", np.zeros((HEIGHT, WIDTH), np.uint16))
    (tmp_path / "cut.png").write_bytes((layouts / "frame0.png").read_bytes()[:-20])
    (tmp_path / "text.png").write_text("layout")
    refuses(("synthesize", tiny_model, *inputs, "--out", "out"), *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("instance ids", "--instances")),
        (("--instances", "nowhere.png"), ("nowhere.png",)),
        (("--instances", "other.png"), ("other.png is 8x8", "a.png is 64x96")),
        (("--instances", "color.png"), ("color.png", "8 or 16-bit")),
        (("--instances", "ids.png", "--z", "nowhere.npy"), ("nowhere.npy", "No such file")),
        (("--instances", "ids.png", "--z", "ids.png"), ("ids.png", "numpy.save")),
        (("--instances", "ids.png", "--z", "short.npy"), ("short.npy", "float64 [15]", "[16]")),
        (("--instances", "ids.png", "--z", "pickled.npy"), ("pickled.npy", "numpy.save")),
    ],
)
def test_bad_instances_and_latents_are_one_sentence(
    refuses, tiny_full_model, extra_dont_care, tmp_path, monkeypatch, options, words
):
    monkeypatch.chdir(tmp_path)
    write_layout("a.png", np.zeros((HEIGHT, WIDTH), np.uint8), extra_dont_care, color=False)
    cv2.imwrite("ids.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    cv2.imwrite("other.png", np.zeros((8, 8), np.uint8))
    cv2.imwrite("color.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    np.save("short.npy", np.zeros(15))
    np.save("pickled.npy", np.array([{}]), allow_pickle=True)
    refuses(("synthesize", tiny_full_model, "a.png", "--out", "out", *options), *words)
    assert not (tmp_path / "out").exists()


def test_a_layout_is_never_overwritten_by_its_image(refuses, tiny_model, layouts):
    before = (layouts / "frame0.png").read_bytes()
    refuses(("synthesize", tiny_model, layouts, "--out", layouts), "overwrite", "frame0.png")
    assert (layouts / "frame0.png").read_bytes() == before


def test_instance_ids_are_never_overwritten_by_an_image(refuses, tiny_full_model, extra_dont_care, tmp_path):
    write_layout(tmp_path / "layouts" / "a.png", np.zeros((HEIGHT, WIDTH), np.uint8), extra_dont_care)
    ids = tmp_path / "ids"
    ids.mkdir()
    cv2.imwrite(str(ids / "a.png"), np.zeros((HEIGHT, WIDTH), np.uint16))
    before = (ids / "a.png").read_bytes()
    for given in (ids, ids / "a.png"):
        arguments = ("synthesize", tiny_full_model, tmp_path / "layouts", "--instances", given, "--out", ids)
        refuses(arguments, f"would overwrite {ids / 'a.png'}, which is read")
    assert (ids / "a.png").read_bytes() == before


def test_an_output_folder_that_cannot_be_made_is_one_sentence(refuses, tiny_model, tmp_path):
    (tmp_path / "file").write_text("")
    refuses(("synthesize", tiny_model, "drive:1", "--out", tmp_path / "file"), "cannot write", "file")


def test_a_drive_of_another_label_set_is_refused(refuses, tiny_full_model, tmp_path):
    refuses(("synthesize", tiny_full_model, "drive:1", "--out", tmp_path / "out"), "camvid", "trio")


def foreign_model(path):
    """A model that someone else exported."""
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [result])
    opset = onnx.helper.make_opsetid("", 20)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


@pytest.mark.parametrize("command", ["synthesize", "demo", "info"])
@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "text", "foreign", "newer"])
def test_a_model_that_cannot_be_used_is_one_sentence(
    refuses, tiny_model, tmp_path, monkeypatch, command, kind
):
    monkeypatch.chdir(tmp_path)
    path, data = tmp_path / "bad.onnx", tiny_model.read_bytes()
    if kind == "foreign":
        foreign_model(path)
    elif kind == "newer":
        model = onnx.load(tiny_model)
        next(entry for entry in model.metadata_props if entry.key == "layoutrt.format").value = "99"
        onnx.save(model, path)
    elif kind != "missing":
        path.write_bytes({"empty": b"", "truncated": data[: len(data) // 2], "text": b"hello\n"}[kind])
    arguments = {
        "synthesize": (path, "drive:1", "--out", "out"),
        "demo": ("--generator", path),
        "info": (path,),
    }
    words = ("newer layoutrt", "pip install --upgrade") if kind == "newer" else ()
    refuses((command, *arguments[command]), "bad.onnx", *words)
    assert not (tmp_path / "out").exists()


def test_a_missing_native_library_is_one_sentence(tiny_model, tmp_path, subprocess_cli):
    environment = {"LAYOUTRT_LIBRARY": str(tmp_path / "liblayoutrt.so")}
    for arguments in (("synthesize", tiny_model, "drive:1", "--out", tmp_path / "out"), ("demo",)):
        done = subprocess_cli(*arguments, environment=environment, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert "liblayoutrt.so" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_validation_layouts_of_camvid_are_rendered(cli, tiny_model, data_folder, out):
    layouts = data_folder / "camvid" / "val" / "labels"
    assert cli("synthesize", tiny_model, layouts, "--out", out, "--resize").code == 0
    assert [path.name for path in sorted(out.iterdir())] == [path.name for path in sorted(layouts.iterdir())]
