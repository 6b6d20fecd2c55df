"""The native gradients, for every instruction set of this machine, against the float64 references.

The instruction set is chosen once in a process, so each one computes all cases in a process of its own: this
file, run as a program.
"""

from __future__ import annotations

import os
import subprocess
import sys

import processor_isas
import pytest
import torch
from torch import Tensor

from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.backends import native

ISAS = ("baseline", "avx2", "avx512")
# Narrower than any vector, of whole vectors, and with a rest; more rows than one part has.
SHAPES = [(2, 3, 5, 3), (1, 2, 4, 32), (2, 5, 9, 37), (1, 1, 70, 260)]


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def compare(actual: tuple[Tensor | None, ...], y: Tensor, grad: Tensor, exact: list[Tensor]) -> None:
    for a, e in zip(actual, torch.autograd.grad(y, exact, grad), strict=True):
        assert a is not None
        torch.testing.assert_close(a.double(), e, rtol=1e-5, atol=1e-5 * max(1.0, float(e.abs().max())))


def compare_all() -> None:
    for n, c, height, width in SHAPES:
        x, grad = draw(n, c, height, width, seed=1), draw(n, c, height, width, seed=2)
        norm = [draw(c, seed=3), draw(c, seed=4)]
        for k in native.KERNEL_SIZES:
            arguments = [x, draw(n, c * k * k, height, width, seed=5), *norm]
            exact = [t.requires_grad_() for t in arguments]
            y = spatially_varying_conv.reference(*exact)
            x_, w_, scale, shift = (t.detach().float() for t in arguments)
            found = native.spatially_varying_conv_backward(grad.float(), x_, w_, k, scale, shift)
            compare(found, y, grad, exact)
        for features in (1, 7):
            h = draw(n, features, height, width, seed=5)
            predictor = [draw(c * 9, features, 1, 1, seed=6), draw(c * 9, seed=7)]
            exact = [t.requires_grad_() for t in (x, h, *predictor, *norm)]
            y = predicted_conv.reference(*exact)
            taken = [t.detach().float() for t in exact]
            compare(native.predicted_conv_backward(grad.float(), *taken), y, grad, exact)
        labels = torch.randint(0, 8, (n, height, width), generator=torch.Generator().manual_seed(8)).byte()
        table, bias = draw(6, 9, c, seed=9).requires_grad_(), draw(c, seed=10).requires_grad_()
        y = layout_conv.reference(labels, table, bias)
        found_table = native.layout_conv_backward(grad.float(), labels, table.detach().float(), 1)
        compare(found_table, y, grad, [table, bias])


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_gradients_of_the_references(isa: str) -> None:
    processor_isas.require(isa)
    environment = os.environ | {"LAYOUTRT_ISA": isa}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


if __name__ == "__main__":
    compare_all()
