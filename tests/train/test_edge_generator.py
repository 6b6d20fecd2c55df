"""The edge generator and the baseline: their budgets, and what they react to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.to_onnx import generator_model
from layoutrt.graph.cost import graph_cost
from layoutrt.layouts import label_set
from layoutrt.train.networks.edge_generator import doubled
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator, build_generator
from layoutrt.train.networks.semantics import semantic_tensor

SIZE = (192, 256)
EDGE = GeneratorConfig(
    12, width=32, hidden=32, predictor_kernel=1, architecture="edge", image_height=192, image_width=256
)
SPADE = GeneratorConfig(
    12, width=8, hidden=18, predictor_kernel=1, architecture="spade", image_height=192, image_width=256
)


def cost(config: GeneratorConfig):
    return graph_cost(generator_model(build_generator(config).eval(), label_set("camvid"), size=SIZE), SIZE)


def test_the_edge_generator_keeps_to_its_budget_and_the_baseline_costs_the_same() -> None:
    edge, spade = cost(EDGE), cost(SPADE)
    assert edge.flops <= 4e9
    assert edge.parameters <= 4e6
    assert 0.95 < spade.flops / edge.flops < 1.05


def tiny(architecture: str) -> AnyGenerator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        4, width=6, hidden=8, predictor_kernel=1, architecture=architecture, image_height=64, image_width=64
    )
    generator = build_generator(config)
    with torch.no_grad():
        # Spectral norm estimates its singular vectors, and batch norm its statistics, in training mode.
        for _ in range(5):
            generator(semantic_tensor(torch.randint(0, 4, (2, 64, 64), dtype=torch.uint8), 4))
    return generator.eval()


@pytest.mark.parametrize("architecture", ["edge", "spade"])
def test_a_change_of_one_pixel_shows_where_it_was_made(architecture: str) -> None:
    generator = tiny(architecture)
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    changed = labels.clone()
    changed[0, 33, 21] = 2
    with torch.no_grad():
        difference = (
            (generator(semantic_tensor(changed, 4)) - generator(semantic_tensor(labels, 4))).abs().sum(1)[0]
        )
    assert difference[33, 21] > 0
    assert difference[30:37, 18:25].mean() > 10 * difference[:8, 40:].mean()


@pytest.mark.parametrize("architecture", ["edge", "spade"])
def test_every_weight_takes_part_in_training(architecture: str) -> None:
    generator = tiny(architecture).train()
    labels = torch.randint(0, 4, (2, 64, 64), dtype=torch.uint8)
    generator(semantic_tensor(labels, 4)).square().mean().backward()
    idle = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before a batch norm without affine has no effect by construction; there is none here but SPADE's.
    assert [name for name in idle if "bias" not in name] == []


def test_the_baseline_has_no_latent() -> None:
    with pytest.raises(LayoutRTError, match="'spade' has latent = 0, not 16"):
        GeneratorConfig(4, width=6, predictor_kernel=1, architecture="spade", latent=16)


def test_an_unknown_architecture_is_refused_and_not_taken_for_another() -> None:
    with pytest.raises(LayoutRTError, match="architecture 'gan' is not known; choose cc-fpse, edge or spade"):
        GeneratorConfig(4, architecture="gan")


def test_distillation_points_of_teacher_and_student_meet_at_the_same_strides() -> None:
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    seen: dict[str, dict[str, int]] = {}
    for architecture in ("cc-fpse", "edge", "spade"):
        generator = tiny(architecture)
        seen[architecture] = {}
        for name, module in generator.distillation_points().items():
            module.register_forward_hook(
                lambda _, __, y, a=architecture, n=name: seen[a].update({n: 64 // y.shape[2]})
            )
        with torch.no_grad():
            generator(semantic_tensor(labels, 4))
    for strides in seen.values():
        assert all(int(name) == stride for name, stride in strides.items())
    assert set(seen["edge"]) == {"8", "4", "2"}
    assert set(seen["cc-fpse"]) == set(seen["spade"]) == {"8", "4", "2", "1"}


def test_smooth_doubling_is_bilinear_away_from_the_border() -> None:
    x = torch.rand(1, 3, 6, 8)
    bilinear = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubled(x, "smooth")[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])


def test_smoothly_doubled_features_have_no_squares_and_cost_nothing_to_speak_of() -> None:
    smooth = replace(EDGE, upsampling="smooth", latent=64)
    assert cost(smooth).flops <= 1.005 * cost(EDGE).flops
    steps = {}
    x = torch.rand(1, 1, 4, 4)
    for upsampling in ("nearest", "smooth"):
        y = doubled(doubled(doubled(x, upsampling), upsampling), upsampling)[..., 8:-8, 8:-8]
        steps[upsampling] = (y[..., 1:] - y[..., :-1]).abs().max()
    assert steps["smooth"] < 0.3 * steps["nearest"]


@pytest.mark.parametrize("architecture", ["cc-fpse", "spade"])
def test_only_the_edge_generator_doubles_smoothly(architecture: str) -> None:
    with pytest.raises(LayoutRTError, match=f"'{architecture}' has upsampling = nearest, not smooth"):
        GeneratorConfig(4, predictor_kernel=1, architecture=architecture, upsampling="smooth")
