"""Pairs whose files cannot be read: skipped, named and counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from layoutrt.errors import LayoutRTError

_LOG = logging.getLogger(__name__)


class DamagedPair(NamedTuple):
    """A pair that cannot be read: its place in the data set and the sentence that says why."""

    pair: int
    problem: str


def refuse_above_one_percent(count: int, length: int, problem: str) -> None:
    """Raise LayoutRTError if ``count`` damaged pairs are over 1 % of ``length``; ``problem`` is the last."""
    if 100 * count > length:
        raise LayoutRTError(
            f"{count} of {length} pairs cannot be read, and more than 1 % stops the run; the last: {problem}"
        )


class DamagedPairTally:
    """Names each damaged pair once in a warning, counts them, and stops above 1 % of a data set.

    Workers only send what they found along with their batches, and the process that trains counts here. So
    the count needs no memory between processes, messages come from one process, and a run stops at the same
    step with any number of workers. Under distributed training each rank counts what it has met.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.pairs: set[int] = set()

    def add(self, found: Iterable[DamagedPair]) -> None:
        """Take note of pairs that were skipped.

        Raises:
            LayoutRTError: with these, more than 1 % of the data set cannot be read.
        """
        for pair, problem in found:
            if pair in self.pairs:
                continue
            self.pairs.add(pair)
            _LOG.warning(
                "skipping a pair that cannot be read (%d of %d): %s", len(self.pairs), self.length, problem
            )
            refuse_above_one_percent(len(self.pairs), self.length, problem)
