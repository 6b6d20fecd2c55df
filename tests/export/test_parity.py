"""The exported graph computes what the trained network computes, with our operators and without them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from layoutrt.export.graphs.build import inference_pipeline
from layoutrt.export.onnx_export.to_onnx import generator_model
from layoutrt.graph.float_image import with_float_image
from layoutrt.layouts import LabelSet, label_set
from layoutrt.runtime.backends.native_bindings import operator_library
from layoutrt.runtime.session import Session
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator, build_generator
from layoutrt.train.networks.semantics import semantic_tensor


class Variant(NamedTuple):
    """A kind of generator and the sizes it is checked at."""

    labels: LabelSet
    config: GeneratorConfig
    sizes: tuple[tuple[int, int], ...]


TRIO = LabelSet("trio", label_set("camvid").labels[:3], dont_care=3, file_dont_care=255)
VARIANTS = {
    "six levels, any size": Variant(
        label_set("camvid"),
        GeneratorConfig(12, width=4, hidden=8, predictor_kernel=1),
        ((96, 160), (192, 256), (64, 64)),
    ),
    "seven levels, instances, 3x3 predictors, any size": Variant(
        label_set("cityscapes"),
        GeneratorConfig(35, instance_edges=True, width=3, hidden=5, pyramid_levels=7),
        ((64, 128), (192, 256)),
    ),
    "latent, instances, extra don't care": Variant(
        TRIO,
        GeneratorConfig(
            4, instance_edges=True, width=4, hidden=8, latent=16, image_height=96, image_width=160
        ),
        ((96, 160),),
    ),
    "edge generator": Variant(
        label_set("camvid"),
        GeneratorConfig(12, width=6, hidden=10, predictor_kernel=1, architecture="edge"),
        ((96, 160), (192, 256)),
    ),
    "edge generator, instances, extra don't care": Variant(
        TRIO,
        GeneratorConfig(4, instance_edges=True, width=6, hidden=10, predictor_kernel=1, architecture="edge"),
        ((64, 64),),
    ),
    "SPADE, instances, extra don't care": Variant(
        TRIO,
        GeneratorConfig(4, instance_edges=True, width=3, hidden=5, predictor_kernel=1, architecture="spade"),
        ((96, 160), (192, 256)),
    ),
    "seven levels and latent": Variant(
        TRIO,
        GeneratorConfig(4, width=3, hidden=5, pyramid_levels=7, latent=8, image_height=64, image_width=128),
        ((64, 128),),
    ),
}


def random_generator(config: GeneratorConfig) -> AnyGenerator:
    """Random weights, with norms and spectral norms that have seen a few batches."""
    torch.manual_seed(3)
    generator = build_generator(config)
    labels, instances, z = draw_inputs(config, (config.image_height, config.image_width), batch=2)
    semantics = semantic_tensor(labels, config.num_classes, instances)
    with torch.no_grad():
        for _ in range(4):
            generator(semantics, z)
    return generator.eval()


def draw_inputs(config: GeneratorConfig, size: tuple[int, int], batch: int = 1):
    """Labels in patches, instances in larger ones, a latent; None where the network has no such input."""
    random = np.random.default_rng(size[1])
    patch = lambda side, top: np.kron(  # noqa: E731
        random.integers(0, top, (batch, size[0] // side, size[1] // side)), np.ones((1, side, side), np.int64)
    )
    labels = torch.from_numpy(patch(4, config.num_classes).astype(np.uint8))
    instances = torch.from_numpy(patch(8, 5).astype(np.int32)) if config.instance_edges else None
    z = (
        torch.from_numpy(random.standard_normal((batch, config.latent), np.float32))
        if config.latent
        else None
    )
    return labels, instances, z


@pytest.fixture(scope="module", params=VARIANTS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The variant, its generator, its ONNX file, and one that gives the image before its bytes."""
    variant = VARIANTS[request.param]
    generator = random_generator(variant.config)
    model = generator_model(
        generator, variant.labels, size=variant.sizes[0], dynamic=not variant.config.latent
    )
    folder = tmp_path_factory.mktemp("parity")
    path, float_path = folder / "model.onnx", folder / "float.onnx"
    onnx.save(model, path)
    onnx.save(with_float_image(model), float_path)
    return variant, generator, path, float_path


def with_native_session(path: Path) -> Callable[..., list[np.ndarray]]:
    session = Session(path, threads=2)
    return lambda **inputs: list(session.run(**inputs).values())


def with_onnxruntime_and_operators(path: Path) -> Callable[..., list[np.ndarray]]:
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(operator_library()))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda **inputs: session.run(None, inputs)


def with_onnxruntime_alone(path: Path) -> Callable[..., list[np.ndarray]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda **inputs: session.run(None, inputs)


@pytest.mark.parametrize(
    "runner", [with_native_session, with_onnxruntime_and_operators, with_onnxruntime_alone]
)
def test_onnx_gives_the_networks_image(exported, runner) -> None:
    variant, generator, path, float_path = exported
    run, run_float = runner(path), runner(float_path)
    for size in variant.sizes:
        labels, instances, z = draw_inputs(variant.config, size)
        with torch.no_grad():
            expected = generator(semantic_tensor(labels, variant.config.num_classes, instances), z)
        given = {"labels": labels, "instances": instances, "z": z}
        inputs = {name: t.numpy() for name, t in given.items() if t is not None}
        (image,), (before_bytes,) = run(**inputs), run_float(**inputs)
        np.testing.assert_allclose(before_bytes, expected.numpy(), atol=1e-4, rtol=0)
        gray = ((expected + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
        assert image.dtype == np.uint8
        assert image.shape == (1, *size, 3)
        assert np.abs(image.astype(int) - gray).max() <= 1
        assert gray.std() > 1, "an image of one color would hide every difference"


def test_folded_pipeline_gives_the_networks_image_in_torch(exported) -> None:
    variant, generator, *_ = exported
    labels, instances, z = draw_inputs(variant.config, variant.sizes[0], batch=2)
    with torch.no_grad():
        expected = generator(semantic_tensor(labels, variant.config.num_classes, instances), z)
        image = inference_pipeline(generator, variant.labels).image(labels, instances, z)
    torch.testing.assert_close(image, expected, atol=1e-4, rtol=0)


def test_byte_255_is_dont_care_where_that_is_an_extra_class(exported) -> None:
    variant, _, path, _ = exported
    if variant.labels is not TRIO:
        pytest.skip("only a variant with an extra don't-care class has the rule")
    run = with_native_session(path)
    labels, instances, z = draw_inputs(variant.config, variant.sizes[0])
    inputs = {name: t.numpy() for name, t in {"instances": instances, "z": z}.items() if t is not None}
    by_index = run(labels=labels.numpy(), **inputs)[0]
    in_files = np.where(labels.numpy() == 3, np.uint8(255), labels.numpy())
    assert (in_files == 255).any()
    assert np.array_equal(run(labels=in_files, **inputs)[0], by_index)


def test_one_and_two_threads_give_the_same_bytes(exported) -> None:
    variant, _, path, _ = exported
    labels, instances, z = draw_inputs(variant.config, variant.sizes[0])
    inputs = {
        name: t.numpy()
        for name, t in {"labels": labels, "instances": instances, "z": z}.items()
        if t is not None
    }
    outputs = [Session(path, threads=threads).run(**inputs) for threads in (1, 2)]
    for name in outputs[0]:
        assert outputs[0][name].tobytes() == outputs[1][name].tobytes()
