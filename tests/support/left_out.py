"""Tests that were left out and why: each reason once, with the number of its tests.

Tests of a GPU are not collected where torch sees none; all others that cannot run here skip themselves.
"""

from __future__ import annotations

from collections import Counter

import pytest

COUNT = "tests of a GPU left out"
_left_out: pytest.StashKey[int] = pytest.StashKey()


def _no_gpu() -> str:
    """Why there is no GPU for tests; "" where there is one."""
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    return "" if torch.cuda.is_available() else f"torch {torch.__version__} sees no CUDA GPU"


@pytest.hookimpl(trylast=True)  # after -m and -k: what they leave out is not counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of a GPU out where there is none."""
    of_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if of_gpu and _no_gpu():
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
        config.hook.pytest_deselected(items=of_gpu)
        config.stash[_left_out] = len(of_gpu)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell xdist's controller, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[COUNT] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Every worker of xdist collects the same tests."""
    if output := getattr(node, "workeroutput", None):
        node.config.stash[_left_out] = output[COUNT]  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each reason."""
    reasons: Counter[str] = Counter()
    if count := terminalreporter.config.stash.get(_left_out, 0):
        reasons[f"{_no_gpu()} (make test-gpu)"] = count
    for report in terminalreporter.stats.get("skipped", []):
        reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("left out")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:4} {reason}")
