"""For each operator a module of its name, with its definition in float64 and its cases.

Such a module has ``CASES`` and ``REFUSED``: a case, changes to its arguments and attributes, and the sentence
that refuses it.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from layoutrt.operators import MODULES
from tests.operators.case import Case

BY_OPERATOR: dict[str, ModuleType] = {name: importlib.import_module(f"{__name__}.{name}") for name in MODULES}
CASES: dict[str, Case] = {str(case): case for module in BY_OPERATOR.values() for case in module.CASES}
"""Cases of all operators."""

assert len(CASES) == sum(len(module.CASES) for module in BY_OPERATOR.values()), "two cases have one name"
