"""Fixtures of several folders: tiny models with random weights, and the way to real data."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

# The tests' tensors are small: waking torch's threads for them costs more than the arithmetic. Set before
# torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests that import the package themselves send nothing either; those of the telemetry unset it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from layoutrt.layouts import Label, LabelSet, label_set
from tests.support.left_out import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

if TYPE_CHECKING:
    from layoutrt.train.networks.generator import Generator

TINY_SIZE = (64, 96)
TINY_LATENT = 16


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Loggers as they were: commands that run in this process set them up for a program's whole life."""
    loggers = [logging.getLogger(name) for name in ("layoutrt", "uvicorn")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


EXTRA_DONT_CARE = LabelSet(
    "trio",
    (
        Label("ground", (90, 60, 30), False),
        Label("sky", (80, 160, 255), False),
        Label("cat", (250, 0, 90), True),
    ),
    dont_care=3,
    file_dont_care=255,
)


def _make_generator(
    num_classes: int, *, instances: bool = False, latent: int = 0, predictor_kernel: int = 1, seed: int = 0
) -> Generator:
    """A small generator with random weights, in evaluation mode."""
    import torch

    from layoutrt.train.networks.generator import Generator
    from layoutrt.train.networks.generator_config import GeneratorConfig
    from layoutrt.train.networks.semantics import semantic_tensor

    torch.manual_seed(seed)
    height, width = TINY_SIZE
    config = GeneratorConfig(
        num_classes,
        instance_edges=instances,
        width=4,
        hidden=8,
        predictor_kernel=predictor_kernel,
        latent=latent,
        image_height=height,
        image_width=width,
    )
    generator = Generator(config)
    with torch.no_grad():
        # Spectral norm estimates its singular vectors, and batch norm its statistics, in training mode.
        for _ in range(3):
            labels = torch.randint(0, num_classes, (2, height // 8, width // 8), dtype=torch.uint8)
            labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
            edges = labels.to(torch.int32) if instances else None
            z = torch.randn(2, latent) if latent else None
            generator(semantic_tensor(labels, num_classes, edges), *([z] if latent else []))
    return generator.eval()


def _export(folder: Path, generator: Generator, labels: LabelSet, *, dynamic: bool = False) -> Path:
    """Export a generator through a checkpoint, as a user would."""
    from layoutrt.export.onnx_export.to_onnx import export_onnx
    from layoutrt.train.checkpoint import save_generator

    checkpoint = folder / "generator.safetensors"
    save_generator(checkpoint, generator.state_dict(), generator.config, labels, {"made_by": "the tests"})
    out = folder / ("dynamic.onnx" if dynamic else "model.onnx")
    export_onnx(checkpoint, out, size=None if dynamic else TINY_SIZE, dynamic=dynamic, compare=False)
    return out


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder once, for all of xdist's workers: ``made_once("tiny", make)``. Tests only read it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder = root / f"made-once-{name}"
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = tmp_path_factory.mktemp(name)
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session", autouse=True)
def few_turns_on_the_clock() -> Iterator[None]:
    """Every calibration compares speeds; that two models run in turns shows in two turns as in twelve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("layoutrt.calib.quality.speed._MOST_ROUNDS", 2)
        yield


@pytest.fixture(scope="session")
def make_generator() -> Callable[..., Generator]:
    """Makes a small generator: ``make_generator(num_classes, instances=False, latent=0, seed=0)``."""
    return _make_generator


@pytest.fixture(scope="session")
def extra_dont_care() -> LabelSet:
    """Three labels and a don't-care index that has none, as in COCO-Stuff."""
    return EXTRA_DONT_CARE


@pytest.fixture(scope="session")
def tiny_generator() -> Generator:
    """A generator of CamVid's classes without instances or latent, 64x96."""
    return _make_generator(label_set("camvid").num_classes)


@pytest.fixture(scope="session")
def tiny_model(tiny_generator: Generator, made_once: Callable[..., Path]) -> Path:
    """``tiny_generator`` as ONNX of the fixed size 64x96; ``generator.safetensors`` lies beside it."""
    folder = made_once("tiny", lambda folder: _export(folder, tiny_generator, label_set("camvid")))
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_model: Path) -> Path:
    """The checkpoint that ``tiny_model`` was exported from."""
    return tiny_model.with_name("generator.safetensors")


@pytest.fixture(scope="session")
def tiny_dynamic_model(tiny_generator: Generator, made_once: Callable[..., Path]) -> Path:
    """``tiny_generator`` as ONNX with open batch, height and width."""

    def make(folder: Path) -> None:
        _export(folder, tiny_generator, label_set("camvid"), dynamic=True)

    return made_once("dynamic", make) / "dynamic.onnx"


@pytest.fixture(scope="session")
def tiny_batch_model(tiny_checkpoint: Path, made_once: Callable[..., Path]) -> Path:
    """``tiny_generator`` as ONNX that takes two layouts a run."""
    from layoutrt.export.onnx_export.to_onnx import export_onnx

    def make(folder: Path) -> None:
        export_onnx(tiny_checkpoint, folder / "two.onnx", batch=2, compare=False)

    return made_once("batch", make) / "two.onnx"


@pytest.fixture(scope="session")
def tiny_full_generator() -> Generator:
    """A generator of `EXTRA_DONT_CARE` that reads instances and a latent of 16, 64x96."""
    return _make_generator(EXTRA_DONT_CARE.num_classes, instances=True, latent=TINY_LATENT)


@pytest.fixture(scope="session")
def tiny_full_model(tiny_full_generator: Generator, made_once: Callable[..., Path]) -> Path:
    """``tiny_full_generator`` as ONNX of the fixed size 64x96."""
    folder = made_once("full", lambda folder: _export(folder, tiny_full_generator, EXTRA_DONT_CARE))
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def tiny_split_model(tiny_full_model: Path, made_once: Callable[..., Path]) -> Path:
    """``tiny_full_model`` in two files, as ``export --cache-layout`` writes it."""
    import onnx

    from layoutrt.export.onnx_export.layout_cache import render_path, split_model

    def make(folder: Path) -> None:
        halves = split_model(onnx.load(tiny_full_model), folder / "model.onnx")
        onnx.save(halves.layout, folder / "model.onnx")
        onnx.save(halves.render, render_path(folder / "model.onnx"))

    return made_once("split", make) / "model.onnx"


@pytest.fixture(scope="session")
def tiny_paper_model(made_once: Callable[..., Path]) -> Path:
    """As `tiny_full_model`, with predictors of 3x3 as the paper has them."""

    def make(folder: Path) -> None:
        generator = _make_generator(
            EXTRA_DONT_CARE.num_classes, instances=True, latent=TINY_LATENT, predictor_kernel=3
        )
        _export(folder, generator, EXTRA_DONT_CARE)

    return made_once("paper", make) / "model.onnx"


class Outcome(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in this process: ``cli("info", path)``."""
    from layoutrt.cli import main

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def subprocess_cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own: ``subprocess_cli("doctor", environment={…}, cwd=…)``."""

    def run(
        *arguments: object, environment: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "layoutrt", *(str(argument) for argument in arguments)]
        variables = os.environ | (environment or {})
        return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=cwd)

    return run


@pytest.fixture
def refuses(cli: Callable[..., Outcome]) -> Callable[..., None]:
    """Checks that a command fails with one line that holds words: ``refuses(("info", path), "no file")``."""

    def check(arguments: Sequence[object], *words: str) -> None:
        outcome = cli(*arguments)
        assert outcome.code == 1, outcome
        assert outcome.out == ""
        assert outcome.err.startswith("error: ")
        assert outcome.err.count("\n") == 1
        for word in words:
            assert word in outcome.err

    return check


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that holds ``camvid/`` and ``coco_stuff_sample/``; tests that need it skip without."""
    named = os.environ.get("LAYOUTRT_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "camvid").is_dir():
        pytest.skip("set LAYOUTRT_TEST_DATA to the folder that holds camvid/ and coco_stuff_sample/")
    return folder
