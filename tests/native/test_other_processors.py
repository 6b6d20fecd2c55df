"""Other processors, in emulators: kernels are exact, and the shipped models give what they give here.

ONNX Runtime chooses its kernels by processor too, so its answers are asked for as well: on x86-64 with AVX2
and no VNNI (Haswell), with neither (Nehalem), and on AArch64.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.drive import Drive
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.runtime.backends.native_bindings import onnxruntime_library, operator_library
from layoutrt.runtime.session import Session
from tests.support.toolchains import ROOT, missing

pytestmark = pytest.mark.slow

ARM = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
X86 = {"Haswell": "AVX2", "Nehalem": "SSE2"}
SIZE = (192, 256)
ARM_ONNXRUNTIME = "1.20.1"
"""The wheel of 1.32 for AArch64 ends in a crash of qemu 7.2 while it is loaded."""
ARM_WHEEL = ("--platform", "manylinux_2_27_aarch64", "--python-version", "3.11", "--only-binary", ":all:")

Run = Callable[[Mapping[str | Path, NDArray[np.uint8]]], dict[str, NDArray[np.uint8]]]
"""Outputs, as bytes, of models for their inputs."""


@pytest.fixture
def aarch64(compiler: Callable[..., str], build: Callable[..., Path]) -> Path:
    """The folder of the native tests' programs for AArch64."""
    return build(
        "aarch64",
        ["test_operators", "test_training", "run_model"],
        CMAKE_CXX_COMPILER=compiler("aarch64-linux-gnu-g++", flags=["-std=c++17"], emulator=ARM),
        CMAKE_BUILD_TYPE="None",  # what is no kernel compiles in half the time
    )


def test_kernels_of_aarch64_are_exact(aarch64: Path, run_program: Callable[..., str]) -> None:
    for isa, name in {"baseline": "NEON", "dotprod": "NEON dot product"}.items():
        printed = run_program([*ARM, aarch64 / "test_operators"], LAYOUTRT_ISA=isa)
        assert printed.startswith(f"{name}: ")
    run_program([*ARM, aarch64 / "test_training"])


@pytest.fixture(scope="module")
def run_on_x86(compiler_of_the_module: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs models with the installed library on an emulated processor."""
    folder = tmp_path_factory.mktemp("x86")
    library = operator_library()
    program = folder / "run_model"
    command = [compiler_of_the_module, "-std=c++17", "-I", ROOT / "runtime/native/include"]
    command += [ROOT / "tests/native/run_model.cpp", library, f"-Wl,-rpath,{library.parent}", "-o", program]
    subprocess.run(command, check=True)

    def on(processor: str) -> Run:
        emulator = ["qemu-x86_64", "-cpu", processor, program]
        return lambda models: _outputs(emulator, models, folder, X86[processor], onnxruntime_library())

    return on


@pytest.fixture(scope="module")
def compiler_of_the_module() -> str:
    """Any C++ compiler; the emulator has to be there as well."""
    import shutil

    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the installed library is not for x86-64")
    if shutil.which("qemu-x86_64") is None:
        missing("qemu-x86_64 is not installed", "qemu-user")
    return shutil.which("g++") or shutil.which("clang++") or missing("there is no C++ compiler")


class Quality(NamedTuple):
    """PSNR of two pictures."""

    psnr: float
    largest: int


def quality(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Quality:
    difference = one.astype(int) - other
    mean_square = float((difference**2).mean())
    return Quality(
        99.0 if mean_square == 0 else 10 * np.log10(255**2 / mean_square), np.abs(difference).max()
    )


CAMVID = label_set("camvid")
LAYOUT = Drive(CAMVID, *SIZE, seed=7).frame(3)


@pytest.fixture(scope="module")
def shipped() -> dict[str | Path, NDArray[np.uint8]]:
    """The shipped models and an input of each: the segmenters look at a picture of a street."""
    picture = _here("camvid-edge", LAYOUT).reshape(*SIZE, 3)
    generators = dict.fromkeys(("camvid-edge", "camvid-edge-int8"), LAYOUT)
    return generators | dict.fromkeys(("camvid-seg", "camvid-seg-int8"), picture)


@pytest.mark.parametrize("processor", [*X86, "NEON", "NEON dot product"])
def test_shipped_models_give_the_same_on_every_processor(
    processor: str,
    shipped: dict[str | Path, NDArray[np.uint8]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """Float rounding differs, no more: it moves single 8-bit levels, and a later layer carries those on."""
    if processor in X86:
        run = request.getfixturevalue("run_on_x86")(processor)
    else:
        run = _on_arm(request.getfixturevalue("aarch64"), processor, tmp_path)
    here = {name: _here(name, given) for name, given in shipped.items()}
    there = run(shipped)
    picture = quality(there["camvid-edge"], here["camvid-edge"])
    assert picture.largest <= 1
    assert picture.psnr > 80
    assert (there["camvid-seg"] == here["camvid-seg"]).mean() > 0.9995
    picture = quality(there["camvid-edge-int8"], here["camvid-edge-int8"])
    assert picture.psnr > 45, picture
    assert (there["camvid-seg-int8"] == here["camvid-seg-int8"]).mean() > 0.999
    # As close to float32 as the cards say.
    assert quality(there["camvid-edge-int8"], there["camvid-edge"]).psnr > 34
    assert (there["camvid-seg-int8"] == there["camvid-seg"]).mean() > 0.99


def saturating_model(path: Path, largest: int) -> tuple[Path, NDArray[np.uint8], NDArray[np.uint8]]:
    """A quantized convolution whose products of neighbors pass 16 bits where ``largest`` is above 64.

    Returns:
        The file, an input ``[H, W, 3]`` of bright values, and the exact output, computed in 64 bits.
    """
    random = np.random.default_rng(0)
    weight = random.integers(largest // 2, largest + 1, (16, 3, 3, 3)).astype(np.int8)
    frame = random.integers(128, 256, (16, 24, 3)).astype(np.uint8)
    step = np.float32(1 / (27 * largest))
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weight": weight,
        "weight_scale": step,
        "weight_zero": np.int8(0),
    }
    nodes = [
        helper.make_node("Transpose", ["frame"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["planes", "one", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["sum"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["sum", "one", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "saturating",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, None, None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, 16, None, None])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    padded = np.pad(frame.astype(np.int64), ((1, 1), (1, 1), (0, 0)))
    sums = sum(
        padded[i : i + 16, j : j + 24] @ weight[:, :, i, j].astype(np.int64).T
        for i in range(3)
        for j in range(3)
    )
    return path, frame, np.rint(sums * step).clip(0, 255).astype(np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize("largest", [127, 64])
def test_quantized_files_from_elsewhere_are_exact_without_vnni(
    largest: int, run_on_x86: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frame, exact = saturating_model(tmp_path / "model.onnx", largest)
    monkeypatch.setattr(sys.modules[__name__], "SIZE", frame.shape[:2])
    made = run_on_x86("Haswell")({path: frame})[str(path)].reshape(exact.shape)
    assert np.abs(made.astype(int) - exact).max() <= 1  # a half may round either way


def test_onnxruntime_alone_saturates_on_such_files_and_not_on_ours(
    compiler_of_the_module: str, tmp_path: Path
) -> None:
    """The fault that the two tests above are about, where nothing of ours is asked."""
    program = (
        "import sys, numpy, onnxruntime as o\n"
        "session = o.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "numpy.save(sys.argv[3], session.run(None, {'frame': numpy.load(sys.argv[2])})[0])\n"
    )
    worst = {}
    for largest in (127, 64):
        path, frame, exact = saturating_model(tmp_path / "model.onnx", largest)
        np.save(tmp_path / "frame.npy", frame[None])
        command = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-c", program]
        variables = os.environ | {"OPENBLAS_CORETYPE": "Haswell", "ORT_DISABLE_TELEMETRY": "1"}
        files = [path, tmp_path / "frame.npy", tmp_path / "made.npy"]
        subprocess.run([*command, *files], check=True, env=variables, capture_output=True)
        worst[largest] = np.abs(np.load(tmp_path / "made.npy")[0].astype(int) - exact).max()
    assert worst[127] > 10
    assert worst[64] <= 1


def _here(name: str | Path, given: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with Session(resolve_model(name), threads=1) as session:
        (output,) = session.run(**{session.inputs[0].name: given[None]}).values()
    return output.ravel()


def _outputs(
    emulator: list[str | Path],
    models: Mapping[str | Path, NDArray[np.uint8]],
    folder: Path,
    simd: str,
    onnxruntime: Path | None,
    **environment: str,
) -> dict[str, NDArray[np.uint8]]:
    """Outputs of models in an emulator."""
    files: list[str | Path] = []
    for index, (model, given) in enumerate(models.items()):
        (folder / f"{index}.in").write_bytes(given.tobytes())
        files += [resolve_model(model), folder / f"{index}.in", folder / f"{index}.out"]
    variables = os.environ | {"HEIGHT": str(SIZE[0]), "WIDTH": str(SIZE[1])} | environment
    if onnxruntime is not None:
        variables["LAYOUTRT_ONNXRUNTIME"] = str(onnxruntime)
    done = subprocess.run([*emulator, *files], env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f", {simd} operators" in done.stdout
    return {
        str(model): np.frombuffer((folder / f"{index}.out").read_bytes(), np.uint8)
        for index, model in enumerate(models)
    }


def _on_arm(programs: Path, simd: str, folder: Path) -> Run:
    isa = {"NEON": "baseline", "NEON dot product": "dotprod"}[simd]
    onnxruntime = _onnxruntime_for_arm()
    return lambda models: _outputs(
        [*ARM, programs / "run_model"], models, folder, simd, onnxruntime, LAYOUTRT_ISA=isa
    )


def _onnxruntime_for_arm() -> Path:
    """The library of the wheel for AArch64, which is kept in ``build/tools``."""
    folder = ROOT / "build" / "tools" / f"onnxruntime-{ARM_ONNXRUNTIME}-aarch64"
    library = folder / "onnxruntime" / "capi" / f"libonnxruntime.so.{ARM_ONNXRUNTIME}"
    if not library.is_file():
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        command += ["--no-deps", *ARM_WHEEL, "-d", str(folder), f"onnxruntime=={ARM_ONNXRUNTIME}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            missing(f"ONNX Runtime {ARM_ONNXRUNTIME} for AArch64 cannot be had: {done.stderr[-300:]}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(str(library.relative_to(folder)), folder)
        wheel.unlink()
    return library
