"""Nodes that a native operator cannot compute are refused in a sentence, weights being inputs or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from layoutrt.errors import LayoutRTError
from tests.operators.case import Case, floats
from tests.operators.cases import BY_OPERATOR
from tests.operators.native_process import run_session

REFUSED = [
    pytest.param(case.changed(attributes, **arguments), sentence, id=f"{case.operator} {sentence}")
    for module in BY_OPERATOR.values()
    for case, arguments, attributes, sentence in module.REFUSED
]


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(("case", "sentence"), REFUSED)
def test_wrong_input_is_a_sentence(tmp_path: Path, case: Case, sentence: str, constant: bool) -> None:
    with pytest.raises(LayoutRTError) as caught:
        run_session(case if constant else replace(case, constants=()), tmp_path)
    assert f"{case.operator}: {sentence}" in str(caught.value)


def test_an_image_of_no_channels_is_refused(tmp_path: Path) -> None:
    plain = BY_OPERATOR["conv_to_image"].CASES[0]
    case = plain.changed(x=floats(1, 1, 0, 2, 3), weight=floats(1, 3, 0, 3, 3))
    with pytest.raises(LayoutRTError) as caught:
        run_session(replace(case, constants=()), tmp_path)
    assert "ConvToImage: x must have at least one channel, got [1, 0, 2, 3]" in str(caught.value)
