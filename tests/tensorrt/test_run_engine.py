"""An engine in Python's ``tensorrt`` and ``pycuda``: results, memory, times, and reasons to refuse it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.session import Session
from tests.support.tensorrt_doubles.building import SIZES, build
from tests.support.tensorrt_doubles.pycuda_double import COPY_MS
from tests.support.tensorrt_doubles.runtime import ENGINE_MS, computed


def engine(model: Path, folder: Path, **options) -> Path:
    return build(model, folder, **({"sizes": SIZES} | options)).path


def layout(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 12, (batch, height, width), np.uint8)


def change(path: Path, **values) -> None:
    """Overwrite entries of an engine's manifest."""
    file = path.with_name(f"{path.name}.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refused(path: Path, *words: str) -> None:
    with pytest.raises(LayoutRTError) as raised:
        Session(path)
    for word in (path.name, *words):
        assert word in str(raised.value)


def test_a_session_runs_an_engine_at_every_size_of_its_profile(world, model, tmp_path) -> None:
    with Session(engine(model, tmp_path)) as session:
        assert session.backend == f"TensorRT {world.version} in Python, Orin"
        assert [str(info) for info in session.inputs] == ["uint8 [1, ?, ?]"]
        assert [str(info) for info in session.outputs] == ["uint8 [1, ?, ?, 3]"]
        assert session.label_set is not None
        assert session.label_set.name == "camvid"
        for size in ((64, 96), (192, 256), (96, 128), (96, 128)):
            labels = layout(*size)
            image = session.run(labels=labels)["image"]
            np.testing.assert_array_equal(image, computed("image", labels, "uint8"))


def test_memory_is_allocated_once_for_the_largest_shape_and_given_back(world, model, tmp_path) -> None:
    session = Session(engine(model, tmp_path))
    allocations, page_locked = world.device.allocations, world.device.page_locked
    assert world.device.used_bytes() == 192 * 256 * 4
    for size in ((64, 96), (192, 256), (96, 128)):
        session.run(labels=layout(*size))
    assert (world.device.allocations, world.device.page_locked) == (allocations, page_locked) == (2, 2)
    session.close()
    session.close()
    assert world.device.used_bytes() == 0


def test_times_are_those_of_the_gpus_events(world, model, tmp_path) -> None:
    with Session(engine(model, tmp_path)) as session:
        for _ in range(3):
            session.run(labels=layout(64, 96))
        times = session.timings
    assert times.runs == 3
    assert times.engine_ms == ENGINE_MS
    assert times.sum.engine_ms == 3 * ENGINE_MS
    # What comes on top of the GPU's times took part of the run's own.
    assert 0 <= times.copy_in_ms - COPY_MS <= times.total_ms
    assert 0 <= times.copy_out_ms - COPY_MS <= times.total_ms
    assert times.wait_ms >= 0


def test_runs_from_other_threads_and_submitted_ones_find_the_gpu(world, model, tmp_path) -> None:
    labels = layout(64, 96)
    images: list[np.ndarray] = []
    with Session(engine(model, tmp_path)) as session:
        threads = [
            threading.Thread(target=lambda: images.append(session.run(labels=labels)["image"]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        images.append(session.submit(labels=labels).result()["image"])
    assert len(images) == 5
    for image in images:
        np.testing.assert_array_equal(image, computed("image", labels, "uint8"))


@pytest.mark.parametrize("shape", [(1, 192, 512), (1, 32, 96), (2, 96, 128)])
def test_a_shape_outside_the_profile_is_refused_with_the_profile(world, model, tmp_path, shape) -> None:
    with Session(engine(model, tmp_path)) as session:
        with pytest.raises(LayoutRTError) as raised:
            session.run(labels=np.zeros(shape, np.uint8))
        assert world.runs == 0
    if shape[0] == 1:
        assert str(list(shape)) in str(raised.value)
        assert "[1, 64, 96] to [1, 192, 256]" in str(raised.value)
        assert "--min and --max" in str(raised.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"tensorrt": "10.2.0"},
            ("built with TensorRT 10.2.0", "build it again here: layoutrt build-engine"),
        ),
        ({"gpu": {"name": "RTX 4090", "compute_capability": "8.9"}}, ("8.9 (RTX 4090)", "has 8.7 (Orin)")),
        ({"operator_library": "0.0.3"}, ("operator library of layoutrt 0.0.3", "this is 0.1.0")),
        ({"engine_sha256": "0" * 64}, ("another file", "SHA-256")),
        ({"engine_bytes": 3}, ("bytes where its manifest says 3",)),
        ({"format": 2, "layoutrt": "9.0"}, ("newer layoutrt", "version 9.0", "upgrade")),
        ({"inputs": None}, ("not an engine manifest",)),
        ({"inputs": [], "outputs": []}, ("other ones than its manifest names",)),
    ],
)
def test_an_engine_of_elsewhere_is_refused_before_tensorrt_sees_it(world, model, tmp_path, values, words):
    path = engine(model, tmp_path)
    seen = len(world.runtimes)
    change(path, **values)
    refused(path, *words)
    # Only what the manifest does not tell is seen later.
    assert len(world.runtimes) == seen + ("other ones than its manifest names" in words)
    assert world.device.used_bytes() == 0


def test_an_engine_without_its_manifest_and_a_manifest_without_its_engine_are_refused(world, model, tmp_path):
    path = engine(model, tmp_path)
    manifest = path.with_name("edge.engine.json")
    moved = manifest.rename(tmp_path / "kept")
    refused(path, "no manifest edge.engine.json beside it", "copy both files")
    moved.rename(manifest)
    path.unlink()
    refused(path, "does not exist; build it with")


def test_an_engine_for_other_versions_or_gpus_runs_on_them(world, model, tmp_path) -> None:
    path = engine(model, tmp_path, version_compatible=True, hardware_compatible=True)
    older = f"{world.version.split('.')[0]}.0.9"
    change(path, tensorrt=older, gpu={"name": "A100", "compute_capability": "8.0"})
    Session(path).close()
    change(path, tensorrt=f"{world.version.split('.')[0]}.99.0")
    refused(path, "99.0")
    change(path, tensorrt="9.9.9")
    refused(path, "9.9.9")
    change(path, tensorrt=world.version)
    os.environ["STUB_CAPABILITY"] = "75"
    refused(path, "this GPU has 7.5")


def test_an_engine_for_dla_is_loaded_on_it(world, model, tmp_path) -> None:
    world.dla_cores = 1
    Session(engine(model, tmp_path, dla=True, sizes={"min_size": (64, 96)})).close()
    assert world.runtimes[-1].DLA_core == 0


def test_memory_that_runs_out_is_told_with_what_helps_and_given_back(world, model, tmp_path) -> None:
    path = engine(model, tmp_path)
    world.device.limit_bytes = 100_000
    refused(path, "does not suffice", "Orin, 8.0 GiB", "smaller --max")
    assert world.device.used_bytes() == 0
    world.loads = False
    refused(path, "does not suffice")
    world.device.limit_bytes, world.loads, world.context_fails = None, True, True
    refused(path, "cannot be prepared", "TensorRT gave no reason", "build it again")


def test_a_gpu_that_fails_is_one_sentence(world, model, tmp_path) -> None:
    with Session(engine(model, tmp_path)) as session:
        world.device.fails = world.pycuda.LogicError("cuMemcpyHtoDAsync failed: illegal memory access")
        with pytest.raises(LayoutRTError, match=r"GPU failed while it ran .*edge\.engine .*illegal memory"):
            session.run(labels=layout(64, 96))
        world.device.fails = None


def test_packages_that_are_missing_are_named(world, model, tmp_path) -> None:
    import sys

    path = engine(model, tmp_path)
    sys.modules["pycuda.driver"] = None
    refused_without = pytest.raises(LayoutRTError, match=r"needs the package 'pycuda'.*layoutrt\[tensorrt\]")
    with refused_without:
        Session(path)
    sys.modules["tensorrt"] = None
    with pytest.raises(LayoutRTError, match=r"needs TensorRT.*pip install 'layoutrt\[tensorrt\]'"):
        Session(path)


def test_a_tensorrt_that_is_too_old_is_refused(world, model, tmp_path) -> None:
    import sys
    from types import ModuleType

    path, old = engine(model, tmp_path), ModuleType("tensorrt")
    old.__version__ = "10.2.0.19"
    sys.modules["tensorrt"] = old
    with pytest.raises(LayoutRTError, match=r"needs TensorRT 10\.3 or newer .* and this is 10\.2\.0\.19"):
        Session(path)


def test_what_only_the_native_runtime_does_says_so(world, model, tmp_path) -> None:
    with Session(engine(model, tmp_path)) as session:
        assert not session.is_native
        with pytest.raises(LayoutRTError, match="has no run_device"):
            session.run_device(0, labels=1, image=2)
        with pytest.raises(LayoutRTError, match="native pipeline"):
            print(session.handle)
        with pytest.raises(LayoutRTError, match="keeps no layout"):
            session.set_layout(labels=layout(64, 96))
