"""Calls of the CUDA library by torch's operators, seen with one that takes the CPU's memory for the GPU's.

`tests/native/test_cuda_torch.py` runs the kernels themselves behind the same calls, emulated, and `tests/gpu`
on a GPU.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.operators.torch import (
    layout_conv,
    predicted_conv,
    quantized_predicted_conv,
    spatially_varying_conv,
)
from layoutrt.operators.torch.backends import cuda
from tests.support.cuda import gpu_cases
from tests.support.cuda.cpu_library import CpuLibrary
from tests.support.cuda.gpu_cases import FLOATING as ELEMENT_TYPES
from tests.support.cuda.gpu_cases import Case

ROOT = Path(__file__).resolve().parents[2]
FLOATING = (torch.float32, torch.float16)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> CpuLibrary:
    library = CpuLibrary()
    library.install(monkeypatch)
    return library


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def assert_close(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    assert actual.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(
        actual.double(), expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())
    )


def predicted_arguments(p: int, dtype: torch.dtype, affine: bool = True) -> list[Tensor]:
    shapes = [(2, 3, 5, 7), (2, 8, 5, 7), (27, 8, p, p), (27,), *([(3,), (3,)] if affine else [])]
    return [draw(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("p", [1, 3])
def test_predicted_conv_is_computed_by_the_library(p, dtype, library) -> None:
    for affine in (True, False):
        arguments = predicted_arguments(p, dtype, affine)
        expected = predicted_conv.reference(*(a.double() for a in arguments))
        assert_close(predicted_conv.predicted_conv(*arguments), expected, dtype)
    assert library.calls == ["predicted_conv"] * 2


def test_parameters_that_autocast_leaves_in_float32_are_converted(library) -> None:
    x, h, *rest = predicted_arguments(3, torch.float32)
    y = predicted_conv.predicted_conv(x.half(), h.half(), *rest)
    expected = predicted_conv.reference(*(a.half().double() for a in (x, h, *rest)))
    assert_close(y, expected, torch.float16)
    assert library.calls


@pytest.mark.parametrize("p", [5, 3])
def test_what_the_library_lacks_goes_the_other_way(p, library) -> None:
    dtype = torch.float32 if p == 5 else torch.float64
    arguments = predicted_arguments(p, dtype)
    y = predicted_conv.predicted_conv(*arguments)
    torch.testing.assert_close(y, predicted_conv.reference(*arguments), rtol=1e-4, atol=1e-4)
    assert "predicted_conv" not in library.calls


@pytest.mark.parametrize("dtype", FLOATING)
def test_the_other_operators_are_computed_by_it_where_triton_is_missing(dtype, library) -> None:
    x, w, scale, shift = (
        draw(*shape, seed=1, dtype=dtype) for shape in ((1, 2, 5, 7), (1, 50, 5, 7), (2,), (2,))
    )
    expected = spatially_varying_conv.reference(*(t.double() for t in (x, w, scale, shift)))
    # On the CPU half precision is computed in float32.
    widened = torch.float32 if dtype == torch.float16 else dtype
    assert_close(
        spatially_varying_conv.spatially_varying_conv(x.to(widened), w.to(widened), scale, shift),
        expected,
        widened,
    )
    labels = torch.arange(2 * 5 * 7, dtype=torch.uint8).reshape(2, 5, 7)
    table, bias = draw(60, 9, 4, seed=2, dtype=dtype), draw(4, seed=3, dtype=dtype)
    for stride in (1, 2):
        y = layout_conv.layout_conv(labels, table, bias, stride)
        assert_close(y, layout_conv.reference(labels, table.double(), bias.double(), stride), dtype)
    assert library.calls == ["spatially_varying_conv", "layout_conv", "layout_conv"]


def test_quantized_predicted_conv_takes_floats_and_levels(library) -> None:
    x, h, _, bias, scale, shift = predicted_arguments(3, torch.float16)
    weight = torch.randint(-127, 128, (27, 8, 3, 3), dtype=torch.int8)
    weight_scale = torch.tensor([0.01, 0.02, 0.03])
    levels = torch.round(h.float() / 0.05).clamp(-128, 127)
    options = {"h_scale": 0.05, "weight_scale": weight_scale}
    wide = [t.double() for t in (x, levels * 0.05)]
    expected = quantized_predicted_conv.reference(
        *wide, weight, *(t.double() for t in (bias, scale, shift)),
        h_scale=0.05, h_zero_point=128, weight_scale=weight_scale.tolist(),
    )  # fmt: skip
    for features in (h, levels.to(torch.int8)):
        y = cuda.quantized_predicted_conv(x, features, weight, bias, scale, shift, **options)
        assert_close(y, expected, torch.float16)


def test_channels_last_features_are_read_as_they_are(library) -> None:
    for dtype, features, layout in ((torch.float16, 8, 1), (torch.float16, 6, 0), (torch.float32, 8, 0)):
        x, weight = draw(1, 2, 4, 6, seed=1, dtype=dtype), draw(18, features, 3, 3, seed=2, dtype=dtype)
        h = draw(1, features, 4, 6, seed=3, dtype=dtype).to(memory_format=torch.channels_last)
        bias = draw(18, seed=4, dtype=dtype)
        expected = predicted_conv.reference(*(t.double() for t in (x, h, weight, bias)))
        assert_close(predicted_conv.predicted_conv(x, h, weight, bias), expected, dtype)
        assert library.layouts[-1] == layout


def test_channels_last_features_that_start_between_16_bytes_are_copied(library) -> None:
    x, weight = draw(1, 2, 4, 6, seed=1, dtype=torch.float16), draw(18, 8, 3, 3, seed=2, dtype=torch.float16)
    bias = draw(18, seed=4, dtype=torch.float16)
    by_pixel = draw(1 + 8 * 24, seed=3, dtype=torch.float16)[1:].view(1, 4, 6, 8)
    h = by_pixel.permute(0, 3, 1, 2)
    assert h.data_ptr() % 16 != 0
    expected = predicted_conv.reference(*(t.double() for t in (x, h, weight, bias)))
    assert_close(predicted_conv.predicted_conv(x, h, weight, bias), expected, torch.float16)
    assert library.layouts[-1] == 0


def test_a_weight_is_put_in_order_once_and_again_when_it_changes(library) -> None:
    x, h, weight, bias, *affine = predicted_arguments(3, torch.float32)
    weight.requires_grad_()
    run = lambda: predicted_conv.predicted_conv(x, h, weight, bias, *affine)  # noqa: E731
    first, again = run().detach(), run().detach()
    assert library.weights[0] == library.weights[1] != weight.data_ptr()
    with torch.no_grad():
        weight.mul_(2)
    changed = run().detach()
    expected = predicted_conv.reference(*(t.detach().double() for t in (x, h, weight, bias, *affine)))
    assert_close(changed, expected, torch.float32)
    assert torch.equal(first, again)
    assert not torch.equal(first, changed)
    weight.data = weight.data / 2
    assert torch.equal(run().detach(), first)


def test_the_ordered_copy_goes_with_its_weight(library) -> None:
    gc.collect()
    before = len(cuda._ordered)
    x, h, weight, bias, *affine = predicted_arguments(3, torch.float32)
    predicted_conv.predicted_conv(x, h, weight, bias, *affine)
    assert len(cuda._ordered) == before + 1
    del weight
    gc.collect()
    assert len(cuda._ordered) == before


@pytest.mark.parametrize("p", [1, 3])
def test_a_weight_in_channels_last_order_is_never_copied(p, library) -> None:
    x, h, weight, bias, *affine = predicted_arguments(p, torch.float16)
    weight = weight.to(memory_format=torch.channels_last)
    y = predicted_conv.predicted_conv(x, h, weight, bias, *affine)
    assert library.weights == [weight.data_ptr()]
    expected = predicted_conv.reference(*(t.double() for t in (x, h, weight, bias, *affine)))
    assert_close(y, expected, torch.float16)


def test_no_copy_is_kept_while_a_graph_is_captured(library, monkeypatch) -> None:
    before = len(cuda._ordered)
    monkeypatch.setattr(cuda, "_capturing", lambda tensor: True)
    x, h, weight, bias, *affine = predicted_arguments(3, torch.float32)
    predicted_conv.predicted_conv(x, h, weight, bias, *affine)
    assert len(cuda._ordered) == before


def test_gradients_are_those_of_the_reference(library) -> None:
    arguments = [a.requires_grad_() for a in predicted_arguments(3, torch.float32)]
    y = predicted_conv.predicted_conv(*arguments)
    exact = [a.detach().double().requires_grad_() for a in arguments]
    expected = predicted_conv.reference(*exact)
    grad = draw(*y.shape, seed=9)
    right = torch.autograd.grad(expected, exact, grad.double())
    for actual, e in zip(torch.autograd.grad(y, arguments, grad), right, strict=True):
        assert_close(actual, e, torch.float32)


SHAPE = {"n": 2, "c": 5, "height": 6, "width": 9}
PREDICTOR = {**SHAPE, "j": 8, "p": 3, "affine": True}


@pytest.mark.parametrize("dtype", ELEMENT_TYPES.values(), ids=ELEMENT_TYPES)
@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("varying", {**SHAPE, "k": 5, "affine": True}),
        ("layout", {**SHAPE, "count": 30, "k": 3, "stride": 2, "label_type": torch.int32}),
        ("predicted", {**PREDICTOR, "by_pixel": True}),
        ("quantized", {**PREDICTOR, "affine": False}),
        ("quantized", {**PREDICTOR, "levels": True, "by_pixel": True}),
    ],
)
def test_the_cases_of_the_tests_on_a_gpu_hold_for_the_references(operator, arguments, dtype, library) -> None:
    case: Case = getattr(gpu_cases, operator)(torch.device("cpu"), dtype, **arguments)
    gpu_cases.assert_close(case.run(), case.expect())
    wrong = case.run() * 1.01
    with pytest.raises(AssertionError):
        gpu_cases.assert_close(wrong, case.expect())


def test_a_launch_that_fails_is_a_sentence(library) -> None:
    library.error = 209
    with pytest.raises(LayoutRTError, match=r"no kernel image .* build it again with: pip install"):
        predicted_conv.predicted_conv(*predicted_arguments(1, torch.float32))


def test_a_preferred_type_needs_the_library_too(library, monkeypatch) -> None:
    tensors = [draw(1, 2, seed=0)]
    monkeypatch.setitem(cuda.PREFERRED, "LayoutConv", (torch.float32,))
    assert cuda.preferred("LayoutConv", torch.float32, *tensors)
    assert not cuda.preferred("LayoutConv", torch.float16, *tensors)
    monkeypatch.setattr(cuda, "library", lambda: None)
    assert not cuda.preferred("LayoutConv", torch.float32, *tensors)


@pytest.fixture
def fresh_library() -> Iterator[None]:
    cuda.library.cache_clear()
    yield
    cuda.library.cache_clear()


def test_a_library_that_does_not_exist_or_load_is_named(tmp_path, monkeypatch, fresh_library) -> None:
    path = tmp_path / "liblayoutrt_cuda.so"
    monkeypatch.setenv("LAYOUTRT_CUDA_LIBRARY", str(path))
    with pytest.raises(LayoutRTError, match="LAYOUTRT_CUDA_LIBRARY names does not exist"):
        cuda.library()
    path.write_bytes(b"\x7fELF, or not")
    with pytest.raises(LayoutRTError, match=r"liblayoutrt_cuda\.so cannot be loaded"):
        cuda.library()


def test_without_a_library_nothing_is_served(tmp_path, monkeypatch, fresh_library) -> None:
    (tmp_path / "liblayoutrt.so").touch()
    monkeypatch.setenv("LAYOUTRT_LIBRARY", str(tmp_path / "liblayoutrt.so"))
    monkeypatch.delenv("LAYOUTRT_CUDA_LIBRARY", raising=False)
    assert cuda.library() is None
    monkeypatch.setattr(cuda, "_is_gpu", lambda device: True)
    assert not cuda.serves(torch.ones(1))


def test_the_signatures_are_those_of_the_header() -> None:
    header = (ROOT / "runtime/native/cuda_api/cuda_api.h").read_text()
    found = {}
    for name, arguments in re.findall(r"int32_t (lrt_cuda_\w+)\(([^)]*)\)", header):
        kinds = ["pointer" if "*" in argument else argument.split()[0] for argument in arguments.split(",")]
        assert kinds[-1] == "pointer", "the stream comes last"
        found[name] = (kinds[:-1].count("pointer"), kinds.count("int32_t"), kinds.count("float"))
        pointers, numbers, _ = found[name]
        assert kinds[:pointers] == ["pointer"] * pointers
        assert kinds[pointers : pointers + numbers] == ["int32_t"] * numbers
    assert found == cuda._SIGNATURES


def test_a_weight_that_was_ordered_on_one_stream_is_waited_for_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream:
        """Notes what it waits for; a CPU has none."""

        def __init__(self) -> None:
            self.waited: list[object] = []

        def record_event(self) -> object:
            return self

        def wait_event(self, event: object) -> None:
            self.waited.append(event)

    first, second = Stream(), Stream()
    kept: list[tuple[int, object]] = []
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda tensor, stream: kept.append((tensor.data_ptr(), stream))
    )
    weight = torch.randn(9, 4, 3, 3)
    copies = []
    for stream in (first, first, second):
        monkeypatch.setattr(cuda, "_stream_of", lambda tensor, stream=stream: stream)
        copies.append(cuda.ordered_weight(weight, torch.float32))
    assert copies[0] is copies[1] is copies[2]
    assert first.waited == []
    assert second.waited == [first]
    assert kept == [(copies[0].data_ptr(), second)]
