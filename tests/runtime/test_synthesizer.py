"""The Synthesizer: what it renders, and what it refuses."""

import json
import tracemalloc

import numpy as np
import onnx
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

HEIGHT, WIDTH = 64, 96


def draw_layout(classes: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, shape, np.uint8)


@pytest.fixture(scope="module")
def plain(tiny_model):
    with Synthesizer(tiny_model, threads=1) as synthesizer:
        yield synthesizer


@pytest.fixture(scope="module")
def dynamic(tiny_dynamic_model):
    with Synthesizer(tiny_dynamic_model, threads=1) as synthesizer:
        yield synthesizer


@pytest.fixture(scope="module")
def full(tiny_full_model):
    with Synthesizer(tiny_full_model, threads=1) as synthesizer:
        yield synthesizer


@pytest.fixture
def full_inputs():
    labels = draw_layout(4, HEIGHT, WIDTH)
    return {"labels": labels, "instances": labels.astype(np.int32) * 1000, "z": latent_from_seed(0, 16)}


def test_a_synthesizer_knows_what_its_model_takes(plain, dynamic, full):
    assert (plain.size, plain.needs_instances, plain.latent) == ((HEIGHT, WIDTH), False, 0)
    assert (dynamic.size, dynamic.size_multiple, dynamic.trained_size) == (None, 32, (HEIGHT, WIDTH))
    assert (full.size, full.needs_instances, full.latent) == ((HEIGHT, WIDTH), True, 16)
    assert plain.label_set.name == "camvid"
    assert "ONNX Runtime" in plain.backend


def test_a_batch_is_rendered_as_its_layouts_one_by_one(plain, dynamic):
    layouts = draw_layout(12, 3, HEIGHT, WIDTH)
    for synthesizer in (plain, dynamic):
        images = synthesizer.render(layouts)
        assert images.dtype == np.uint8
        assert images.shape == (3, HEIGHT, WIDTH, 3)
        for layout, image in zip(layouts, images, strict=True):
            assert (synthesizer.render(layout) == image).all()


def test_an_open_model_renders_any_multiple_of_its_step(plain, dynamic):
    layout = draw_layout(12, HEIGHT, WIDTH)
    assert np.abs(plain.render(layout).astype(int) - dynamic.render(layout)).max() <= 1
    assert dynamic.render(draw_layout(12, 32, 160)).shape == (32, 160, 3)
    assert dynamic.fitting_size(100, 5) == (96, 32)
    assert plain.fitting_size(100, 5) == (HEIGHT, WIDTH)


def test_instances_and_latent_change_the_image(full, full_inputs):
    image = full.render(**full_inputs)
    assert (image != full.render(**full_inputs | {"z": latent_from_seed(1, 16)})).any()
    assert (image != full.render(**full_inputs | {"instances": np.zeros((HEIGHT, WIDTH), np.int32)})).any()


def test_each_layout_of_a_batch_may_have_its_own_latent(full, full_inputs):
    labels = np.stack([full_inputs["labels"]] * 2)
    instances = np.stack([full_inputs["instances"]] * 2)
    z = np.stack([latent_from_seed(seed, 16) for seed in (0, 1)])
    images = full.render(labels, instances, z)
    for index in range(2):
        assert (images[index] == full.render(labels[index], instances[index], z[index])).all()
    assert (full.render(labels, instances, z[0])[1] == images[0]).all()


def test_255_is_dont_care_where_the_label_set_has_an_extra_index_for_it(full, full_inputs, plain):
    labels = full_inputs["labels"]
    as_byte = np.where(labels == 3, np.uint8(255), labels)
    assert (full.render(**full_inputs | {"labels": as_byte}) == full.render(**full_inputs)).all()
    with pytest.raises(LayoutRTError, match="label 255"):
        plain.render(np.full((HEIGHT, WIDTH), 255, np.uint8))


def test_a_seed_gives_the_same_latent_everywhere():
    z = latent_from_seed(7, 256)
    assert z.dtype == np.float32
    assert z[:3] == pytest.approx([1.5219693, -1.1441058, 1.1501616], abs=1e-6)
    assert (z == latent_from_seed(7, 256)).all()
    assert (z != latent_from_seed(8, 256)).any()


def test_a_label_outside_the_set_is_named_with_its_pixel(plain):
    labels = draw_layout(12, HEIGHT, WIDTH)
    labels[5, 9] = 12
    with pytest.raises(LayoutRTError, match=r"label 12 at pixel \(x=9, y=5\).*'camvid'.*ends at 11"):
        plain.render(labels)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((HEIGHT, WIDTH), np.int64), "int64"),
        (np.zeros((HEIGHT, WIDTH), np.float32), "float32"),
        (np.zeros((1, 1, HEIGHT, WIDTH), np.uint8), r"\[1, 1, 64, 96\]"),
        (np.zeros((0, HEIGHT, WIDTH), np.uint8), r"\[0, 64, 96\]"),
        (np.zeros((360, 480), np.uint8), "is 360x480 but model model makes 64x96.*--resize"),
    ],
)
def test_labels_of_another_dtype_rank_or_size_are_refused(plain, labels, words):
    with pytest.raises(LayoutRTError, match=words):
        plain.render(labels)


def test_an_open_model_refuses_what_is_between_its_steps(dynamic):
    with pytest.raises(LayoutRTError, match=r"33x64.*multiples of 32.*--resize"):
        dynamic.render(np.zeros((33, 64), np.uint8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instances": None}, "reads instance ids"),
        ({"instances": np.zeros((HEIGHT, WIDTH), np.uint8)}, r"uint8 \[64, 96\]; give int32 \[64, 96\]"),
        ({"instances": np.zeros((2, 2), np.int32)}, r"int32 \[2, 2\]"),
        ({"z": None}, r"has a latent; give z, float32 \[16\]"),
        ({"z": np.zeros(15, np.float32)}, r"float32 \[15\].*takes float32 \[16\]"),
        ({"z": np.zeros(16)}, r"float64 \[16\]"),
        ({"z": np.zeros((3, 16), np.float32)}, r"float32 \[3, 16\]"),
    ],
)
def test_missing_and_misshapen_instances_and_latents_are_refused(full, full_inputs, change, words):
    with pytest.raises(LayoutRTError, match=words):
        full.render(**full_inputs | change)


def test_what_the_model_does_not_read_is_refused(plain):
    labels = draw_layout(12, HEIGHT, WIDTH)
    with pytest.raises(LayoutRTError, match="reads no instances"):
        plain.render(labels, instances=labels.astype(np.int32))
    with pytest.raises(LayoutRTError, match="has no latent"):
        plain.render(labels, z=latent_from_seed(0, 16))


def rewrite_metadata(source, target, change):
    model = onnx.load(source)
    values = {entry.key: entry.value for entry in model.metadata_props}
    change(values)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, values)
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict.clear, "was not made by layoutrt"),
        (lambda values: values.update({"layoutrt.kind": "segmenter"}), "it is a segmenter"),
        (lambda values: values.update({"layoutrt.format": "2"}), "newer layoutrt.*pip install --upgrade"),
        (lambda values: values.pop("layoutrt.config"), "incomplete metadata"),
        (lambda values: values.update({"layoutrt.config": json.dumps({})}), "incomplete metadata"),
        (
            lambda values: values.update({"layoutrt.label_set": "{"}),
            "label set .* cannot be read",
        ),
    ],
)
def test_a_model_with_other_metadata_is_refused(tiny_model, tmp_path, change, words):
    path = rewrite_metadata(tiny_model, tmp_path / "other.onnx", change)
    with pytest.raises(LayoutRTError, match=words):
        Synthesizer(path)


def test_labels_that_are_all_wrong_are_refused_in_little_memory(tiny_model) -> None:
    labels = np.full((500, 64, 96), 99, np.uint8)
    with Synthesizer(tiny_model) as synthesizer:
        tracemalloc.start()
        with pytest.raises(LayoutRTError, match=r"label 99 at pixel \(x=0, y=0\)"):
            synthesizer.check(labels)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * labels.nbytes
