"""The recipe "Add an operator" of CONTRIBUTING.md: at most twelve files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.recipes.recipe import ROOT, Sources, follow, required_files, source_files

EXPORTS_IT = """
import numpy as np, onnx, torch
from layoutrt.export.graphs.build import inference_pipeline
from layoutrt.export.onnx_export.to_onnx import generator_model
from layoutrt.layouts import label_set
from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import build_generator

torch.manual_seed(0)
size = {"image_height": 64, "image_width": 96}
config = GeneratorConfig(12, width=4, hidden=8, architecture="edge", predictor_kernel=1, **size)
generator = build_generator(config).eval()
model = generator_model(generator, label_set("camvid"), size=(64, 96))
assert [node.op_type for node in model.graph.node].count("ChannelSoftsign") == 1
labels = np.random.default_rng(0).integers(0, 12, (1, 8, 12), np.uint8).repeat(8, 1).repeat(8, 2)
with torch.no_grad():
    expected = inference_pipeline(generator, label_set("camvid"))(torch.from_numpy(labels)).numpy()
onnx.save(model, "softsign.onnx")
onnxruntime = import_onnxruntime()
found = onnxruntime.InferenceSession("softsign.onnx").run(None, {"labels": labels})[0]
assert np.abs(found.astype(int) - expected).max() <= 1
np.savez("expected.npz", labels=labels, image=expected)
"""

RUNS_IT = """
import numpy as np
from layoutrt import Session

stored = np.load("expected.npz")
found = Session("softsign.onnx").run(labels=stored["labels"])["image"]
assert np.abs(found.astype(int) - stored["image"]).max() <= 1
"""


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return follow("operator", tmp_path)


def run_tests(sources: Sources, choice: str, library: Path | None = None) -> str:
    """Run tests of operators in the copy, which must not be empty."""
    return sources.run(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/operators", "-k", choice),
        library=library,
    )


def test_an_operator_takes_at_most_twelve_source_files(sources: Sources) -> None:
    example = {"conv_to_image": "channel_softsign"}
    assert sources.changed == required_files("Add an operator", example)
    assert len(source_files(sources.changed)) <= 12


@pytest.mark.slow
def test_the_python_half_of_an_operator_is_complete_compared_and_exported(sources: Sources) -> None:
    run_tests(sources, "test_records and channel_softsign")
    run_tests(sources, "test_implementations and ChannelSoftsign and not native")
    sources.run(sys.executable, "-c", EXPORTS_IT)


@pytest.mark.slow
def test_the_kernel_of_an_operator_computes_it_on_every_instruction_set(sources: Sources) -> None:
    beside = Path(sys.executable).with_name("cmake")
    cmake = beside if beside.exists() else shutil.which("cmake")
    if cmake is None:
        pytest.skip("there is no cmake")
    build = ROOT / "build" / "recipe_of_an_operator"
    shutil.rmtree(build, ignore_errors=True)
    sources.run(cmake, "-S", sources.root, "-B", build, "-DLAYOUTRT_CUDA=OFF", "-DCMAKE_CXX_FLAGS=-Werror")
    sources.run(cmake, "--build", build, "--target", "layoutrt", "--parallel", "2")
    library = build / "liblayoutrt.so"
    run_tests(sources, "(test_implementations or test_refusals) and ChannelSoftsign", library)
    sources.run(sys.executable, "-c", EXPORTS_IT, library=library)
    sources.run(sys.executable, "-c", RUNS_IT, library=library)
