"""The cost of timing a node is measured, and taken off its time."""

from layoutrt.runtime.profiling.executed_node import ExecutedNode
from layoutrt.runtime.profiling.timing_cost import timing_cost_ms


def test_timing_a_node_costs_microseconds() -> None:
    # A busy machine can only add to it.
    assert 0 < min(timing_cost_ms(1) for _ in range(3)) < 0.1


def test_a_node_keeps_a_tenth_of_its_time() -> None:
    node = ExecutedNode("conv", "Conv", "float", 8, 0.5, [0.010, 0.004, 0.001])
    net = node.without(0.003)
    assert [round(time, 6) for time in net.times_ms] == [0.007, 0.001, 0.0001]
    assert (net.name, net.bytes, net.start_ms) == ("conv", 8, 0.5)
