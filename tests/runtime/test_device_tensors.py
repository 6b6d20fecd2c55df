"""`Session.run_device`: what is taken for a tensor on the GPU, and what is refused, without a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model
from layoutrt.runtime.backends.base import TensorInfo
from layoutrt.runtime.backends.native import _device_tensor
from layoutrt.runtime.session import Session

FIXED = TensorInfo("labels", np.dtype("uint8"), (1, 64, 96))
OPEN = TensorInfo("labels", np.dtype("uint8"), (1, None, None))


class OnDevice:
    """As torch, CuPy and PyCUDA describe their arrays."""

    def __init__(self, shape, typestr="|u1", strides=None) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": typestr,
            "data": (0x7F0000001000, False),
            "strides": strides,
            "version": 3,
        }


def test_an_address_has_the_models_shape() -> None:
    tensor = _device_tensor(FIXED, 0x7F0000000000)
    assert (tensor.name, tensor.data, tensor.rank) == (b"labels", 0x7F0000000000, 3)
    assert list(tensor.dims[:3]) == [1, 64, 96]
    assert tensor.size_bytes == 64 * 96


def test_an_object_brings_its_own_shape() -> None:
    tensor = _device_tensor(OPEN, OnDevice((1, 128, 256)))
    assert tensor.data == 0x7F0000001000
    assert list(tensor.dims[:3]) == [1, 128, 256]
    assert tensor.size_bytes == 128 * 256


@pytest.mark.parametrize(
    ("info", "given", "words"),
    [
        (OPEN, 0x7F0000000000, "must be on the GPU"),
        (FIXED, np.zeros((1, 64, 96), np.uint8), "must be on the GPU"),
        (OPEN, OnDevice((1, 64, 96), "<i4"), r"must be uint8 \[1, \?, \?\], got int32 \[1, 64, 96\]"),
        (OPEN, OnDevice((1, 64, 96), strides=(96 * 128, 128, 1)), "not contiguous"),
    ],
)
def test_what_is_no_fitting_memory_of_the_gpu_is_one_sentence(info, given, words) -> None:
    with pytest.raises(LayoutRTError, match=words):
        _device_tensor(info, given)


def test_a_session_on_the_cpu_refuses_and_says_what_is_missing() -> None:
    image = OnDevice((1, 64, 96, 3))
    with Session(resolve_model("camvid-edge")) as session:
        with pytest.raises(LayoutRTError, match="input 'labels' is missing"):
            session.run_device(0, image=image)
        with pytest.raises(LayoutRTError, match="output 'image' is missing"):
            session.run_device(0, labels=OnDevice((1, 64, 96)))
        with pytest.raises(LayoutRTError, match="has no input 'z'"):
            session.run_device(0, labels=OnDevice((1, 64, 96)), image=image, z=image)
