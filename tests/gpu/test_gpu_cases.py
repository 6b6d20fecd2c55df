"""The cases that the emulated kernels pass (`tests.support.cuda.cases`), on a GPU."""

from __future__ import annotations

import pytest

from tests.support.cuda import cases
from tests.support.cuda.c_functions import runner

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("case", cases.ALL, ids=lambda case: case.name)
def test_a_kernel_computes_what_the_oracle_does(case, gpu) -> None:
    cases.compare(case, runner(gpu))


def test_kernels_are_right_for_shapes_that_nobody_chose(gpu) -> None:
    run = runner(gpu)
    for seed in range(2, 6):
        for case in cases.random_cases(seed, 100):
            cases.compare(case, run)
