"""Checkpoints run by torch as they were trained, in float32 on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layoutrt.artifacts.model_info import GENERATOR, ModelInfo
from layoutrt.export.graphs.segmenter import never_predict_dont_care
from layoutrt.operators.torch.conv_to_image import to_bytes
from layoutrt.train.checkpoint import load_generator, load_segmenter
from layoutrt.train.networks.semantics import semantic_tensor


class CheckpointModel:
    """A generator or segmenter, as an `layoutrt.export.any_model.OpenModel`.

    A run has three steps, for who times them one by one: `take`, `compute` and `give`.

    Args:
        info: description of the checkpoint.

    Raises:
        LayoutRTError: the checkpoint cannot be loaded.
    """

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.backend = f"torch {torch.__version__} CPU, {torch.get_num_threads()} threads"
        if info.kind == GENERATOR:
            self._network: torch.nn.Module = load_generator(info.path)[0]
        else:
            segmenter = load_segmenter(info.path)[0]
            never_predict_dont_care(segmenter, info.label_set)
            self._network = segmenter

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """See `OpenModel`."""
        with torch.inference_mode():
            return self.give(self.compute(self.take(arguments)))

    def take(self, arguments: dict[str, NDArray]) -> tuple[Tensor | None, ...]:
        """Inputs of the network: one-hot semantics and the latent, or the frame in [-1, 1]."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arguments.items()}
        if self.info.kind == GENERATOR:
            classes = self.info.config["num_classes"]
            return semantic_tensor(tensors["labels"], classes, tensors.get("instances")), tensors.get("z")
        return (tensors["frame"].permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1,)

    def compute(self, inputs: tuple[Tensor | None, ...]) -> Tensor:
        """Image float32 ``[N, 3, H, W]`` in [-1, 1], or scores float32 ``[N, classes, H, W]``."""
        computed: Tensor = self._network(*inputs)
        return computed

    def give(self, computed: Tensor) -> NDArray[np.uint8]:
        """Bytes of an image, or the labels with the highest scores."""
        if self.info.kind == GENERATOR:
            return np.ascontiguousarray(to_bytes(computed).numpy())
        return computed.argmax(1).to(torch.uint8).numpy()

    def close(self) -> None:
        """See `OpenModel`; the garbage collector frees everything."""
