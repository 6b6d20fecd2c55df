"""Parts of the network (in the paper's terms) that nodes belong to, by the names of their weights.

The names are those that the exporter gives (``export/*_pipeline.py``): CC-FPSE's layout pyramid is the label
encoder of the paper's section 3.2, a block is its figure 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from layoutrt.graph.cost import NodeCost

_BLOCKS = (
    (r"head\.", "head"),
    (r"(?:enter|down|lateral|up)\.", "layout pyramid"),
    (r"levels\.(\d+)\.", "level {}"),
    (r"reduce\.(\d+)\.", "level {}"),
    (r"blocks\.(\d+)\.", "block {}"),
    (r"(?:to_full|shuffle|full_condition|full_spatial)\.", "full size"),
    (r"to_rgb\.", "to RGB"),
    (r"network\.(?:stem|down2)\.", "encoder 1/2"),
    (r"network\.(?:stage|down)(\d+)\.", "encoder 1/{}"),
    (r"network\.context\.", "context"),
    (r"network\.(?:reduce|side|merge)(\d+)\.", "decoder 1/{}"),
    (r"network\.classify\.", "classifier"),
)
OTHER = "the rest"


def block_of_weight(name: str) -> str | None:
    """The block that a weight of this name belongs to; None if the name matches no block."""
    for pattern, block in _BLOCKS:
        if match := re.match(pattern, name):
            return block.format(*match.groups())
    return None


def blocks_of_nodes(nodes: Sequence[NodeCost]) -> dict[str, str]:
    """The block of each node of a graph, by its name.

    A node without weights belongs to the block of the node that computes its first input or, at the start of
    the graph, to the block of the first node that reads its output.
    """
    blocks: dict[str, str] = {}
    of_tensor: dict[str, str] = {}
    for node in nodes:
        own = next((block for name in node.weights if (block := block_of_weight(name))), None)
        inherited = next((of_tensor[name] for name in node.inputs if name in of_tensor), None)
        if block := own or inherited:
            blocks[node.name] = block
            of_tensor |= dict.fromkeys(node.outputs, block)
    for node in reversed(nodes):
        if node.name not in blocks:
            after = (
                blocks[user.name]
                for user in nodes
                if set(node.outputs) & set(user.inputs) and user.name in blocks
            )
            blocks[node.name] = next(after, OTHER)
    return blocks
