"""The installed library as C and C++ programs find it, and the examples that use it."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from layoutrt.layouts import label_set, write_layout
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session

# Building what is installed takes a minute and more.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
STRICT = "-pedantic -Wall -Wextra -Werror"


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    runtime = os.environ.get("LAYOUTRT_ONNXRUNTIME") or str(native_bindings.onnxruntime_library())
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"LAYOUTRT_ONNXRUNTIME": runtime} | variables,
    )


def succeed(*command: object, **variables: str) -> str:
    result = run(*command, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the library is installed; the build in build/cmake is kept: it takes a minute."""
    cmake, build = tool("cmake"), ROOT / "build" / "cmake"
    installed = tmp_path_factory.mktemp("prefix") / "layoutrt"
    succeed(cmake, "-S", ROOT, "-B", build, f"-DCMAKE_INSTALL_PREFIX={installed}")
    succeed(cmake, "--build", build, "-j2")
    succeed(cmake, "--install", build)
    # An installed tree can be moved.
    moved = installed.with_name("moved")
    installed.rename(moved)
    return moved


@pytest.fixture(scope="module")
def programs(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the examples, built with find_package."""
    cmake, build = tool("cmake"), tmp_path_factory.mktemp("examples")
    succeed(
        *(cmake, "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"),
        *(f"-DCMAKE_C_FLAGS={STRICT}", f"-DCMAKE_CXX_FLAGS={STRICT}"),
    )
    succeed(cmake, "--build", build)
    return build


@pytest.fixture
def synthesize(programs: Path) -> Path:
    program = programs / "synthesize"
    if not program.exists():
        pytest.skip("libpng-dev is not installed")
    return program


def test_the_installed_tree_is_whole(prefix: Path) -> None:
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    headers = {
        f"include/layoutrt/{path.name}" for path in (ROOT / "runtime/native/include/layoutrt").iterdir()
    }
    assert headers <= files
    assert "share/doc/layoutrt/LICENSE" in files
    names = {Path(name).name for name in files}
    assert {"liblayoutrt.so", "layoutrtConfig.cmake", "layoutrtConfigVersion.cmake", "layoutrt.pc"} <= names
    version = native_bindings.load().lrt_version().decode()
    assert f"liblayoutrt.so.{version}" in names
    assert 'version = "' + version + '"' in (ROOT / "pyproject.toml").read_text()


def write_palette_png(path: Path, labels: NDArray[np.uint8]) -> None:
    """Indices of 4 bits, two in a byte, with a palette of any colors."""
    packed = labels[:, ::2] << 4 | labels[:, 1::2]
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], 4, 3, 0, 0, 0),
        b"PLTE": bytes(range(48)),
        b"IDAT": zlib.compress(np.insert(packed, 0, 0, axis=1).tobytes()),
        b"IEND": b"",
    }
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks.items()
        )
    )


@pytest.mark.parametrize("kind", ["palette", "gray", "colors"])
def test_synthesize_renders_the_image_that_python_renders(
    synthesize: Path, tmp_path: Path, kind: str
) -> None:
    model = resolve_model("camvid-edge")
    labels = np.random.default_rng(0).integers(0, 12, (6, 8), np.uint8).repeat(16, 0).repeat(16, 1)
    layout, image = tmp_path / "layout.png", tmp_path / "image.png"
    if kind == "palette":
        write_palette_png(layout, labels)
    else:
        write_layout(layout, labels, label_set("camvid"), color=kind == "colors")
    said = succeed(synthesize, model, layout, image)
    assert said.startswith(f"{image}: 128 x 96 pixels in ")
    rendered = cv2.imread(str(image))[:, :, ::-1]
    np.testing.assert_array_equal(rendered, Session(model).run(labels=labels[None])["image"][0])


def test_synthesize_says_what_is_wrong(synthesize: Path, tmp_path: Path) -> None:
    layout, foreign = tmp_path / "layout.png", tmp_path / "foreign.png"
    model = resolve_model("camvid-edge")
    cv2.imwrite(str(layout), np.full((64, 64), 77, np.uint8))
    foreign.write_text("no image")
    for arguments, words in {
        (model, layout, "out.png"): "pixel (x=0, y=0) is not a class of label set 'camvid'",
        (model, foreign, "out.png"): "foreign.png: Not a PNG file",
        (model, tmp_path / "absent.png", "out.png"): "cannot read",
        (foreign, layout, "out.png"): "is not an ONNX model",
    }.items():
        result = run(synthesize, *arguments)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ")
        assert words in result.stderr


def test_the_camera_loop_segments_and_renders_frames(programs: Path, tmp_path: Path) -> None:
    last = tmp_path / "last.ppm"
    models = (resolve_model("camvid-seg"), resolve_model("camvid-edge"))
    said = succeed(programs / "camera_loop", *models, "--frames", 3, "--size", "64x128", "--out", last)
    assert re.search(r"^3 frames of 64x128, [\d.]+ frames/s$", said, re.MULTILINE)
    assert re.search(r"^latency +p50 +[\d.]+ ms +p95 +[\d.]+ ms +max +[\d.]+ ms$", said, re.MULTILINE)
    assert cv2.imread(str(last)).shape == (64, 128, 3)


def test_the_camera_loop_reads_frames_from_a_pipe(programs: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    raw, last = tmp_path / "frames.raw", tmp_path / "last.ppm"
    raw.write_bytes(frames.tobytes() + b"part of a third")
    seg, edge = resolve_model("camvid-seg"), resolve_model("camvid-edge")
    command = f"'{programs}/camera_loop' '{seg}' '{edge}' --stdin --size 64x96 --out '{last}' < '{raw}'"
    assert "2 frames of 64x96" in succeed("sh", "-c", command)
    labels = Session(seg).run(frame=frames[1:])["labels"]
    image = Session(edge).run(labels=labels)["image"][0]
    np.testing.assert_array_equal(cv2.imread(str(last))[:, :, ::-1], image)


def test_the_camera_loop_says_what_is_wrong(programs: Path) -> None:
    seg, edge = resolve_model("camvid-seg"), resolve_model("camvid-edge")
    for arguments, words in {
        (seg,): "give a segmenter and a generator",
        (edge, seg, "--frames", "1"): "the model has no input 'frame'; it has 'labels'",
        (seg, edge, "--size", "64"): "--size is written HEIGHTxWIDTH",
        (seg, "absent.onnx"): "the model file 'absent.onnx' does not exist",
    }.items():
        result = run(programs / "camera_loop", *arguments)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert words in result.stderr


PROGRAM = r"""
#include <layoutrt/layoutrt.hpp>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2 || lrt_abi_version() != LRT_ABI_VERSION) return 2;
  try {
    layoutrt::Session session(argv[1]);
    layoutrt::Session moved(std::move(session));
    unsigned char labels[64 * 64] = {}, image[64 * 64 * 3];
    const std::vector<lrt_tensor> inputs{layoutrt::tensor("labels", {1, 64, 64}, labels)};
    const auto made = moved.run(inputs, {layoutrt::output("image")});
    // The session's own memory is good until its next run.
    const auto* bytes = static_cast<const unsigned char*>(made[0].data);
    const std::vector<unsigned char> first(bytes, bytes + made[0].size_bytes);
    if (!moved.wait(moved.run_async(inputs, {layoutrt::tensor("image", {1, 64, 64, 3}, image)}))) return 3;
    if (first.size() != sizeof image || std::memcmp(first.data(), image, sizeof image) != 0) return 4;
    std::printf("%s %s %d runs\n", moved.label_set().name, moved.metadata("layoutrt.kind").c_str(),
                int(moved.timings().runs));
    moved.run({}, {layoutrt::output("image")});
  } catch (const layoutrt::Exception& error) {
    std::printf("%d %s\n", error.status(), error.what());
    return 0;
  }
  return 5;
}
"""


def test_a_cpp_program_is_built_with_pkg_config(prefix: Path, tmp_path: Path) -> None:
    compiler, pkg_config = tool("c++"), tool("pkg-config")
    folder = next(prefix.rglob("layoutrt.pc")).parent
    flags = succeed(pkg_config, "--cflags", "--libs", "layoutrt", PKG_CONFIG_PATH=str(folder)).split()
    (tmp_path / "program.cpp").write_text("#include <cstring>\n" + PROGRAM)
    program = tmp_path / "program"
    succeed(
        *(compiler, "-std=c++17", *STRICT.split(), tmp_path / "program.cpp", "-o", program),
        *(*flags, f"-Wl,-rpath,{folder.parent}"),
    )
    said = succeed(program, resolve_model("camvid-edge")).splitlines()
    assert said == ["camvid generator 2 runs", "1 input 'labels' is missing; it is uint8 [?, ?, ?]"]
