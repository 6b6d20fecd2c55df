"""Every implementation of every operator computes what its definition says."""

from __future__ import annotations

import pytest

from tests.operators.cases import CASES
from tests.operators.implementations import IMPLEMENTATIONS


@pytest.mark.parametrize(
    ("implementation", "name"),
    [
        pytest.param(implementation, name, id=f"{implementation}-{name}")
        for implementation, it in IMPLEMENTATIONS.items()
        for name, case in CASES.items()
        if it.serves(case)
    ],
)
def test_an_implementation_computes_the_definition(implementation: str, name: str) -> None:
    IMPLEMENTATIONS[implementation].check(CASES[name])
