"""The paper's generator in torch on a GPU: with our operators, and as published, both at their best."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.gpu_clock import Clock, Run
from benchmarks.gpu_operators import patches
from benchmarks.reference_weights import rule_state
from benchmarks.rows import Row, less_is_better, more_is_better
from layoutrt.errors import LayoutRTError
from layoutrt.export.graphs.cc_fpse import CcFpsePipeline
from layoutrt.export.graphs.folded_layers import FoldedPredictor
from layoutrt.layouts import LabelSet
from layoutrt.operators.torch.conv_to_image import conv_to_image, float_image, to_bytes
from layoutrt.operators.torch.spatially_varying_conv import reference
from layoutrt.train.networks import conditional_block
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.semantics import instance_edges, semantic_tensor

LARGEST_DIFFERENCE = 0.05
"""Largest difference of two float32 images in [-1, 1]: beyond it something is wrong, and nothing is timed."""


@dataclass(frozen=True)
class Inputs:
    """Time and memory of one run on one device."""

    labels: Tensor
    instances: Tensor
    z: Tensor

    def to(self, device: torch.device | str) -> Inputs:
        """A copy there."""
        return Inputs(*(t.to(device) for t in (self.labels, self.instances, self.z)))

    def pinned(self) -> Inputs:
        """A copy in page-locked memory, where there is a GPU."""
        gpu = torch.cuda.is_available()
        return Inputs(*(t.pin_memory() if gpu else t for t in (self.labels, self.instances, self.z)))

    def copy_from(self, other: Inputs) -> None:
        """Take another one's values."""
        for mine, theirs in (
            (self.labels, other.labels),
            (self.instances, other.instances),
            (self.z, other.z),
        ):
            mine.copy_(theirs, non_blocking=True)


class OurGenerator(nn.Module):
    """`CcFpsePipeline`, which is the exported graph, in any floating-point type.

    Args:
        generator: generator in evaluation mode; not changed.
        labels: label set of its layouts.
        dtype: type of weights and features.
        by_pixel: keep all features in ``channels_last`` order, not only the predictors' weights.
    """

    def __init__(self, generator: Generator, labels: LabelSet, dtype: torch.dtype, *, by_pixel: bool) -> None:
        super().__init__()
        self.pipeline = CcFpsePipeline(generator, labels).eval().to(dtype)
        self.dtype = dtype
        if by_pixel:
            self.pipeline.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The CUDA kernels read predictors in this order, in which a graph can hold them without a copy.
        for module in self.pipeline.modules():
            if isinstance(module, FoldedPredictor):
                module.weight = nn.Buffer(module.weight.contiguous(memory_format=torch.channels_last))

    def _features(self, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        labels = inputs.labels
        if (extra := self.pipeline.extra_dont_care) is not None:
            labels = labels.clamp(max=extra)
        edges = instance_edges(inputs.instances).to(self.dtype)
        return self.pipeline.last_features(labels, edges, inputs.z.to(self.dtype))

    def forward(self, inputs: Inputs) -> Tensor:
        """uint8 ``[N, H, W, 3]``."""
        x, y = self._features(inputs)
        return conv_to_image(x, self.pipeline.to_rgb.weight, self.pipeline.to_rgb.bias, y)

    def image(self, inputs: Inputs) -> Tensor:
        """Before its conversion to bytes: ``[N, 3, H, W]`` in [-1, 1]."""
        x, y = self._features(inputs)
        return float_image(x, self.pipeline.to_rgb.weight, self.pipeline.to_rgb.bias, y)


class PublishedGenerator(nn.Module):
    """The network as its authors write it: the layout one-hot, kernels stored, features unfolded.

    Args:
        generator: generator in evaluation mode; it becomes part of this one.
        dtype: type of weights and features.
        by_pixel: true for ``channels_last`` order.
        autocast: keep the weights in float32 and let torch choose types.
    """

    def __init__(
        self, generator: Generator, dtype: torch.dtype, *, by_pixel: bool, autocast: bool = False
    ) -> None:
        super().__init__()
        self.order = torch.channels_last if by_pixel else torch.contiguous_format
        self.generator = generator.to(torch.float32 if autocast else dtype)
        self.generator.to(memory_format=self.order)  # type: ignore[call-overload]
        self.dtype, self.autocast = dtype, autocast

    def image(self, inputs: Inputs) -> Tensor:
        """float ``[N, 3, H, W]`` in [-1, 1]."""
        config = self.generator.config
        instances = inputs.instances if config.instance_edges else None
        semantics = semantic_tensor(inputs.labels, config.num_classes, instances)
        dtype = torch.float32 if self.autocast else self.dtype
        semantics = semantics.to(dtype).contiguous(memory_format=self.order)
        # A graph would hold the copies that autocast keeps, and they are freed.
        casts = torch.autocast(semantics.device.type, self.dtype, enabled=self.autocast, cache_enabled=False)
        with _published_formulation(), casts:
            return self.generator(semantics, inputs.z.to(dtype))

    def forward(self, inputs: Inputs) -> Tensor:
        """uint8 ``[N, H, W, 3]``."""
        return to_bytes(self.image(inputs)).contiguous()


@contextlib.contextmanager
def _published_formulation() -> Iterator[None]:
    ours = conditional_block.conditional_conv
    conditional_block.conditional_conv = lambda x, hidden, predictor: reference(x, predictor(hidden))
    try:
        yield
    finally:
        conditional_block.conditional_conv = ours


def drawn_generator(config: GeneratorConfig) -> Generator:
    """A generator with drawn weights, which change neither the arithmetic nor its time."""
    generator = Generator(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    generator.load_state_dict(rule_state(shapes, 0), strict=False)
    return generator.eval()


def generator_rows(
    device: torch.device, clock: Clock, config: GeneratorConfig, labels: LabelSet
) -> Iterator[Row]:
    """Rows of the whole generator in FP16, batch 1: on the device, and from host to host.

    Every way of running either side is timed, and the best ones are compared; the row's name says which.

    Args:
        device: where.
        clock: clock to time with.
        config: configuration of a generator with instances and a latent.
        labels: label set of its layouts.

    Raises:
        LayoutRTError: in float32 the two do not give the same image.
    """
    generator = drawn_generator(config)
    inputs = _inputs(config).to(device)
    with torch.inference_mode():
        exact, rows = _compare_images(generator, labels, inputs, device)
        yield from rows
        state = {name: tensor.cpu() for name, tensor in generator.state_dict().items()}
        best: dict[str, tuple[str, float, Run]] = {}
        for side, ways in (("ours", _our_ways), ("published", _published_ways)):
            for way, module in ways(config, state, labels, device):
                if side == "ours" and not best:
                    yield _half_precision_row(module, exact, inputs)
                for graph in (False, True):
                    run = lambda module=module: module(inputs)  # noqa: E731
                    timed = clock.capture(run) if graph else run
                    ms = clock.medians({way: timed})[way]
                    # Nobody captures what the authors wrote, so it is told without a graph, too.
                    for name in (side, *(("published, no graph",) if side != "ours" and not graph else ())):
                        if name not in best or ms < best[name][1]:
                            best[name] = (f"{way}{', CUDA graph' if graph else ''}", ms, timed)
        yield from _speed_rows(config, best, clock, inputs)


def _inputs(config: GeneratorConfig) -> Inputs:
    labels = patches(torch.device("cpu"), max(config.image_height, config.image_width))
    labels = labels[:, : config.image_height, : config.image_width] % config.num_classes
    z = torch.randn(1, config.latent, generator=torch.Generator().manual_seed(0))
    return Inputs(labels.contiguous(), labels.int().contiguous(), z)


def _compare_images(
    generator: Generator, labels: LabelSet, inputs: Inputs, device: torch.device
) -> tuple[Tensor, list[Row]]:
    """Both in float32, without TF32: our image, and a row of how far they are apart."""
    ours = OurGenerator(generator, labels, torch.float32, by_pixel=False).to(device)
    published = PublishedGenerator(generator.to(device), torch.float32, by_pixel=False)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        exact, theirs = ours.image(inputs), published.image(inputs)
    difference = float((exact - theirs).abs().max())
    if not difference <= LARGEST_DIFFERENCE:
        raise LayoutRTError(
            f"the images of our generator and of the published formulation differ by {difference:.3g} on "
            f"{device}; run pytest -m gpu to see which operator is wrong"
        )
    name = "paper's generator FP32: largest difference from the published image / one gray level"
    return exact, [less_is_better(name, max(difference, 1e-12), 1 / 127.5, "", "ours <= 0.001")]


def _half_precision_row(module: nn.Module, exact: Tensor, inputs: Inputs) -> Row:
    assert isinstance(module, OurGenerator)
    difference = float((module.image(inputs).float() - exact).abs().mean())
    name = "paper's generator FP16: mean difference from the FP32 image / one gray level"
    return less_is_better(name, max(difference, 1e-12), 1 / 127.5, "", "ratio > 1")


def _our_ways(
    config: GeneratorConfig, state: Mapping[str, Tensor], labels: LabelSet, device: torch.device
) -> Iterator[tuple[str, nn.Module]]:
    for by_pixel in (False, True):
        module = OurGenerator(_loaded(config, state), labels, torch.float16, by_pixel=by_pixel)
        yield _order(by_pixel), module.to(device)


def _published_ways(
    config: GeneratorConfig, state: Mapping[str, Tensor], labels: LabelSet, device: torch.device
) -> Iterator[tuple[str, nn.Module]]:
    for by_pixel in (False, True):
        for autocast in (False, True):
            module = PublishedGenerator(
                _loaded(config, state).to(device), torch.float16, by_pixel=by_pixel, autocast=autocast
            )
            yield f"{_order(by_pixel)}{', autocast' if autocast else ''}", module


def _order(by_pixel: bool) -> str:
    return "channels last" if by_pixel else "planes"


def _loaded(config: GeneratorConfig, state: Mapping[str, Tensor]) -> Generator:
    with torch.device("meta"):
        generator = Generator(config)
    generator.load_state_dict(state, assign=True)
    return generator.eval()


def _speed_rows(
    config: GeneratorConfig, best: Mapping[str, tuple[str, float, Run]], clock: Clock, inputs: Inputs
) -> Iterator[Row]:
    # In alternating rounds once more: what one GPU clock does to one side it does to the other.
    ms = clock.medians({side: timed for side, (_, _, timed) in best.items()})
    size = f"{config.image_height}x{config.image_width}"
    for theirs in ("published", "published, no graph"):
        name = f"paper's generator FP16 {size}: ours ({best['ours'][0]}) / {theirs} ({best[theirs][0]})"
        yield less_is_better(name, ms["ours"], ms[theirs], "ms", "ratio >= 5")
    host = inputs.to("cpu").pinned()
    runs = {side: _host_to_host(best[side][2], inputs, host) for side in ("ours", "published")}
    ms = clock.medians(runs)
    name = f"paper's generator FP16 {size}, host to host: ours / published"
    yield more_is_better(name, 1e3 / ms["ours"], 1e3 / ms["published"], "images/s")
    yield less_is_better(name, ms["ours"], ms["published"], "ms")


def _host_to_host(run: Run, inputs: Inputs, host: Inputs) -> Run:
    """Layout, instances and latent in page-locked memory; the image there too."""
    image: list[Tensor] = []

    def whole() -> None:
        inputs.copy_from(host)
        made = run()
        assert isinstance(made, Tensor)
        if not image:
            empty = torch.empty(made.shape, dtype=made.dtype)
            image.append(empty.pin_memory() if made.is_cuda else empty)
        image[0].copy_(made, non_blocking=True)

    return whole
